package trial

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/runagent/runagent/bench/peer"
)

func TestCallsAreJSONAndDifferByClient(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(int) *peer.Call{
		"echo": echo, "big": big, "graph": graph,
		"stream": func(client int) *peer.Call { return stream("stream", client, chunks) },
		"maybe":  func(client int) *peer.Call { return maybe(client, "0.2") },
	} {
		a, b := call(1), call(2)
		if a.Args == b.Args {
			t.Errorf("%s: clients 1 and 2 say the same: an answer to the other would pass", name)
		}
		for _, text := range append([]string{a.Args}, a.Items...) {
			if !json.Valid([]byte(text)) {
				t.Errorf("%s: not JSON: %.80s", name, text)
			}
		}
	}
	if n := len(stream("stream", 1, chunks).Items); n != chunks {
		t.Errorf("a stream of %d items, want %d", n, chunks)
	}
}

func TestWorkloadsAreWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, w := range All() {
		if seen[w.Name] || w.About == "" || len(w.Columns) == 0 {
			t.Errorf("workload %q is there twice or lacks something", w.Name)
		}
		seen[w.Name] = true
		if w.Alone != (w.Solo != nil) || w.Alone == (w.Measure != nil) {
			t.Errorf("workload %q measures neither alone nor beside others", w.Name)
		}
	}
	for _, row := range peer.Catalog() {
		for _, name := range append(keys(row.Cannot), row.Only...) {
			if !seen[name] {
				t.Errorf("row %s names the workload %q, which is not there", row.Name, name)
			}
		}
	}
}

func keys(m map[string]string) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	return names
}

func TestReadWhen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "closed")
	if _, err := readWhen(t.Context(), path, 5*time.Millisecond); err == nil {
		t.Error("a file that never comes gave a time")
	}
	if err := os.WriteFile(path, []byte("1700000000.25"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readWhen(t.Context(), path, time.Second)
	if want := time.UnixMilli(1700000000250); err != nil || !got.Equal(want) {
		t.Errorf("readWhen = %v, %v; want %v", got, err, want)
	}
}
