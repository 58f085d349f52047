// Package keep reads and writes the value of the flag --keep.
package keep

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/runagent/runagent/internal/app"
)

// Flag is --keep: an age, a number of records, both, or all.
type Flag struct{ Rules *app.KeepRules }

// String writes the rules as Set reads them.
func (f Flag) String() string {
	if f.Rules == nil || *f.Rules == (app.KeepRules{}) {
		return "all"
	}
	var parts []string
	if age := f.Rules.Age; age > 0 {
		text := age.String()
		if days := age / (24 * time.Hour); age == days*24*time.Hour {
			text = fmt.Sprintf("%dd", days)
		}
		parts = append(parts, text)
	}
	if f.Rules.Count > 0 {
		parts = append(parts, strconv.Itoa(f.Rules.Count))
	}
	return strings.Join(parts, ",")
}

// Type names the value in help.
func (f Flag) Type() string { return "RULES" }

// Set reads rules such as "7d", "10000", "36h,500" and "all".
func (f Flag) Set(text string) error {
	if text == "all" {
		*f.Rules = app.KeepRules{}
		return nil
	}
	var rules app.KeepRules
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		if count, err := strconv.Atoi(part); err == nil && count > 0 && rules.Count == 0 {
			rules.Count = count
			continue
		}
		age, err := parseAge(part)
		if err != nil || age <= 0 || rules.Age != 0 {
			return fmt.Errorf("%q is no age such as 7d or 36h, no number of records, and not both with a comma", text)
		}
		rules.Age = age
	}
	*f.Rules = rules
	return nil
}

// parseAge reads a duration, which may be in days.
func parseAge(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if n > 100_000 {
			return 0, fmt.Errorf("%d days are too many", n)
		}
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}
