// Package terminal writes what people read: values as JSON and tables, lines of
// logs in colour, and what happens while an agent is served.
package terminal

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

// WriteJSON writes value as indented JSON. Text stays as it is: no HTML escapes.
func WriteJSON(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// WriteLine writes value as one line of JSON.
func WriteLine(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// WriteTable writes rows in columns below head.
func WriteTable(w io.Writer, head []string, rows [][]string) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			row[i] = OneLine(cell)
		}
		fmt.Fprintln(table, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// OneLine returns text without line breaks, control characters and tabs,
// which would break a table, or a terminal.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// Clip shortens text to n characters.
func Clip(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-1]) + "…"
}

// ShortID is the end of an ID: what an invocation ID begins with is the time
// and the same for all of one moment.
func ShortID(id string) string {
	return id[max(0, len(id)-8):]
}

// Duration writes d with three digits.
func Duration(d time.Duration) string {
	switch {
	case d >= 100*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return fmt.Sprintf("%.3gs", d.Seconds())
	}
	return fmt.Sprintf("%.3gms", float64(d)/float64(time.Millisecond))
}

// Palette colours text for a terminal; its zero value doesn't.
type Palette struct{ On bool }

// PaletteFor returns the colours for w: none unless it is a terminal.
func PaletteFor(w io.Writer, noColor bool) Palette {
	file, ok := w.(*os.File)
	return Palette{On: ok && !noColor && term.IsTerminal(int(file.Fd()))}
}

// Bold makes text heavier.
func (p Palette) Bold(text string) string { return p.wrap("1", text) }

// Dim makes text lighter.
func (p Palette) Dim(text string) string { return p.wrap("2", text) }

// Red makes text red.
func (p Palette) Red(text string) string { return p.wrap("31", text) }

// Green makes text green.
func (p Palette) Green(text string) string { return p.wrap("32", text) }

// Yellow makes text yellow.
func (p Palette) Yellow(text string) string { return p.wrap("33", text) }

func (p Palette) wrap(code, text string) string {
	if !p.On || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
