package faults

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/runagent/runagent/test/served"
)

func TestTheSameFolderServedTwice(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	first := serveWith(t, served.Options{Sample: "echo", Home: home})
	second := serveWith(t, served.Options{Dir: first.Dir, Home: home})
	if first.URL == second.URL {
		t.Errorf("both answer at %s", first.URL)
	}
	for _, agent := range []*served.Agent{first, second} {
		wantAnswer(t, agent.Invoke("main", served.Input{"message": "hi"}))
	}
}

func TestATakenPortIsRefusedWhenAskedFor(t *testing.T) {
	t.Parallel()
	first := serve(t, "echo")
	code, _, stderr := served.Run(t, t.TempDir(), "serve", served.Copy(t, "echo", nil), "--port", strconv.Itoa(first.Port()))
	if code != 1 || !strings.Contains(stderr, strconv.Itoa(first.Port())) {
		t.Errorf("exit code %d, stderr %s: want 1 and the port named", code, stderr)
	}
	wantAnswer(t, first.Invoke("main", served.Input{"message": "hi"}))
}

// TestATakenDefaultPortIsPassedOver serves a folder twice without saying where:
// the second server takes the next free port and says so.
func TestATakenDefaultPortIsPassedOver(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	ln, err := net.Listen("tcp", "127.0.0.1:8450") // as a first server has it; another program may have it already
	if err == nil {
		defer ln.Close()
	}
	first := serveWith(t, served.Options{Sample: "echo", Home: home, OwnPort: true})
	first.WaitOutput(`(?i)port 8450 is taken`)
	second := serveWith(t, served.Options{Dir: first.Dir, Home: home, OwnPort: true})
	second.WaitOutput(`(?i)port 8450 is taken`)
	for _, agent := range []*served.Agent{first, second} {
		if agent.Port() == 8450 {
			t.Errorf("%s is the port that was taken", agent.URL)
		}
		wantAnswer(t, agent.Invoke("main", served.Input{"message": "hi"}))
	}
	if first.URL == second.URL {
		t.Errorf("both answer at %s", first.URL)
	}
}

// TestRecordsThatCannotBeKeptFailNoCall makes the folder of the records one
// that nothing can be written to, which is what a full disk looks like.
func TestRecordsThatCannotBeKeptFailNoCall(t *testing.T) {
	t.Parallel()
	full := fullDisk(t)
	home := filepath.Join(full, "home")
	agent := serveWith(t, served.Options{Sample: "echo", Home: home})
	wantAnswer(t, agent.Invoke("main", served.Input{"message": "hi"}))
	ballast := fill(t, full)
	for range 50 {
		wantAnswer(t, agent.Invoke("main", served.Input{"message": strings.Repeat("x", 50_000)}))
	}
	wantHealthAt(t, agent, "/health", "degraded")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	served.Eventually(t, soon, "records resume", func() bool {
		got := wantAnswer(t, agent.Invoke("main", served.Input{"message": "again"}))
		return got.HTTP == 200 && agent.Fetch("/health").Status == "healthy"
	})
}
