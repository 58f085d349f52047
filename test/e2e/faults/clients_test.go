package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/runagent/runagent/test/served"
)

// atOnce is how soon user code is told that its caller has gone.
const atOnce = time.Second

// TestAClientThatLeavesEndsItsCall hangs up in the middle of a call and of
// streams, synchronous and not. It runs before the parallel stories: it counts
// in milliseconds, and they take all processors.
func TestAClientThatLeavesEndsItsCall(t *testing.T) { //nolint:paralleltest // see above
	t.Run("mid_stream", func(t *testing.T) {
		agent := serve(t, "never")
		leaveStream(t, agent, "slow_stream", served.Input{"count": 100_000, "seconds": 0.01, "note": "closed.txt"})
		wantFile(t, agent, "closed.txt", "closed", atOnce)
		wantFine(t, agent)
	})
	t.Run("mid_async_stream", func(t *testing.T) {
		agent := serve(t, "async")
		leaveStream(t, agent, "forever_stream", served.Input{"note": "closed.txt"})
		wantFile(t, agent, "closed.txt", "closed", atOnce)
	})
	t.Run("mid_call", func(t *testing.T) {
		agent := serve(t, "async")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := agent.TryPost(ctx, "/v1/agents/async/invoke", served.Envelope("forever", served.Input{"note": "canceled.txt"}))
			ended <- err
		}()
		wantFile(t, agent, "canceled.txt", "begun", soon)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the call ended with %v", err)
		}
		wantFile(t, agent, "canceled.txt", "canceled", atOnce)
	})
}

// leaveStream reads a stream's first chunk and hangs up.
func leaveStream(t *testing.T, agent *served.Agent, entrypoint string, input served.Input) {
	t.Helper()
	stream := agent.Stream(entrypoint, input)
	for range 2 {
		if _, ok := stream.Next(); !ok {
			t.Fatalf("%s did not begin", entrypoint)
		}
	}
	stream.Close()
}

// wantRunning waits until so many calls are on record as running.
func wantRunning(t *testing.T, agent *served.Agent, n int) {
	t.Helper()
	served.Eventually(t, soon, fmt.Sprintf("%d calls run", n), func() bool {
		return strings.Count(agent.Fetch("/v1/invocations?status=running&limit=1000").Body, `"status":"running"`) >= n
	})
}

// TestIdleConnectionsCostLittle opens 10,000, or as many as this machine
// allows, and is served beside them. The race detector takes most of the memory.
func TestIdleConnectionsCostLittle(t *testing.T) {
	t.Parallel()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	count := min(10_000, int(limit.Cur)-500)
	agent := serve(t, "echo")
	before := memory(t, agent.PID())
	for i := range count {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", agent.Port()))
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer conn.Close()
	}
	wantAnswer(t, agent.Invoke("main", served.Input{"message": "hi"}))
	if grown := memory(t, agent.PID()) - before; grown > int64(count)*100<<10 {
		t.Errorf("%d idle connections cost %d MiB", count, grown>>20)
	}
}

// TestASlowReaderIsWaitedFor opens a stream of 1 GiB and reads nothing: what
// is on the way stays bounded, in the server and in the instance.
func TestASlowReaderIsWaitedFor(t *testing.T) {
	t.Parallel()
	agent := serve(t, "big")
	wantAnswer(t, agent.Invoke("fine", nil))
	stream := agent.Stream("large_stream", served.Input{"mebibytes": 1024})
	for range 3 {
		if _, ok := stream.Next(); !ok {
			t.Fatal("the stream did not begin")
		}
	}
	tree := agent.Tree()
	sum := func() (bytes int64) {
		for _, p := range append(tree, served.Process{PID: agent.PID()}) {
			bytes += memory(t, p.PID)
		}
		return bytes
	}
	before := sum()
	for range 20 { // others are served meanwhile
		wantAnswer(t, agent.Invoke("fine", nil))
	}
	if grown := sum() - before; grown > 64<<20 {
		t.Errorf("an unread stream holds %d MiB", grown>>20)
	}
}

// TestOverloadIsRefusedEarly sends 5,000 calls at once to one slow instance:
// each is answered once, by a result or by 503 with Retry-After, and only what
// was answered by a result has run, once.
func TestOverloadIsRefusedEarly(t *testing.T) {
	t.Parallel()
	agent := serve(t, "never")
	wantFine(t, agent)
	const calls = 5000
	var good, refused, strange atomic.Int64
	gate := make(chan struct{})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: 2 * time.Minute}
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() {
			<-gate
			res, err := client.Post(agent.URL+"/v1/agents/never/invoke", "application/json",
				strings.NewReader(served.Envelope("slow", served.Input{"seconds": 0.5, "note": "ran.txt", "line": strconv.Itoa(i)})))
			if err != nil {
				t.Errorf("a call got no answer: %v", err)
				strange.Add(1)
				return
			}
			res.Body.Close()
			switch {
			case res.StatusCode == http.StatusOK:
				good.Add(1)
			case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
				refused.Add(1)
			default:
				t.Errorf("a call got %s, Retry-After %q", res.Status, res.Header.Get("Retry-After"))
				strange.Add(1)
			}
		})
	}
	close(gate)
	all.Wait()
	t.Logf("%d answered, %d refused", good.Load(), refused.Load())
	if good.Load() == 0 || refused.Load() == 0 || good.Load()+refused.Load()+strange.Load() != calls {
		t.Errorf("%d answered and %d refused of %d", good.Load(), refused.Load(), calls)
	}
	wantLines(t, filepath.Join(agent.Dir, "ran.txt"), int(good.Load()))
	wantFine(t, agent)
}

// wantLines checks that a file has so many lines, no two alike.
func wantLines(t *testing.T, file string, count int) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(string(raw)) {
		if seen[line]++; seen[line] == 2 {
			t.Errorf("%q is there twice", line)
		}
	}
	if len(seen) != count {
		t.Errorf("%d lines in %s, want %d", len(seen), filepath.Base(file), count)
	}
}
