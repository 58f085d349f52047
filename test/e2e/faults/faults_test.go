// Package faults tells what a running server survives: bad input, user code
// that dies or never returns, rude guests, slow and vanished clients. After
// each fault the next good call succeeds.
package faults

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runagent/runagent/test/served"
)

// soon bounds what a user would call at once; slow machines are slow.
const soon = 20 * time.Second

// serve serves a copy of a sample agent.
func serve(t *testing.T, sample string, args ...string) *served.Agent {
	t.Helper()
	return serveWith(t, served.Options{Sample: sample, Args: args})
}

func serveWith(t *testing.T, o served.Options) *served.Agent {
	t.Helper()
	if testing.Short() {
		t.Skip("a story against the real binary: not in -short")
	}
	return served.Start(t, o)
}

// wantFailure checks status, code and that the message or its details say the words.
func wantFailure(t *testing.T, got served.Answer, status int, code string, words ...string) {
	t.Helper()
	if got.HTTP != status || got.Error.Code != code {
		t.Errorf("got %d %s: %.600s\nwant %d %s", got.HTTP, got.Error.Code, got.Body, status, code)
	}
	for _, word := range words {
		if !strings.Contains(got.Body, word) {
			t.Errorf("%q is not in %.600s", word, got.Body)
		}
	}
}

// wantAnswer checks that a call succeeded and returns its answer.
func wantAnswer(t *testing.T, got served.Answer) served.Answer {
	t.Helper()
	if got.HTTP != http.StatusOK {
		t.Fatalf("got %d: %.600s\nwant an answer", got.HTTP, got.Body)
	}
	return got
}

// wantFine checks that the agent's fine entrypoint answers and returns the
// process that did.
func wantFine(t *testing.T, agent *served.Agent) int {
	t.Helper()
	pid, _ := wantAnswer(t, agent.Invoke("fine", served.Input{"message": "still here"})).Get("pid").(float64)
	return int(pid)
}

// wantFile waits for a note that user code writes.
func wantFile(t *testing.T, agent *served.Agent, name, text string, within time.Duration) {
	t.Helper()
	served.Eventually(t, within, name+" says "+text, func() bool {
		raw, err := os.ReadFile(filepath.Join(agent.Dir, name))
		return err == nil && strings.Contains(string(raw), text)
	})
}

// wantHealth waits until the agent's health has the status and says the words.
func wantHealth(t *testing.T, agent *served.Agent, status string, words ...string) {
	t.Helper()
	wantHealthAt(t, agent, "/v1/agents/"+agent.ID+"/health", status, words...)
}

// wantHealthAt asks another path.
func wantHealthAt(t *testing.T, agent *served.Agent, path, status string, words ...string) {
	t.Helper()
	var last string
	defer func() {
		if t.Failed() {
			t.Logf("the last health: %s", last)
		}
	}()
	served.Eventually(t, soon, "health is "+status+" "+strings.Join(words, " "), func() bool {
		got := agent.Fetch(path)
		last = got.Body
		for _, word := range words {
			if !strings.Contains(got.Body, word) {
				return false
			}
		}
		return got.Status == status
	})
}
