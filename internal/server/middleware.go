package server

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/runagent/runagent/internal/fault"
)

// The header's canonical form, for writing past textproto's own work.
const requestIDHeader = "X-Request-Id"

// handler is one route's work. What it returns is written by its door.
type handler func(w http.ResponseWriter, r *http.Request) error

// Handler returns the doors as one http.Handler: request ID, the check of who
// calls, then the route.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(requestIDHeader)
	if !saneID(id) {
		id = newRequestID()
	}
	w.Header()[requestIDHeader] = []string{id}
	defer s.fence(w, r)
	done, err := s.guard.admit(w, r)
	if err != nil {
		s.failDoor(w, r, err)
		return
	}
	if !done {
		s.mux.ServeHTTP(w, r)
	}
}

// fence keeps a panic of one request from ending the others.
func (s *Server) fence(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // a sentinel that net/http compares by identity
		panic(p)
	}
	s.o.Log.ErrorContext(r.Context(), "handler panicked", slog.String("request_id", requestID(w)),
		slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	if w.Header()["Content-Type"] != nil {
		// The answer has begun: cut the connection, or a half looks whole.
		panic(http.ErrAbortHandler)
	}
	s.failDoor(w, r, fault.New(fault.Internal, "panic: %v", p))
}

// failDoor answers with err in the dialect of the door that was knocked at.
func (s *Server) failDoor(w http.ResponseWriter, r *http.Request, err error) {
	if strings.HasPrefix(r.URL.Path, compatPrefix) {
		s.failCompat(w, r, err)
		return
	}
	s.fail(w, r, err)
}

// v1 makes h answer its errors as our own door does.
func (s *Server) v1(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// compat makes h answer its errors as the published clients expect them.
func (s *Server) compat(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.failCompat(w, r, err)
		}
	})
}

// requestID returns the ID of the request that w answers.
func requestID(w http.ResponseWriter) string {
	if id := w.Header()[requestIDHeader]; len(id) > 0 {
		return id[0]
	}
	return ""
}

// saneID reports whether a client's own request ID may stand in headers and logs.
func saneID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("-_.:", c) >= 0) {
			return false
		}
	}
	return true
}

// newRequestID returns a random UUID (version 4). It guards nothing, so the
// fast generator does, which takes no lock.
func newRequestID() string {
	const hex = "0123456789abcdef"
	hi, lo := rand.Uint64(), rand.Uint64() //nolint:gosec // an ID to find log lines by, not a secret
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 1<<63
	var id [36]byte
	at := 0
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			id[at] = '-'
			at++
		}
		word := hi
		if i >= 16 {
			word = lo
		}
		id[at] = hex[word>>(60-4*(i%16))&15]
		at++
	}
	return string(id[:])
}

// newMux files the routes. A path that exists answers other methods with 405
// and their list, every other path with 404.
func newMux(s *Server, routes []route) *http.ServeMux {
	mux := http.NewServeMux()
	allowed := map[string][]string{}
	for _, rt := range routes {
		mux.Handle(rt.method+" "+rt.path, rt.handler)
		allowed[rt.path] = append(allowed[rt.path], rt.method)
		if rt.method == http.MethodGet {
			allowed[rt.path] = append(allowed[rt.path], http.MethodHead)
		}
	}
	for path, methods := range allowed {
		mux.Handle(path, s.otherMethod(methods))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.failDoor(w, r, fault.New(fault.NotFound, "path %q not found", clip(r.URL.Path, 128)).
			WithSuggestion("The routes are listed at /docs."))
	})
	return mux
}

// otherMethod answers requests whose method a path does not have.
func (s *Server) otherMethod(methods []string) http.Handler {
	allow := strings.Join(append(methods, http.MethodOptions), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		s.failDoor(w, r, fault.New(fault.MethodNotAllowed, "%s does not take %s; it takes %s",
			clip(r.URL.Path, 128), r.Method, fmt.Sprint(allow)))
	})
}
