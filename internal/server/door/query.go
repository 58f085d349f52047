package door

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runagent/runagent/internal/fault"

	"github.com/runagent/runagent/internal/server/envelope"
)

// Query reads a request's parameters and keeps the first problem.
type Query struct {
	values url.Values
	// Err is the first problem.
	Err error
}

// ReadQuery refuses parameters that are not among names: a misspelt filter
// would otherwise find everything.
func ReadQuery(r *http.Request, names ...string) *Query {
	q := &Query{values: r.URL.Query()}
	for name := range q.values {
		if !slices.Contains(names, name) {
			q.Refuse(name, "the parameter %q is unknown; there are %s", envelope.Clip(name, 64), strings.Join(names, ", "))
		}
	}
	return q
}

// AnyQuery reads a request's parameters and leaves alone what it does not know.
func AnyQuery(r *http.Request) *Query { return &Query{values: r.URL.Query()} }

// Refuse keeps a problem with a parameter, unless there is one already.
func (q *Query) Refuse(name, format string, args ...any) {
	if q.Err == nil {
		q.Err = fault.New(fault.Validation, format, args...).WithField(name)
	}
}

// Text returns a parameter as it came.
func (q *Query) Text(name string) string { return q.values.Get(name) }

// Flag returns a parameter that is 1 or 0.
func (q *Query) Flag(name string) bool {
	switch q.Text(name) {
	case "", "0", "false":
		return q.values.Has(name) && q.Text(name) == ""
	case "1", "true":
		return true
	}
	q.Refuse(name, "%s must be 1 or 0", name)
	return false
}

// Number returns a count from 1 to most.
func (q *Query) Number(name string, otherwise, most int) int {
	text := q.Text(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		q.Refuse(name, "%s must be a number from 1 to %d", name, most)
		return otherwise
	}
	return n
}

// Time returns a parameter that is an RFC 3339 time, in UTC.
func (q *Query) Time(name string) time.Time {
	text := q.Text(name)
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		q.Refuse(name, "%s must be a time such as 2026-01-31T12:00:00Z", name)
	}
	return at.UTC()
}
