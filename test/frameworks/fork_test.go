package frameworks_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/runagent/runagent/test/served"
)

// TestFrameworksFork has many instances of each framework forked, while they
// are called already: none hangs, and what must be unique is.
func TestFrameworksFork(t *testing.T) {
	var turn sync.Mutex // one framework's instances at a time: they take memory
	each(t, func(t *testing.T, f framework) {
		turn.Lock()
		defer turn.Unlock()
		instances := cmp.Or(f.forks, 200)
		if os.Getenv("RUNAGENT_TEST_FRAMEWORKS") == "" && f.name != "langgraph" {
			instances = min(instances, 40) // all of them by `make test-frameworks`
		}
		a := serve(t, f, nil, "--instances", strconv.Itoa(instances))
		found := make(map[string]map[string]int) // name → value → how often
		var mu sync.Mutex
		// The first call of each instance makes its clients: two cores need their time for 200.
		ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
		defer cancel()
		for len(found["pid"]) < instances && ctx.Err() == nil && !t.Failed() {
			var calls sync.WaitGroup
			for n := range instances {
				calls.Go(func() {
					question := fmt.Sprintf("number %d [slow-1s]", n)
					got, err := a.TryPost(ctx, "/v1/agents/"+a.ID+"/invoke", served.Envelope("main", prompt(question)))
					if err != nil || !f.says(got.Get("answer"), question) {
						t.Errorf("got %.600s, %v, want an answer to %q", got.Body, err, question)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					note(found, got.Value())
				})
			}
			calls.Wait()
		}
		if got := len(found["pid"]); got < instances {
			t.Errorf("%d of %d instances answered", got, instances)
		}
		for name, values := range found {
			for value, times := range values {
				if name != "pid" && times > 1 {
					t.Errorf("%s: %s came %d times", name, value, times)
				}
			}
		}
		for _, name := range append([]string{"uuid4", "random", "secrets"}, f.unique...) {
			if len(found[name]) == 0 {
				t.Errorf("no %s in any answer", name)
			}
		}
		t.Logf("%d instances, looked at %s", len(found["pid"]), strings.Join(names(found), ", "))
	})
}

// note counts the values of one answer.
func note(found map[string]map[string]int, answer any) {
	fields, _ := answer.(map[string]any)
	for name, value := range fields {
		if name == "answer" {
			continue
		}
		if found[name] == nil {
			found[name] = map[string]int{}
		}
		found[name][fmt.Sprint(value)]++
	}
}

func names(found map[string]map[string]int) []string {
	var out []string
	for name := range found {
		out = append(out, name)
	}
	return out
}
