// Package webhookcall runs webhook entrypoints: each call of one is an HTTP
// request to the address that the manifest names. It is an invocation.Invoker
// beside the instances' pools and needs no Python.
package webhookcall

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

// maxInFlight bounds the requests of one revision that are under way: each
// holds a connection, and a service that hangs must not eat all of ours.
const maxInFlight = 1000

// Options configures Hooks.
type Options struct {
	// MaxResult bounds an answer, and one item of an answer that streams, in
	// bytes; 0 means 10 MiB.
	MaxResult int64
	// UserAgent is sent with every request; "" means "runagent".
	UserAgent string
}

// Hooks holds the webhook entrypoints of each revision on this node. It is
// safe for concurrent use.
type Hooks struct {
	o          Options
	byRevision sync.Map // revision → *revision
}

// New returns Hooks that know no revision yet.
func New(o Options) *Hooks {
	if o.MaxResult == 0 {
		o.MaxResult = 10 << 20
	}
	if o.UserAgent == "" {
		o.UserAgent = "runagent"
	}
	return &Hooks{o: o}
}

// revision is the webhook entrypoints of one revision of an agent.
type revision struct {
	hooks  map[string]*agent.Entrypoint
	client *http.Client

	mu       sync.Mutex // guards what follows
	inFlight int
	idle     chan struct{} // closed when nothing is in flight; nil while nobody waits
}

// enter counts a request; it reports false when there are too many.
func (r *revision) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inFlight >= maxInFlight {
		return false
	}
	r.inFlight++
	return true
}

func (r *revision) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight--
	if r.inFlight == 0 && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
}

// whenIdle returns a channel that is closed when nothing is in flight.
func (r *revision) whenIdle() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inFlight == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	if r.idle == nil {
		r.idle = make(chan struct{})
	}
	return r.idle
}

// Start takes over the webhook entrypoints among the given ones and returns
// what they are; others are left out. It sends nothing.
func (h *Hooks) Start(id string, entrypoints []agent.Entrypoint) []agent.Callable {
	var callables []agent.Callable
	r := &revision{hooks: map[string]*agent.Entrypoint{}}
	named := destinations{}
	for i := range entrypoints {
		e := &entrypoints[i]
		if e.WebhookURL == "" {
			continue
		}
		r.hooks[e.Tag] = e
		named.add(e.WebhookURL)
		callables = append(callables, callable(e))
	}
	if len(callables) == 0 {
		return nil
	}
	r.client = newClient(named)
	h.byRevision.Store(id, r)
	return callables
}

// callable describes a webhook entrypoint as an instance describes a function.
func callable(e *agent.Entrypoint) agent.Callable {
	c := agent.Callable{
		Tag: e.Tag, Type: agent.Generic, Streams: streams(e), Description: e.Description, Extractor: e.Extractor,
		InputSchema: json.RawMessage(`{"type":"object","description":"What the webhook is sent."}`),
	}
	if c.Streams {
		c.Type = agent.GenericStream
	}
	if u, err := url.Parse(e.WebhookURL); err == nil {
		c.Signature = fmt.Sprintf("%s %s", e.Method, u.Host) // the path may be a secret
	}
	return c
}

// streams reports whether the answer is passed on item by item.
func streams(e *agent.Entrypoint) bool {
	return e.Type == agent.GenericStream || e.Type == "" && strings.HasSuffix(e.Tag, "_stream")
}

// Has reports whether calls to the entrypoint of the revision are requests.
func (h *Hooks) Has(id, tag string) bool {
	r, ok := h.revision(id)
	return ok && r.hooks[tag] != nil
}

// Stop lets the requests of a revision end, at most until ctx does, and
// forgets it.
func (h *Hooks) Stop(ctx context.Context, id string) {
	r, ok := h.revision(id)
	if !ok {
		return
	}
	select {
	case <-r.whenIdle():
	case <-ctx.Done():
	}
	h.byRevision.Delete(id)
	r.client.CloseIdleConnections()
}

// InFlight says how many requests are under way.
func (h *Hooks) InFlight() int {
	n := 0
	h.byRevision.Range(func(_, v any) bool {
		r := v.(*revision)
		r.mu.Lock()
		defer r.mu.Unlock()
		n += r.inFlight
		return true
	})
	return n
}

func (h *Hooks) revision(id string) (*revision, bool) {
	v, ok := h.byRevision.Load(id)
	if !ok {
		return nil, false
	}
	return v.(*revision), true
}

// Invoke implements invocation.Invoker. Errors are *fault.Error, or the cause
// for which ctx ended.
func (h *Hooks) Invoke(ctx context.Context, call invocation.Call, emit func(invocation.Event) error) (invocation.Result, error) {
	began := time.Now()
	r, ok := h.revision(call.Revision)
	if !ok || r.hooks[call.Entrypoint] == nil {
		return invocation.Result{}, fault.New(fault.AgentUnavailable, "the agent's revision is not running")
	}
	if !r.enter() {
		return invocation.Result{}, fault.New(fault.Overloaded, "%d requests to the agent's webhooks are under way", maxInFlight).
			WithRetryAfter(time.Second)
	}
	defer r.leave()
	x := &exchange{hook: r.hooks[call.Entrypoint], client: r.client, limit: h.o.MaxResult, agent: h.o.UserAgent}
	output, err := x.run(ctx, call, emit)
	if err != nil {
		return invocation.Result{}, err
	}
	return invocation.Result{Output: output, Start: invocation.Hot, Timings: invocation.Timings{Call: time.Since(began)}}, nil
}

var _ invocation.Invoker = (*Hooks)(nil)
