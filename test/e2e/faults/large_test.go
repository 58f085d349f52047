package faults

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runagent/runagent/test/served"
)

// TestLargeCallsNeverMixTheirBytes has clients send and get large texts side by
// side while others leave in the middle and more send small ones. The server
// uses the memory of large payloads again: whoever still needed it would send or
// get another's bytes.
func TestLargeCallsNeverMixTheirBytes(t *testing.T) {
	t.Parallel()
	agent := serve(t, "echo")
	run := "/api/v1/agents/" + agent.ID + "/run"
	var clients sync.WaitGroup
	for i, size := range []int{1 << 20, 1 << 20, 70 << 10, 256 << 10, 3 << 20, 1} {
		text := strings.Repeat(string(rune('a'+i)), size)
		body := served.Envelope([]string{"text", "async"}[i%2], served.Input{"message": text})
		clients.Go(func() {
			for range 8 {
				if got := agent.Post("/v1/agents/"+agent.ID+"/invoke", body); !strings.Contains(string(got.Result), text) {
					t.Errorf("%d bytes: status %d and %d bytes came, without what was sent", size, got.HTTP, len(got.Result))
				}
			}
		})
		clients.Go(func() {
			for range 4 {
				compat := fmt.Sprintf(`{"entrypoint_tag":"text","input_args":[],"input_kwargs":{"message":%q}}`, text)
				if got := agent.Post(run, compat); !strings.Contains(got.Body, text) {
					t.Errorf("%d bytes, the published clients' door: status %d, without what was sent", size, got.HTTP)
				}
			}
		})
		clients.Go(func() {
			for n := range 8 {
				ctx, leave := context.WithTimeout(t.Context(), time.Duration(n)*time.Millisecond)
				_, _ = agent.TryPost(ctx, "/v1/agents/"+agent.ID+"/invoke", body)
				leave()
			}
		})
	}
	clients.Wait()
	wantAnswer(t, agent.Invoke("main", served.Input{"message": "hi"}))
}
