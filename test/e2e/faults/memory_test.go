package faults

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/runagent/runagent/test/served"
)

// memory is the resident size of a process in bytes.
func memory(t *testing.T, pid int) int64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Skipf("needs /proc: %v", err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(raw))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// TestBadBodiesLeaveMemoryFlat sends each kind again and again, four at a time:
// what the server holds afterwards must not grow with their number. The race
// detector multiplies it.
func TestBadBodiesLeaveMemoryFlat(t *testing.T) {
	t.Parallel()
	agent := serve(t, "echo")
	large := []byte(served.Envelope("main", served.Input{"message": strings.Repeat("x", 11<<20)}))
	cases := []struct {
		name   string
		body   []byte
		length int64 // announced; -1 leaves it out
		status int
	}{
		{"11 MiB announced", large, int64(len(large)), http.StatusRequestEntityTooLarge},
		{"11 MiB unannounced", large, -1, http.StatusRequestEntityTooLarge},
		{"8 MiB of brackets", bytes.Repeat([]byte("["), 8<<20), 8 << 20, http.StatusBadRequest},
		{"8 MiB without an end", large[:8<<20], 8 << 20, http.StatusBadRequest},
	}
	round := func() {
		for _, c := range cases {
			var four sync.WaitGroup
			for range 4 {
				four.Go(func() {
					if status := postBytes(t, agent, c.body, c.length); status != c.status {
						t.Errorf("%s: got %d, want %d", c.name, status, c.status)
					}
				})
			}
			four.Wait()
		}
	}
	for range 2 {
		round() // what the runtime keeps for reuse
	}
	before := memory(t, agent.PID())
	const rounds = 4
	for range rounds {
		round()
	}
	grown := memory(t, agent.PID()) - before
	t.Logf("%d MiB at first, %d more after %d bodies", before>>20, grown>>20, rounds*len(cases)*4)
	if grown > 160<<20 {
		t.Errorf("the server grew by %d MiB over %d bad bodies of 8 or 11 MiB", grown>>20, rounds*len(cases)*4)
	}
	wantAnswer(t, agent.Invoke("main", served.Input{"message": "hi"}))
}

// postBytes sends a body and returns the answer's status.
func postBytes(t *testing.T, agent *served.Agent, body []byte, length int64) int {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, agent.URL+"/v1/agents/"+agent.ID+"/invoke", io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		t.Error(err)
		return 0
	}
	req.ContentLength = length
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Errorf("send a body of %d bytes: %v", len(body), err)
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body) // so that the connection is used again
	return res.StatusCode
}

// TestSlowBodiesHoldWhatHasCome announces 10 MiB on many connections and sends
// next to nothing on each.
func TestSlowBodiesHoldWhatHasCome(t *testing.T) {
	t.Parallel()
	agent := serve(t, "echo")
	wantAnswer(t, agent.Invoke("main", served.Input{"message": "hi"}))
	before := memory(t, agent.PID())
	const count = 200
	for range count {
		conn := dial(t, agent)
		if _, err := io.WriteString(conn, bodyHead(10<<20)+`{"entrypoint":`); err != nil {
			t.Fatal(err)
		}
	}
	wantAnswer(t, agent.Invoke("main", served.Input{"message": "hi"}))
	// 64 KiB for a body that has begun, and as much again for the connection.
	if grown := memory(t, agent.PID()) - before; grown > count*3*128<<10 {
		t.Errorf("%d bodies of which nothing comes cost %d MiB", count, grown>>20)
	}
}
