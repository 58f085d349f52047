package fakellm

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ordersHeader carries orders for those who can't choose the model's name.
const ordersHeader = "X-Fakellm"

// orders say what is to go wrong with one request.
type orders struct {
	failStatus int // answer with this status …
	failTimes  int // … so often, then succeed; 0 = always
	name       string
	delay      time.Duration // before an answer, and before each piece of a stream
	cut        bool          // end the connection half-way
}

// parseOrders reads orders from a model's name and a header, where they stand
// between plus signs, commas or blanks:
//
//	fail-429     answer with that status, here with Retry-After
//	fail-500x2   do so twice, then succeed
//	slow-50ms    wait before the answer, and before each piece of a stream
//	cut          end the connection half-way
//
// Everything else is part of a name and means nothing.
func parseOrders(model, header string) (orders, error) {
	var o orders
	words := strings.FieldsFunc(model+","+header, func(r rune) bool { return strings.ContainsRune("+, ", r) })
	for _, word := range words {
		if err := o.add(word); err != nil {
			return o, newAPIError(http.StatusBadRequest, "order %q: %v", word, err).with("model", "")
		}
	}
	o.name = strings.Join(words, "+")
	return o, nil
}

func (o *orders) add(word string) (err error) {
	verb, value, _ := strings.Cut(word, "-")
	switch verb {
	case "cut":
		o.cut = true
	case "slow":
		o.delay, err = time.ParseDuration(value)
	case "fail":
		status, times, repeated := strings.Cut(value, "x")
		if o.failStatus, err = strconv.Atoi(status); err == nil && (o.failStatus < 400 || o.failStatus > 599) {
			err = errors.New("the status must be from 400 to 599")
		}
		if err == nil && repeated {
			o.failTimes, err = strconv.Atoi(times)
		}
	}
	return err
}

// failOnOrder returns the ordered failure, if it is due.
func (s *Server) failOnOrder(o orders) *apiError {
	if o.failStatus == 0 {
		return nil
	}
	s.mu.Lock()
	s.failures[o.name]++
	count := s.failures[o.name]
	s.mu.Unlock()
	if o.failTimes > 0 && count > o.failTimes {
		return nil
	}
	return orderedError(o.failStatus)
}

// orderedError is the error body that goes with a status.
func orderedError(status int) *apiError {
	switch {
	case status == http.StatusTooManyRequests:
		return newAPIError(status, "Rate limit reached for requests. Please try again in 50ms.").with("", "rate_limit_exceeded")
	case status == http.StatusNotFound:
		return newAPIError(status, "The model does not exist or you do not have access to it.").with("model", "model_not_found")
	case status >= 500:
		return newAPIError(status, "The server had an error while processing your request. Sorry about that!")
	}
	return newAPIError(status, "%s", fmt.Sprintf("Failed as ordered with status %d.", status))
}
