package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server/compat"
	"github.com/runagent/runagent/internal/server/control"
	"github.com/runagent/runagent/internal/server/door"
	"github.com/runagent/runagent/internal/server/openapi"
)

// What both doors need from their neighbours.
type (
	// Executor runs invocations.
	Executor = door.Executor
	// Agents tells what agents there are.
	Agents = door.Agents
	// Description is what the doors tell about an agent.
	Description = door.Description
)

// Logs reads what agents printed.
type Logs interface {
	// Tail returns the last lines, oldest first.
	Tail(ctx context.Context, q LogQuery) ([]invocation.LogLine, error)
	// Follow hands over the last lines and then each new one, until ctx ends,
	// whose error it returns, or emit returns one.
	Follow(ctx context.Context, q LogQuery, emit func(invocation.LogLine) error) error
}

// LogQuery selects log lines.
type LogQuery struct {
	AgentID      string
	InvocationID string // "" means all
	Revision     string
	Since        time.Time
	Limit        int // 1 to 10,000
}

// Options configures a Server. Executor, Agents, History and Logs are needed;
// the rest has defaults.
type Options struct {
	Executor Executor
	Agents   Agents
	History  invocation.History
	Logs     Logs
	Log      *slog.Logger
	// Version is the program's.
	Version string
	// Checks adds the server's own checks to /health. It may be nil.
	Checks func(ctx context.Context) []api.Check
	// Platform adds the routes of those who deploy. It may be nil.
	Platform control.Platform
	// Metrics answers /metrics. It may be nil.
	Metrics http.Handler
	// Intake adds those of published clients who deploy. It may be nil.
	Intake compat.Intake
	// Authenticate returns an error for a key that may not call, "" included.
	// Nil lets everybody call.
	Authenticate func(key string) error
	// Hosts are the names a request's Host may have beside the loopback ones;
	// "*" allows any.
	Hosts []string
	// CORSOrigins are the origins whose web pages may call; "*" allows any.
	CORSOrigins []string
	// MaxBytes bounds a body and an answer, each. 0 means 10 MiB.
	MaxBytes int64
	// ReadTimeout bounds the arrival of a whole request. 0 means 30 s.
	ReadTimeout time.Duration
	// StallTimeout bounds how long a client may take nothing of what is sent
	// to it. 0 means 2 min.
	StallTimeout time.Duration
	// After is time.After, or a test's.
	After func(time.Duration) <-chan time.Time
}

// Defaults of Options.
const (
	defaultMaxBytes     = 10 << 20
	defaultReadTimeout  = 30 * time.Second
	defaultStallTimeout = 2 * time.Minute
	// lastWordsTimeout is how long calls that a shutdown ended may take to say so.
	lastWordsTimeout = time.Second
	// retireTime is how long connections are used on that a successor won't get.
	retireTime     = 500 * time.Millisecond
	headerTimeout  = 10 * time.Second
	idleTimeout    = 3 * time.Minute
	maxHeaderBytes = 64 << 10
	// manyChanges is more than there are requests at once.
	manyChanges = 1 << 30
)

// Server is the doors. It is safe for concurrent use.
type Server struct {
	o          Options
	door       *door.Door
	compatDoor *compat.Door
	control    *control.Door // nil without a platform
	guard      door.Guard
	mux        *http.ServeMux
	http       *http.Server
	spec       *openapi.Document
	docs       http.Handler

	life        context.Context //nolint:containedctx // the lifetime of all requests
	kill        context.CancelCauseFunc
	stopWaits   context.CancelFunc
	changes     *semaphore.Weighted // manyChanges; each request that changes the platform has one
	connections connections
	stopping    atomic.Bool
	retiring    atomic.Bool
}

// New returns a Server that listens nowhere yet.
func New(o Options) (*Server, error) {
	if o.Executor == nil || o.Agents == nil || o.History == nil || o.Logs == nil {
		return nil, errors.New("server needs Executor, Agents, History and Logs")
	}
	s := &Server{o: withDefaults(o), changes: semaphore.NewWeighted(manyChanges)}
	s.guard = door.NewGuard(o.Hosts, o.CORSOrigins)
	s.life, s.kill = context.WithCancelCause(context.Background())
	draining, stopWaits := context.WithCancel(s.life)
	s.stopWaits = stopWaits
	var err error
	if s.door, err = door.New(draining, door.Options{
		Executor: s.o.Executor, Agents: s.o.Agents, History: s.o.History, Log: s.o.Log, Version: s.o.Version,
		Checks: s.o.Checks, MaxBytes: s.o.MaxBytes, StallTimeout: s.o.StallTimeout, After: s.o.After,
	}); err != nil {
		return nil, err
	}
	s.compatDoor = compat.New(s.door, o.Intake)
	if o.Platform != nil {
		s.control = control.New(s.door, o.Platform)
	}
	s.docs = openapi.Page()
	routes := s.routes()
	if s.spec, err = openapi.New(o.Version, described(routes)); err != nil {
		return nil, err
	}
	s.mux = newMux(s, routes)
	s.http = s.newHTTPServer()
	return s, nil
}

func withDefaults(o Options) Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = defaultReadTimeout
	}
	if o.StallTimeout == 0 {
		o.StallTimeout = defaultStallTimeout
	}
	if o.After == nil {
		o.After = time.After
	}
	return o
}

func (s *Server) newHTTPServer() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           s.Handler(),
		Protocols:         protocols,
		ReadHeaderTimeout: min(headerTimeout, s.o.ReadTimeout),
		ReadTimeout:       s.o.ReadTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return s.life },
		ConnState:         s.connections.note,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
}

// Serve answers requests on ln until Shutdown, then returns nil. It closes ln.
// The end of ctx is a Shutdown without patience.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	defer context.AfterFunc(ctx, s.Kill)()
	err := s.http.Serve(watched{ln, &s.connections})
	if errors.Is(err, http.ErrServerClosed) || s.retiring.Load() && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Retire goes before the Shutdown of a server whose place another one takes, ln
// being its listener: what is open is answered a little longer, and told to
// connect anew. A connection closed at once could have the next call on its way.
func (s *Server) Retire(ctx context.Context, ln net.Listener) {
	s.retiring.Store(true)
	_ = ln.Close() // Serve ends for it
	s.retirePause(ctx)
}

func (s *Server) retirePause(ctx context.Context) {
	select {
	case <-s.o.After(retireTime):
	case <-ctx.Done():
	}
}

// Settle waits until no request changes the platform any more, and refuses
// those that come: calls go on.
func (s *Server) Settle(ctx context.Context) error {
	return s.changes.Acquire(ctx, manyChanges)
}

// Shutdown turns readiness off, closes the listener and waits until the calls
// in flight have ended; when ctx ends first, or at a second Shutdown, they are
// cut off. After Retire a connection is used on for a moment after each call.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.stopping.Swap(true) {
		s.Kill()
		return nil
	}
	s.stopWaits()
	if s.retiring.Load() {
		s.connections.seeOff(ctx, s.retirePause)
	}
	err := s.http.Shutdown(ctx)
	if err == nil {
		err = s.door.Sockets.Wait(ctx)
	}
	if err != nil {
		s.lastWords(ctx)
	}
	s.Kill()
	return err
}

// lastWords cancels all calls and lets them tell their clients so: a stream
// that ends without a word looks complete to some.
func (s *Server) lastWords(ctx context.Context) {
	s.kill(door.ErrStopping)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWordsTimeout)
	defer cancel()
	_ = s.http.Shutdown(ctx) // who takes longer is cut off by Kill
}

// Kill closes the listener and all connections at once and cancels all calls.
func (s *Server) Kill() {
	s.stopping.Store(true)
	s.kill(door.ErrStopping)
	_ = s.http.Close()
	// Their reads ended with the lifetime; what remains is to see them go.
	_ = s.door.Sockets.Wait(context.Background())
}

// described is what of the routes goes into the OpenAPI document.
func described(routes []route) []openapi.Route {
	list := make([]openapi.Route, 0, len(routes))
	for _, rt := range routes {
		list = append(list, openapi.Route{Method: rt.method, Path: rt.path, Doc: rt.doc})
	}
	return list
}
