package python

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Version is a release of Python.
type Version struct {
	Major, Minor, Micro int
}

// Oldest is the first version that instances run on.
var Oldest = Version{Major: 3, Minor: 9}

// String writes v as Python does.
func (v Version) String() string {
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro)
}

// Compare returns -1, 0 or 1 as v is before, equal to or after o.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Major, o.Major), cmp.Compare(v.Minor, o.Minor), cmp.Compare(v.Micro, o.Micro))
}

// Specifier is a set of versions, written as in ">=3.10,<3.13". The zero
// value holds every version.
type Specifier struct {
	text    string
	clauses []clause
}

// clause is one comparison of a Specifier. parts is how many parts of the
// version were written; wildcard says that ".*" followed them.
type clause struct {
	op       string
	version  Version
	parts    int
	wildcard bool
}

// ParseSpecifier reads a comma-separated list of comparisons.
func ParseSpecifier(text string) (Specifier, error) {
	s := Specifier{text: strings.TrimSpace(text)}
	if s.text == "" {
		return s, nil
	}
	for part := range strings.SplitSeq(s.text, ",") {
		c, err := parseClause(strings.TrimSpace(part))
		if err != nil {
			return Specifier{}, fmt.Errorf("version %q: %w", text, err)
		}
		s.clauses = append(s.clauses, c)
	}
	return s, nil
}

// Has reports whether v is in the set.
func (s Specifier) Has(v Version) bool {
	for _, c := range s.clauses {
		if !c.has(v) {
			return false
		}
	}
	return true
}

// String returns the text the Specifier was parsed from.
func (s Specifier) String() string { return s.text }

func parseClause(text string) (clause, error) {
	c := clause{op: "=="}
	for _, op := range []string{"===", ">=", "<=", "==", "!=", "~=", ">", "<"} {
		if rest, ok := strings.CutPrefix(text, op); ok {
			c.op, text = strings.TrimSuffix(op, "=="), strings.TrimSpace(rest)
			if c.op == "" || c.op == "=" {
				c.op = "=="
			}
			break
		}
	}
	text, c.wildcard = strings.CutSuffix(text, ".*")
	numbers := strings.Split(text, ".")
	if len(numbers) > 3 {
		return c, fmt.Errorf("%q is not a version of Python such as 3.11", text)
	}
	fields := []*int{&c.version.Major, &c.version.Minor, &c.version.Micro}
	for i, number := range numbers {
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 {
			return c, fmt.Errorf("%q is not a version of Python such as 3.11", text)
		}
		*fields[i] = n
	}
	c.parts = len(numbers)
	if c.op == "~=" && c.parts < 2 {
		return c, fmt.Errorf("~= needs at least two numbers, such as ~=3.10")
	}
	return c, nil
}

func (c clause) has(v Version) bool {
	switch c.op {
	case ">=":
		return v.Compare(c.version) >= 0
	case "<=":
		return v.Compare(c.version) <= 0
	case ">":
		return v.Compare(c.version) > 0 && !c.prefix(v, c.parts)
	case "<":
		return v.Compare(c.version) < 0
	case "!=":
		return !c.equal(v)
	case "~=":
		return v.Compare(c.version) >= 0 && c.prefix(v, c.parts-1)
	default:
		return c.equal(v)
	}
}

func (c clause) equal(v Version) bool {
	if c.wildcard || c.parts < 3 {
		// A bare 3.11 means any 3.11 here: nobody means 3.11.0 only.
		return c.prefix(v, c.parts)
	}
	return v == c.version
}

// prefix reports whether the first n numbers of v are those of the clause.
func (c clause) prefix(v Version, n int) bool {
	mine := [3]int{c.version.Major, c.version.Minor, c.version.Micro}
	theirs := [3]int{v.Major, v.Minor, v.Micro}
	for i := range n {
		if mine[i] != theirs[i] {
			return false
		}
	}
	return true
}
