// Package fakellm is a language model's API without the model: it answers
// like OpenAI's over loopback, the same answer to the same question, with
// tool calls, streams and failures on demand. Unmodified OpenAI clients work
// against it. Tests and examples use it; it is no part of the product.
//
// What it says follows from the last message, see [answer]: it repeats what
// the user said, calls a tool that the user names ("use add {"a":1,"b":2}"),
// or passes on what a tool returned.
//
// What goes wrong follows from the model's name or the header X-Fakellm, see
// [parseOrders]: "fail-429", "fail-500x2", "slow-50ms", "cut", also joined by
// plus signs. The key "bad" is refused, any other accepted.
package fakellm

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxBody bounds a request's body.
const maxBody = 32 << 20

// created is every answer's time of creation: the same request always gets
// the same bytes.
const created = 1_700_000_000

// errSent says that an answer failed after its status was sent: there is
// nobody to tell.
var errSent = errors.New("the answer broke off")

// Server answers as OpenAI's API would. Create it with New; it is safe for
// concurrent use and has nothing to close.
type Server struct {
	mux *http.ServeMux

	mu       sync.Mutex
	failures map[string]int     // how often an order such as fail-500x2 was carried out
	kept     map[string][]entry // the conversations of responses, by response ID
}

// New returns a Server.
func New() *Server {
	s := &Server{mux: http.NewServeMux(), failures: map[string]int{}, kept: map[string][]entry{}}
	s.mux.HandleFunc("POST /v1/chat/completions", s.guard(s.chat))
	s.mux.HandleFunc("POST /v1/responses", s.guard(s.responses))
	s.mux.HandleFunc("POST /v1/embeddings", s.guard(s.embeddings))
	s.mux.HandleFunc("GET /v1/models", s.guard(s.models))
	s.mux.HandleFunc("GET /v1/models/{model}", s.guard(s.model))
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		newAPIError(http.StatusNotFound, "Invalid URL (%s %s)", r.Method, r.URL.Path).write(w)
	})
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// request is what every handler gets: the body, read whole, and what the
// caller ordered to go wrong.
type request struct {
	*http.Request
	body   []byte
	model  string
	orders orders
}

// id returns an identifier that depends on the request alone, unique among
// the turns of a conversation.
func (r *request) id(prefix string) string {
	sum := sha256.Sum256(append([]byte(r.URL.Path), r.body...))
	return prefix + hex.EncodeToString(sum[:12])
}

// guard checks the key, reads the body and carries out the orders that come
// before an answer; an error of next becomes an error body.
func (s *Server) guard(next func(http.ResponseWriter, *request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := s.admit(w, r, next); err != nil {
			err.write(w)
		}
	}
}

func (s *Server) admit(w http.ResponseWriter, r *http.Request, next func(http.ResponseWriter, *request) error) *apiError {
	if err := checkKey(r.Header.Get("Authorization")); err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return newAPIError(http.StatusBadRequest, "We could not read the body of your request: %v", err)
	}
	req := &request{Request: r, body: body}
	if r.Method == http.MethodPost {
		var head struct {
			Model string `json:"model"`
		}
		if err := json.Unmarshal(body, &head); err != nil {
			return newAPIError(http.StatusBadRequest, "We could not parse the JSON body of your request: %v", err)
		}
		if head.Model == "" {
			return newAPIError(http.StatusBadRequest, "you must provide a model parameter").with("model", "")
		}
		req.model = head.Model
	}
	if req.orders, err = parseOrders(req.model, r.Header.Get(ordersHeader)); err != nil {
		return asAPIError(err)
	}
	if err := s.failOnOrder(req.orders); err != nil {
		return err
	}
	err = next(w, req)
	if errors.Is(err, errSent) {
		return nil
	}
	return asAPIError(err)
}

func checkKey(header string) *apiError {
	key, ok := strings.CutPrefix(header, "Bearer ")
	switch {
	case !ok || strings.TrimSpace(key) == "":
		return newAPIError(http.StatusUnauthorized, "You didn't provide an API key.")
	case key == "bad":
		return newAPIError(http.StatusUnauthorized, "Incorrect API key provided: %s.", key).with("", "invalid_api_key")
	}
	return nil
}

// pause waits for d, or until the caller has gone.
func (r *request) pause(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-r.Context().Done():
		return r.Context().Err()
	}
}

// decode reads the request's body into v.
func (r *request) decode(v any) error {
	if err := json.Unmarshal(r.body, v); err != nil {
		return newAPIError(http.StatusBadRequest, "Invalid request: %v", err)
	}
	return nil
}

// reply writes v as the whole answer.
func (r *request) reply(w http.ResponseWriter, v any) error {
	if err := r.pause(r.orders.delay); err != nil {
		return err
	}
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	if r.orders.cut {
		body = body[:len(body)/2]
	}
	if _, err := w.Write(body); err != nil {
		return err
	}
	r.hangUp(w)
	return nil
}

// hangUp ends the connection in the middle, if that was ordered.
func (r *request) hangUp(w http.ResponseWriter) {
	if !r.orders.cut {
		return
	}
	_ = http.NewResponseController(w).Flush() // what was written must arrive before the end
	panic(http.ErrAbortHandler)               //nolint:forbidigo // the way of net/http to end a connection
}
