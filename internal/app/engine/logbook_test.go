package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server"
	"github.com/runagent/runagent/internal/store"
)

// newTestLogbook returns a logbook whose lines are kept in a database at path,
// and what it showed.
func newTestLogbook(t *testing.T, path string) (*Logbook, *[]string) {
	t.Helper()
	history, err := store.OpenHistory(path, store.HistoryOptions{Keep: math.MaxInt64, KeepPerAgent: math.MaxInt})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := history.Close(); err != nil {
			t.Error(err)
		}
	})
	var shown []string
	return NewLogbook(history, func(l invocation.LogLine) { shown = append(shown, l.Text) }), &shown
}

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "history.db") }

// lineAt is a line that agent a printed so many seconds after the first.
func lineAt(second int, text string) invocation.LogLine {
	at := time.Date(2026, 1, 2, 3, 4, second, 123456789, time.UTC)
	return invocation.LogLine{AgentID: "a", Time: at, Text: text, Stream: "stdout", Instance: "i"}
}

func texts(lines []invocation.LogLine) string {
	var all []string
	for _, l := range lines {
		all = append(all, l.Text)
	}
	return strings.Join(all, " ")
}

func TestLogbookMasksSecrets(t *testing.T) {
	t.Parallel()
	b, shown := newTestLogbook(t, newPath(t))
	b.Mask("a", []string{"sk-1234567890", "short"})
	b.Append(invocation.LogLine{AgentID: "a", Text: "key sk-1234567890 is short"})
	lines, err := b.Tail(t.Context(), server.LogQuery{AgentID: "a"})
	if want := "key ••• is short"; err != nil || texts(lines) != want || (*shown)[0] != want {
		t.Errorf("kept %+v, %v, shown %q", lines, err, *shown)
	}
}

func TestLogbookKeepsTheLastLines(t *testing.T) {
	t.Parallel()
	b, _ := newTestLogbook(t, newPath(t))
	for i := range bookLines + 5 {
		b.Append(invocation.LogLine{Text: fmt.Sprint(i), InvocationID: fmt.Sprint(i % 2)})
	}
	lines, err := b.Tail(t.Context(), server.LogQuery{Limit: 2, InvocationID: "1"})
	if err != nil || len(lines) != 2 || lines[1].Text != fmt.Sprint(bookLines+3) || lines[0].Text != fmt.Sprint(bookLines+1) {
		t.Errorf("got %+v, %v", lines, err)
	}
	if all, _ := b.Tail(t.Context(), server.LogQuery{Limit: bookLines}); len(all) != bookLines || all[0].Text != "5" {
		t.Errorf("%d lines, the first is %q", len(all), all[0].Text)
	}
}

func TestLogbookTellsOfEarlierServersToo(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	earlier, _ := newTestLogbook(t, path)
	earlier.Append(lineAt(1, "one"))
	earlier.Append(lineAt(2, "two"))
	if _, err := earlier.Tail(t.Context(), server.LogQuery{}); err != nil { // writes them
		t.Fatal(err)
	}
	b, _ := newTestLogbook(t, path)
	b.Append(lineAt(3, "three"))
	b.Append(lineAt(4, "twin"))
	b.Append(lineAt(4, "twin"))
	other := lineAt(5, "another's")
	other.AgentID = "b"
	b.Append(other)
	for _, want := range []struct {
		limit int
		texts string
	}{{100, "one two three twin twin"}, {3, "three twin twin"}} {
		q := server.LogQuery{AgentID: "a", Limit: want.limit}
		if lines, err := b.Tail(t.Context(), q); err != nil || texts(lines) != want.texts {
			t.Errorf("the last %d: %q, %v, want %q", want.limit, texts(lines), err, want.texts)
		}
	}
	var followed []invocation.LogLine
	enough := errors.New("enough")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := b.Follow(ctx, server.LogQuery{AgentID: "a", Limit: 4}, func(l invocation.LogLine) error {
		if followed = append(followed, l); len(followed) == 4 {
			b.Append(lineAt(6, "new"))
		}
		if l.Text == "new" {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || texts(followed) != "two three twin twin new" {
		t.Errorf("followed %q, %v", texts(followed), err)
	}
}

func TestLogbookGivesWhatTheDiskDidNotTake(t *testing.T) {
	t.Parallel()
	kept := []invocation.LogLine{lineAt(1, "kept"), lineAt(3, "kept")}
	latest := []invocation.LogLine{lineAt(1, "kept"), lineAt(2, "lost"), lineAt(3, "kept"), lineAt(3, "kept")}
	for i := range kept { // as the database gives them
		kept[i].Time = kept[i].Time.Truncate(time.Microsecond)
	}
	if got := texts(joinLines(kept, latest, 0)); got != "kept lost kept kept" {
		t.Errorf("joined: %s", got)
	}
}

func TestLogbookFollowersMissNothing(t *testing.T) {
	t.Parallel()
	b, _ := newTestLogbook(t, newPath(t))
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
	b, _ := newTestLogbook(t, newPath(t))
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
