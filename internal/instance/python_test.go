package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runagent/runagent/internal/instance/wire"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/sandbox"
	"github.com/runagent/runagent/internal/sandbox/none"
	"github.com/runagent/runagent/internal/zygote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory keeps imports in the test.
type memory struct {
	mu      sync.Mutex
	modules []string
}

func (m *memory) Wanted() []string { m.mu.Lock(); defer m.mu.Unlock(); return m.modules }
func (m *memory) Learn(modules []string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	changed := !slices.Equal(m.modules, modules)
	m.modules = modules
	return changed
}
func (m *memory) LearnLater([]string) bool    { return false }
func (m *memory) ForgetLater(string) bool     { return false }
func (m *memory) Exclude(string, string) bool { return false }

// pythonPool serves one file of real Python through the real shim.
func pythonPool(t testing.TB, source string, entrypoints []AdmittedEntrypoint, change func(*Spec)) (*Pool, *zygote.Keeper) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatalf("these tests need python3: %v", err)
	}
	shim, err := filepath.Abs("../../shim/python")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "agent.py"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	driver := none.New(none.Options{})
	t.Cleanup(func() {
		if err := driver.Close(); err != nil {
			t.Errorf("close driver: %v", err)
		}
	})
	boot := filepath.Join(shim, "boot.py")
	n := zygote.NewKeeper(zygote.Options{
		Driver: driver,
		Zygote: sandbox.Spec{Argv: []string{python, boot, "zygote", "--fd", "3"}, Env: os.Environ(), Dir: dir},
		Plain:  sandbox.Spec{Argv: []string{python, boot, "instance", "--fd", "3"}, Env: os.Environ(), Dir: dir},
		Memory: &memory{modules: []string{"json"}},
		OnLog:  func(l invocation.LogLine) { t.Logf("zygote: %s", l.Text) },
	})
	t.Cleanup(n.Close)
	s := Spec{
		Revision: "r1", Launcher: n, Grace: 500 * time.Millisecond,
		Admission: Admission{AgentID: "a", AgentName: "a", Dir: dir, DataDir: dir, Entrypoints: entrypoints,
			Limits: AdmittedLimits{ResultBytes: 10 << 20, LogLineBytes: 8 << 10}},
	}
	if change != nil {
		change(&s)
	}
	p, err := newPool(t.Context(), s)
	if err != nil {
		t.Fatalf("start pool: %v", err)
	}
	stopAtEnd(t, p)
	return p, n
}

func plain(tags ...string) []AdmittedEntrypoint {
	var es []AdmittedEntrypoint
	for _, tag := range tags {
		es = append(es, AdmittedEntrypoint{Tag: tag, File: "agent.py", Module: tag})
	}
	return es
}

func invoke(t testing.TB, p *Pool, tag, kwargs string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	res, err := p.Invoke(ctx, invocation.Call{ID: "i-" + tag, Entrypoint: tag, Kwargs: json.RawMessage(kwargs)}, discard)
	return string(res.Output), err
}

func TestPythonInstanceAnswers(t *testing.T) {
	t.Parallel()
	p, _ := pythonPool(t, `
import os
def main(x): return {"x": x, "pid": os.getpid()}
async def later(x): return x
def stream_stream(n):
    for i in range(n): yield {"i": i}
def bad(): raise ValueError("no")
`, plain("main", "later", "stream_stream", "bad"), nil)
	out, err := invoke(t, p, "main", `{"x":"é"}`)
	if err != nil || !strings.HasPrefix(out, `{"x":"é"`) && !strings.HasPrefix(out, `{"x": "é"`) {
		t.Errorf("main: %s, %v", out, err)
	}
	if out, err := invoke(t, p, "later", `{"x":[1,2.0]}`); err != nil || out != "[1,2.0]" {
		t.Errorf("later: %s, %v", out, err)
	}
	if _, err := invoke(t, p, "bad", `{}`); err == nil || err.Error() != "ValueError: no" {
		t.Errorf("bad: %v", err)
	}
	chunks := 0
	_, err = p.Invoke(t.Context(), invocation.Call{ID: "i", Entrypoint: "stream_stream", Kwargs: json.RawMessage(`{"n":1000}`)}, func(e invocation.Event) error {
		if e.Kind == invocation.Chunk {
			if want := fmt.Sprintf(`{"i":%d}`, chunks); string(e.Data) != want {
				return fmt.Errorf("chunk %s, want %s", e.Data, want)
			}
			chunks++
		}
		return nil
	})
	if err != nil || chunks != 1000 {
		t.Errorf("stream: %d chunks, %v", chunks, err)
	}
}

func TestPythonInstanceCarriesLongPayloadsBesideShortOnes(t *testing.T) {
	t.Parallel()
	p, _ := pythonPool(t, "def echo(x): return {'x': x}\nasync def aecho(x): return {'x': x}\n", plain("echo", "aecho"), nil)
	var wg sync.WaitGroup
	for i, size := range []int{1, 64 << 10, wire.MaxPayload - 20, wire.MaxPayload, wire.MaxPayload + 1, 3 << 20, 1, 5*wire.MaxPayload - 7} {
		for _, tag := range []string{"echo", "aecho"} {
			wg.Go(func() {
				in := fmt.Sprintf(`{"x":"%s%d"}`, strings.Repeat(string(rune('a'+i)), size), i)
				for range 5 {
					if got, err := invoke(t, p, tag, in); err != nil || got != in {
						t.Errorf("%s of %d bytes: %d came back, %v", tag, size, len(got), err)
					}
				}
			})
		}
	}
	wg.Wait()
}

func TestPythonInstanceTellsWhatCallsLoad(t *testing.T) {
	t.Parallel()
	told := make(chan []string, 8)
	p, _ := pythonPool(t, "def main():\n    import wave\n    return 1\n", plain("main"), func(s *Spec) {
		s.OnModules = func(names []string) { told <- names }
	})
	if out, err := invoke(t, p, "main", `{}`); err != nil || out != "1" {
		t.Fatalf("main: %s, %v", out, err)
	}
	if names := within(t, told, "word of what was loaded"); !slices.Contains(names, "wave") {
		t.Errorf("told of %q, not of wave", names)
	}
}

func TestPythonInstanceDeathIsToldAndMended(t *testing.T) {
	t.Parallel()
	p, _ := pythonPool(t, `
import ctypes, os
def leave(): os._exit(3)
def crash(): ctypes.string_at(0)
def main(): return 1
`, plain("leave", "crash", "main"), nil)
	if _, err := invoke(t, p, "leave", `{}`); err == nil || !strings.Contains(err.Error(), "exited with code 3") {
		t.Errorf("leave: %v", err)
	}
	if _, err := invoke(t, p, "crash", `{}`); err == nil || !strings.Contains(err.Error(), "signal 11") {
		t.Errorf("crash: %v", err)
	}
	if out, err := invoke(t, p, "main", `{}`); err != nil || out != "1" {
		t.Errorf("main after the deaths: %s, %v", out, err)
	}
}

func TestPythonInstanceSurvivesItsZygote(t *testing.T) {
	t.Parallel()
	p, n := pythonPool(t, "import os\ndef main(): return os.getpid()\n", plain("main"), nil)
	before, err := invoke(t, p, "main", `{}`)
	if err != nil {
		t.Fatal(err)
	}
	z := n.Current()
	z.Kill()
	within(t, z.Done(), "the end of the zygote")
	if out, err := invoke(t, p, "main", `{}`); err != nil || out != before {
		t.Errorf("main without zygote: %s, %v; want process %s as before", out, err, before)
	}
}

func BenchmarkPythonEcho(b *testing.B) {
	p, _ := pythonPool(b, "def main(**kw): return kw\n", plain("main"), nil)
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if out, err := invoke(b, p, "main", `{"message":"hello","n":1}`); err != nil {
				b.Fatal(out, err)
			}
		}
	})
}
