package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/app/engine"
	"github.com/runagent/runagent/internal/deploy"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/instance"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server"
	"github.com/runagent/runagent/internal/store"
)

// historyName is the file of the records, in Home.
const historyName = "history.db"

// historyOptions are the bounds of k as the store takes them, where 0 is not
// "without bound" but "the default".
func (k KeepRules) historyOptions(log *slog.Logger) store.HistoryOptions {
	o := store.HistoryOptions{Keep: k.Age, KeepPerAgent: k.Count, Log: log}
	if k.Age <= 0 {
		o.Keep = time.Duration(math.MaxInt64)
	}
	if k.Count <= 0 {
		o.KeepPerAgent = math.MaxInt
	}
	return o
}

// ownHistory is the part of the records that is about one agent. All agents
// served on a machine share a database; who may call one, with --insecure
// everybody, is not to read what the others were asked.
type ownHistory struct {
	all     invocation.History
	agentID func() string
}

// Invocation implements invocation.History.
func (h ownHistory) Invocation(ctx context.Context, id string) (*invocation.Record, error) {
	rec, err := h.all.Invocation(ctx, id)
	if err == nil && rec.AgentID != h.agentID() {
		return nil, fault.New(fault.NotFound, "invocation not found; this server has none with this ID")
	}
	return rec, err
}

// Invocations implements invocation.History.
func (h ownHistory) Invocations(ctx context.Context, f invocation.Filter) (recs []invocation.Record, next string, err error) {
	own := h.agentID()
	if f.AgentID != "" && f.AgentID != own {
		return nil, "", nil
	}
	f.AgentID = own
	return h.all.Invocations(ctx, f)
}

// Stats implements invocation.History.
func (h ownHistory) Stats(ctx context.Context, agentID string) (invocation.Stats, error) {
	return h.all.Stats(ctx, agentID)
}

// Records are the invocations and log lines kept on this machine, for when no
// server is there to be asked. A client that has them as its transport reads
// them by the routes of a server; whatever agent it names, it gets what is kept
// of that ID. They run no calls. Safe for concurrent use.
type Records struct {
	history *store.History
	handler http.Handler
}

// OpenRecords opens what is kept in home, and settles what a killed server left
// running. It fails where nothing was ever kept. The caller closes it.
func OpenRecords(home, version string) (*Records, error) {
	path := filepath.Join(home, historyName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("nothing was recorded so far: there is no %s", path)
	}
	// Without bounds: what is to be removed, a server decides.
	history, err := store.OpenHistory(path, KeepRules{}.historyOptions(nil))
	if err != nil {
		return nil, fmt.Errorf("open the records: %w", err)
	}
	if err := history.Health(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the records: %w", err), history.Close())
	}
	doors, err := server.New(server.Options{
		Executor: invocation.NewExecutor(invocation.Options{
			Directory: new(deploy.Traffic), Invoker: new(instance.Pools), Recorder: history,
		}),
		Agents: anyAgent{}, History: history, Logs: engine.NewLogbook(history, func(invocation.LogLine) {}), Version: version,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the doors: %w", err), history.Close())
	}
	return &Records{history: history, handler: doors.Handler()}, nil
}

// RoundTrip implements http.RoundTripper.
func (r *Records) RoundTrip(req *http.Request) (*http.Response, error) {
	a := &answer{header: http.Header{}, status: http.StatusOK}
	r.handler.ServeHTTP(a, req)
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), Request: req,
	}, nil
}

// Close closes the database.
func (r *Records) Close() error { return r.history.Close() }

// answer collects what a handler answers.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

// anyAgent knows an agent of every ID: records outlive agents.
type anyAgent struct{}

// List implements server.Agents.
func (anyAgent) List(context.Context) ([]server.Description, error) { return nil, nil }

// Describe implements server.Agents.
func (anyAgent) Describe(_ context.Context, ref string) (*server.Description, error) {
	return &server.Description{Agent: &agent.Agent{ID: ref}}, nil
}

var (
	_ invocation.History  = ownHistory{}
	_ http.RoundTripper   = (*Records)(nil)
	_ http.ResponseWriter = (*answer)(nil)
	_ server.Agents       = anyAgent{}
)
