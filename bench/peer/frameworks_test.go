package peer

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestADKCallsHaveSessionsOfTheirOwn(t *testing.T) {
	t.Parallel()
	shot := ADKAPI{}.Shot("127.0.0.1:1", plainCall)
	one, two := &sessions{}, &sessions{}
	seen := map[string]bool{}
	for range 3 {
		for _, s := range []*sessions{one, two} {
			wire := string(s.named(shot.Wire))
			if len(wire) != len(shot.Wire) || seen[wire] || strings.Contains(wire, sessionMark) {
				t.Fatalf("a call of %d bytes (the shot has %d), seen %v: %s", len(wire), len(shot.Wire), seen[wire], wire)
			}
			seen[wire] = true
		}
	}
	if !bytes.Contains(shot.Wire, []byte(sessionMark)) {
		t.Error("the shot itself was changed: clients share it")
	}
	if !bytes.Contains(shot.Wire, []byte(`"text":"{\"message\":\"m: x, y\"}"`)) {
		t.Errorf("the arguments are not the text of the message: %s", shot.Wire)
	}
}

func TestBesideCopiesWhatServersWatch(t *testing.T) {
	t.Parallel()
	bench, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range frameworks() {
		p := Place{Bench: bench, Agent: t.TempDir()}
		if err := r.Prepare(p); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(p.Agent + "/*")
		if err != nil || len(files) == 0 {
			t.Errorf("%s: nothing was copied: %v", r.Name, err)
		}
		for _, file := range files {
			if strings.HasPrefix(filepath.Base(file), "requirements") {
				t.Errorf("%s: %s was copied", r.Name, file)
			}
		}
	}
}

func TestFitPutsTheGraphIntoTheManifest(t *testing.T) {
	t.Parallel()
	for workload, want := range map[string]bool{Graph: true, "echo1": false} {
		p := Place{Agent: t.TempDir(), Workload: workload}
		if err := os.CopyFS(p.Agent, os.DirFS("../agent")); err != nil {
			t.Fatal(err)
		}
		if err := fit(p); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(p.Agent, "runagent.config.json"))
		if got := strings.Contains(string(text), "graph.py"); err != nil || got != want {
			t.Errorf("%s: the manifest names the graph: %v, %v; want %v", workload, got, err, want)
		}
	}
}

func TestFunctionsAreThere(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../agent/work.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, workload := range []string{"echo1", "stream", "first_chunk", "big", "sleep", "asleep", "cpu", "mixed", "abandon", "start", "memory", "reload"} {
		if name := function(workload); !strings.Contains(string(text), `"`+name+`": `+name) {
			t.Errorf("%s calls %s, which work.py does not list", workload, name)
		}
	}
}

func TestMarkersAreInBothSpacings(t *testing.T) {
	t.Parallel()
	for item, want := range map[string]string{
		`data: {"i":0,"t":"a"}`: `data: {"i":`, `"content":{"i":0}`: `"content":`, `plain`: `plain`,
	} {
		if got := string(marker(item)); got != want || !strings.Contains(spaced(item), got) {
			t.Errorf("marker(%s) = %s, want %s", item, got, want)
		}
	}
}
