// Package ask puts questions to a person at a terminal, and is the one door of
// the library that draws them.
package ask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"charm.land/huh/v2"
	"golang.org/x/term"
)

// rows is how many lines a question with its options may take.
const rows = 18

// ErrLeft says that the person left without an answer, by Ctrl-C say.
var ErrLeft = errors.New("left without an answer")

// Terminal is where a person is asked.
type Terminal struct {
	In  io.Reader
	Out io.Writer
	// Kind is what TERM says it is.
	Kind string
}

// Present reports whether a person can be asked: both ends are a terminal that
// can be drawn on.
func (t Terminal) Present() bool {
	return isTerminal(t.In) && isTerminal(t.Out) && t.Kind != "" && t.Kind != "dumb"
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Option is one of several answers.
type Option struct {
	// Label is what the person reads, Value what the answer is.
	Label, Value string
	// Chosen marks it from the start, where several can be chosen.
	Chosen bool
}

// Question is one of several that are asked one after the other. Its answer is
// left in Answer, which is also what is offered.
type Question struct {
	Title  string
	Answer *string
	// Options are what can be chosen; without any a line is typed.
	Options []Option
	// Check says what is wrong with a typed line.
	Check func(string) error
	// When says whether the question is asked at all, by the answers before
	// it; nil means always.
	When func() bool
}

func (q Question) asked() bool { return q.When == nil || q.When() }

// Ask asks the questions in order.
func (t Terminal) Ask(ctx context.Context, questions ...Question) error {
	groups := make([]*huh.Group, len(questions))
	for i, q := range questions {
		var field huh.Field = huh.NewInput().Title(q.Title).Value(q.Answer).Validate(q.Check)
		if q.Options != nil {
			field = huh.NewSelect[string]().Title(q.Title).Options(drawn(q.Options)...).Height(min(len(q.Options)+1, rows)).Value(q.Answer)
		}
		groups[i] = huh.NewGroup(field).WithHideFunc(func() bool { return !q.asked() })
	}
	if err := t.run(ctx, groups...); err != nil {
		return err
	}
	for _, q := range questions {
		if q.asked() {
			t.keep(q.Title, *q.Answer)
		}
	}
	return nil
}

// ChooseAndConfirm asks for any of the options, one at least, and then for a
// yes or a no to what describe says of those.
func (t Terminal) ChooseAndConfirm(
	ctx context.Context, question string, options []Option, confirmation string, describe func(values []string) string,
) (values []string, yes bool, err error) {
	yes = true
	choice := huh.NewMultiSelect[string]().Title(question).Options(drawn(options)...).Height(min(len(options)+1, rows)).Value(&values)
	choice.Validate(func(chosen []string) error {
		if len(chosen) == 0 {
			return errors.New("choose one at least, with the space bar")
		}
		return nil
	})
	confirm := huh.NewConfirm().Title(confirmation).DescriptionFunc(func() string { return describe(values) }, &values).Value(&yes)
	// One form, not two: the first one's reader could swallow a key of the second's.
	if err := t.run(ctx, huh.NewGroup(choice), huh.NewGroup(confirm)); err != nil {
		return nil, false, err
	}
	t.keep(question, strings.Join(values, ", "))
	t.keep(confirmation, map[bool]string{true: "yes", false: "no"}[yes])
	return values, yes, nil
}

func (t Terminal) run(ctx context.Context, groups ...*huh.Group) error {
	form := huh.NewForm(groups...).WithInput(t.In).WithOutput(t.Out)
	switch err := form.RunWithContext(ctx); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, huh.ErrUserAborted):
		return ErrLeft
	case err != nil:
		return fmt.Errorf("ask: %w", err)
	}
	return nil
}

// keep leaves question and answer on the terminal, from which the library
// removes them.
func (t Terminal) keep(question, answer string) {
	fmt.Fprintf(t.Out, "%s %s\n", question, answer)
}

func drawn(options []Option) []huh.Option[string] {
	out := make([]huh.Option[string], len(options))
	for i, o := range options {
		out[i] = huh.NewOption(o.Label, o.Value).Selected(o.Chosen)
	}
	return out
}
