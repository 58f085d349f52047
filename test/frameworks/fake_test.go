package frameworks_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"testing"

	"github.com/runagent/runagent/test/fakellm"
)

// model is a fake model whose prompts carry orders: "hello [fail-429]" gets
// what fakellm's order fail-429 says. It is a Letta server, too.
type model struct {
	URL string // with /v1, as OPENAI_BASE_URL has it

	mu    sync.Mutex
	asked []chan struct{} // one for each question; closed when it has ended
	more  chan struct{}   // closed at the next question
}

var order = regexp.MustCompile(`\[([a-z]+(?:-[0-9a-z]+)?)\]`)

// newModel starts a model that ends with the test.
func newModel(t testing.TB) *model {
	t.Helper()
	m := &model{more: make(chan struct{})}
	next := http.NewServeMux()
	next.Handle("/", fakellm.New())
	next.Handle("POST /v1/agents/{agent}/messages", lettaServer{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the asker has gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if found := order.FindAllSubmatch(body, -1); found != nil {
			r.Header.Set("X-Fakellm", string(found[len(found)-1][1])) // the latest turn's
		}
		defer close(m.ask())
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	m.URL = server.URL + "/v1"
	return m
}

func (m *model) ask() chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	ended := make(chan struct{})
	m.asked = append(m.asked, ended)
	close(m.more)
	m.more = make(chan struct{})
	return ended
}

// count is how many questions there were.
func (m *model) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.asked)
}

// waitAsked waits for question n, from 0, and returns a channel that is closed at its end.
func (m *model) waitAsked(t *testing.T, n int) <-chan struct{} {
	t.Helper()
	for {
		m.mu.Lock()
		more := m.more
		if len(m.asked) > n {
			defer m.mu.Unlock()
			return m.asked[n]
		}
		m.mu.Unlock()
		wait(t, more, "a question to the model")
	}
}
