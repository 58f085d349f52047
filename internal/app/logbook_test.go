package app

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server"
)

func newTestLogbook() (*logbook, *[]string) {
	var kept []string
	return newLogbook(func(l invocation.LogLine) { kept = append(kept, l.Text) }, func(invocation.LogLine) {}), &kept
}

func TestLogbookMasksSecrets(t *testing.T) {
	t.Parallel()
	b, kept := newTestLogbook()
	b.setSecrets([]string{"sk-1234567890", "short"})
	b.Append(invocation.LogLine{Text: "key sk-1234567890 is short"})
	if got := (*kept)[0]; got != "key ••• is short" {
		t.Errorf("kept %q", got)
	}
}

func TestLogbookKeepsTheLastLines(t *testing.T) {
	t.Parallel()
	b, _ := newTestLogbook()
	for i := range bookLines + 5 {
		b.Append(invocation.LogLine{Text: fmt.Sprint(i), InvocationID: fmt.Sprint(i % 2)})
	}
	lines, err := b.Tail(t.Context(), server.LogQuery{Limit: 2, InvocationID: "1"})
	if err != nil || len(lines) != 2 || lines[1].Text != fmt.Sprint(bookLines+3) || lines[0].Text != fmt.Sprint(bookLines+1) {
		t.Errorf("got %+v, %v", lines, err)
	}
	if all, _ := b.Tail(t.Context(), server.LogQuery{}); len(all) != bookLines || all[0].Text != "5" {
		t.Errorf("%d lines, the first is %q", len(all), all[0].Text)
	}
}

func TestLogbookFollowersMissNothing(t *testing.T) {
	t.Parallel()
	b, _ := newTestLogbook()
	b.Append(invocation.LogLine{Text: "0"})
	enough := errors.New("enough")
	next := 0
	err := b.Follow(t.Context(), server.LogQuery{}, func(l invocation.LogLine) error {
		if l.Text != fmt.Sprint(next) {
			return fmt.Errorf("line %q, want %d", l.Text, next)
		}
		if next++; next == 100 {
			return enough
		}
		b.Append(invocation.LogLine{Text: fmt.Sprint(next)})
		return nil
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}

func TestLogbookCutsSlowFollowersOff(t *testing.T) {
	t.Parallel()
	b, _ := newTestLogbook()
	b.Append(invocation.LogLine{Text: "first"})
	first := true
	err := b.Follow(context.Background(), server.LogQuery{}, func(invocation.LogLine) error {
		if first {
			first = false
			for range followerLines + 1 {
				b.Append(invocation.LogLine{Text: "flood"})
			}
		}
		return nil
	})
	if err != nil || len(b.followers) != 0 {
		t.Errorf("Follow: %v, %d followers left", err, len(b.followers))
	}
}
