package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"
)

// writeJSON writes value as indented JSON. Text stays as it is: no HTML escapes.
func writeJSON(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// writeLine writes value as one line of JSON.
func writeLine(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// writeTable writes rows in columns below head.
func writeTable(w io.Writer, head []string, rows [][]string) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			row[i] = oneLine(cell)
		}
		fmt.Fprintln(table, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// oneLine returns text without line breaks, control characters and tabs,
// which would break a table, or a terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// clip shortens text to n characters.
func clip(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-1]) + "…"
}

// shortID is the end of an ID: what an invocation ID begins with is the time
// and the same for all of one moment.
func shortID(id string) string {
	return id[max(0, len(id)-8):]
}

// duration writes d with three digits.
func duration(d time.Duration) string {
	switch {
	case d >= 100*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return fmt.Sprintf("%.3gs", d.Seconds())
	}
	return fmt.Sprintf("%.3gms", float64(d)/float64(time.Millisecond))
}

// palette colours text for a terminal; its zero value doesn't.
type palette struct{ on bool }

// paletteFor returns the colours for w: none unless it is a terminal.
func paletteFor(w io.Writer, noColor bool) palette {
	file, ok := w.(*os.File)
	return palette{on: ok && !noColor && term.IsTerminal(int(file.Fd()))}
}

func (p palette) bold(text string) string   { return p.wrap("1", text) }
func (p palette) dim(text string) string    { return p.wrap("2", text) }
func (p palette) red(text string) string    { return p.wrap("31", text) }
func (p palette) green(text string) string  { return p.wrap("32", text) }
func (p palette) yellow(text string) string { return p.wrap("33", text) }

func (p palette) wrap(code, text string) string {
	if !p.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
