package e2e

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/sdk/go/runagent"
)

// callers is clients that call an agent without a pause, until it is sent home.
type callers struct {
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	calls   atomic.Int64
	failure atomic.Pointer[error]
}

func (p *platform) callers(ctx context.Context, n int) *callers {
	c := &callers{}
	ctx, c.cancel = context.WithCancel(ctx)
	for range n {
		c.wg.Go(func() {
			for ctx.Err() == nil {
				if err := p.call(ctx); err != nil && ctx.Err() == nil {
					c.failure.CompareAndSwap(nil, &err)
					return
				}
				c.calls.Add(1)
			}
		})
	}
	return c
}

func (c *callers) goHome(t *testing.T) {
	t.Helper()
	c.cancel()
	c.wg.Wait()
	if err := c.failure.Load(); err != nil {
		t.Error(*err)
	}
}

// awaitInstances waits until the agent has as many instances as it should.
func (p *platform) awaitInstances(t *testing.T, client *runagent.Client, what string, as func(api.RevisionLoad) bool) {
	t.Helper()
	var last *api.Scale
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < waitLimit; <-tick.C {
		var err error
		if last, err = client.Scale(t.Context(), "busy"); err != nil {
			t.Fatal(err)
		}
		load := api.RevisionLoad{} // asleep
		if len(last.Revisions) > 0 {
			load = last.Revisions[0]
		}
		if as(load) {
			return
		}
	}
	t.Fatalf("%s did not come: %+v", what, last)
}

// TestInstancesFollowTheLoad has clients come and go: instances come with them,
// go by the owner's word and with the last call, and no call is lost.
func TestInstancesFollowTheLoad(t *testing.T) {
	t.Parallel()
	if ok, err := findPrograms().condition("python"); err != nil || !ok {
		t.Skip("no Python 3.9 or newer on PATH")
	}
	p := startPlatform(t)
	client, err := runagent.New(p.url, runagent.Options{APIKey: p.key})
	if err != nil {
		t.Fatal(err)
	}
	p.deploy(t, 0)
	p.runagent(t, "scale", "busy", "--max", "4", "--target", "2", "--idle-timeout", "2s")
	callers := p.callers(t.Context(), 12)
	p.awaitInstances(t, client, "four instances", func(l api.RevisionLoad) bool { return l.Instances == 4 })
	p.runagent(t, "scale", "busy", "--max", "2")
	p.awaitInstances(t, client, "the end of two", func(l api.RevisionLoad) bool { return l.Instances == 2 })
	// A new revision begins with the size of the one that it replaces.
	p.deploy(t, 1)
	p.awaitInstances(t, client, "two of the new one", func(l api.RevisionLoad) bool { return l.Number == 2 && l.Instances == 2 })
	callers.goHome(t)
	if callers.calls.Load() == 0 {
		t.Error("no call was made")
	}
	p.awaitInstances(t, client, "sleep", func(l api.RevisionLoad) bool { return l == api.RevisionLoad{} })
	if err := p.call(t.Context()); err != nil {
		t.Errorf("the call that wakes it: %v", err)
	}
	p.runagent(t, "scale", "busy", "--min", "3", "--max", "3")
	p.awaitInstances(t, client, "three without a call", func(l api.RevisionLoad) bool { return l.Instances == 3 })
	if got, err := client.Scale(t.Context(), "busy"); err != nil || fmt.Sprint(got.Set) != "[min_instances max_instances target idle_timeout]" {
		t.Errorf("%+v, %v", got, err)
	}
}
