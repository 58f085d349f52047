package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/server/door"
	"github.com/runagent/runagent/internal/server/envelope"
)

// handler is one route's work. What it returns is written by its door.
type handler func(w http.ResponseWriter, r *http.Request) error

// Handler returns the doors as one http.Handler: request ID, the check of who
// calls, then the route.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(door.RequestIDHeader)
	if !door.SaneID(id) {
		id = door.NewRequestID()
	}
	w.Header()[door.RequestIDHeader] = []string{id}
	if s.retiring.Load() {
		w.Header()["Connection"] = []string{"close"}
	}
	defer s.fence(w, r)
	done, err := s.guard.Admit(w, r)
	if err == nil && !done {
		err = s.authenticate(r)
	}
	if err != nil {
		s.failDoor(w, r, err)
		return
	}
	if !done {
		s.mux.ServeHTTP(w, r)
	}
}

// authenticate checks the caller's key, where keys are asked for. How the
// process is, anybody may know.
func (s *Server) authenticate(r *http.Request) error {
	if s.o.Authenticate == nil || r.URL.Path == "/health/live" || r.URL.Path == "/health/ready" {
		return nil
	}
	return s.o.Authenticate(keyOf(r))
}

// keyOf returns the key that a request shows. Published clients show it in the
// query, too; everybody else would only leave it in somebody's logs.
func keyOf(r *http.Request) string {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	}
	if strings.HasPrefix(r.URL.Path, compatPrefix+"/") && r.URL.RawQuery != "" {
		return r.URL.Query().Get("token")
	}
	return ""
}

// fence keeps a panic of one request from ending the others.
func (s *Server) fence(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // a sentinel that net/http compares by identity
		panic(p) //nolint:forbidigo // passed on to net/http, whose it is
	}
	s.door.Log.ErrorContext(r.Context(), "handler panicked", slog.String("request_id", door.RequestID(w)),
		slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	if w.Header()["Content-Type"] != nil {
		// The answer has begun: cut the connection, or a half looks whole.
		panic(http.ErrAbortHandler) //nolint:forbidigo // how net/http is told to cut a connection
	}
	s.failDoor(w, r, fault.New(fault.Internal, "panic: %v", p))
}

// failDoor answers with err in the dialect of the door that was knocked at.
func (s *Server) failDoor(w http.ResponseWriter, r *http.Request, err error) {
	if strings.HasPrefix(r.URL.Path, compatPrefix) {
		s.compatDoor.Fail(w, r, err)
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
			s.compatDoor.Fail(w, r, err)
		}
	})
}

// changing has Settle wait for the requests of routes that change something.
func (s *Server) changing(routes []route) []route {
	for i, rt := range routes {
		if rt.method == http.MethodGet {
			continue
		}
		routes[i].handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !s.changes.TryAcquire(1) {
				s.failDoor(w, r, fault.New(fault.AgentUnavailable, "a new process of the platform is taking over; send it again").WithRetryAfter(time.Second))
				return
			}
			defer s.changes.Release(1)
			rt.handler.ServeHTTP(w, r)
		})
	}
	return routes
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
		s.failDoor(w, r, fault.New(fault.NotFound, "path %q not found", envelope.Clip(r.URL.Path, 128)).
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
			envelope.Clip(r.URL.Path, 128), r.Method, fmt.Sprint(allow)))
	})
}

// fail answers with err, as the /v1 door does.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var call *door.CallError
	invocationID := ""
	if errors.As(err, &call) {
		invocationID = call.ID
	}
	f := s.door.Public(r.Context(), door.RequestID(w), err)
	door.SetErrorHeaders(w.Header(), f)
	door.WriteJSON(w, door.StatusOf(f.Code), api.ErrorBody{Error: *door.WireError(f, door.RequestID(w), invocationID)})
}
