package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runagent/runagent/internal/fault"
)

// answerJSON answers 200 with a value of one of api's types.
func (s *Server) answerJSON(w http.ResponseWriter, r *http.Request, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	s.write(w, r, append(text, '\n'))
	return nil
}

// query reads a request's parameters and keeps the first problem.
type query struct {
	values url.Values
	err    error
}

// readQuery refuses parameters that are not among names: a misspelt filter
// would otherwise find everything.
func readQuery(r *http.Request, names ...string) *query {
	q := &query{values: r.URL.Query()}
	for name := range q.values {
		if !slices.Contains(names, name) {
			q.refuse(name, "the parameter %q is unknown; there are %s", clip(name, 64), strings.Join(names, ", "))
		}
	}
	return q
}

func (q *query) refuse(name, format string, args ...any) {
	if q.err == nil {
		q.err = fault.New(fault.Validation, format, args...).WithField(name)
	}
}

func (q *query) text(name string) string { return q.values.Get(name) }

func (q *query) flag(name string) bool {
	switch q.text(name) {
	case "", "0", "false":
		return q.values.Has(name) && q.text(name) == ""
	case "1", "true":
		return true
	}
	q.refuse(name, "%s must be 1 or 0", name)
	return false
}

// number returns a count from 1 to most.
func (q *query) number(name string, otherwise, most int) int {
	text := q.text(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		q.refuse(name, "%s must be a number from 1 to %d", name, most)
		return otherwise
	}
	return n
}

func (q *query) time(name string) time.Time {
	text := q.text(name)
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		q.refuse(name, "%s must be a time such as 2026-01-31T12:00:00Z", name)
	}
	return at.UTC()
}
