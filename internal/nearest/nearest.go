// Package nearest guesses the name that somebody meant who misspelled it (leaf).
package nearest

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Name returns the name that text was probably meant to be, or "". A name
// is near when few letters differ, or when text is one of its words.
func Name(text string, names []string) string {
	if len(text) > 100 {
		return ""
	}
	word := fold(text)
	best, bestDistance := "", (len(word)+2)/3+1
	for _, name := range names {
		if name == text {
			continue
		}
		if d := distance(word, fold(name)); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	if best != "" || len(word) < 3 {
		return best
	}
	return onlyNameWith(word, names)
}

// distance counts the letters that differ; letters in another order count as
// one slip, which they mostly are.
func distance(a, b string) int {
	d := levenshtein.ComputeDistance(a, b)
	if d == 2 && len(a) == len(b) && letters(a) == letters(b) {
		return 1
	}
	return d
}

func letters(word string) string {
	sorted := []rune(word)
	slices.Sort(sorted)
	return string(sorted)
}

// onlyNameWith returns the one name that has word as a part, or "".
func onlyNameWith(word string, names []string) string {
	found := ""
	for _, name := range names {
		if name == "" || fold(name) == word || !strings.HasPrefix(fold(name), word) && !strings.HasSuffix(fold(name), word) {
			continue
		}
		if found != "" {
			return ""
		}
		found = name
	}
	return found
}

// fold makes the spellings of one name alike: agentName, agent-name, AGENT_NAME.
func fold(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}
