package frameworks_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/runagent/runagent/shim"
	"github.com/runagent/runagent/test/pythonenv"
	"github.com/runagent/runagent/test/served"
)

// measured is one row of the table in docs/frameworks.md.
type measured struct {
	name, version  string
	imports, first time.Duration
	forked
	adapter, stream, hand float64 // µs a call; chunks a second by the adapter and by hand
}

// streamed says by which entrypoint a sample streams what its plain_stream
// does, where that is not tokens_stream with a prompt.
var streamed = map[string]struct {
	tag   string
	input func(string) served.Input
}{
	"langgraph": {"object_stream", func(text string) served.Input {
		return served.Input{"input": map[string]any{"input": messages(text), "stream_mode": "messages"}}
	}},
	"openai":     {"object_stream", prompt},
	"smolagents": {"talker_stream", func(text string) served.Input { return served.Input{"task": text} }},
	"crewai":     {"tokens_stream", inputs},
	"letta":      {"tokens_stream", ofAgent},
}

// TestMeasure writes the table of docs/frameworks.md, by `make
// measure-frameworks`: rows of the frameworks that are chosen, others stay.
func TestMeasure(t *testing.T) {
	if os.Getenv("RUNAGENT_MEASURE_FRAMEWORKS") == "" {
		t.Skip("writes the table of docs/frameworks.md, by `make measure-frameworks`")
	}
	rows := map[string]string{}
	for _, f := range frameworks { // one after the other: they would measure each other
		t.Run(f.name, func(t *testing.T) {
			chosen(t, f)
			m := measure(t, f)
			rows[f.name] = m.row()
			t.Log(m.row())
		})
	}
	if !t.Failed() {
		writeTable(t, filepath.Join("..", "..", "docs", "frameworks.md"), rows)
	}
}

func measure(t *testing.T, f framework) measured {
	t.Helper()
	python := pythonenv.Locked(t, filepath.Join("agents", f.name, "requirements.txt"))
	model := newModel(t)
	env := append(os.Environ(), environment(model)...)
	m := measured{name: f.name, version: version(t, f)}
	m.imports = importTime(t, f, python, env)
	a := serveMeasured(t, f, python, model, &m)
	m.stream, m.hand = streamRates(t, f, a)
	m.adapter = adapterCost(t, f, python, env)
	m.forked = forks(t, f, python, environment(model))
	return m
}

// serveMeasured serves the sample and notes how long its first answer took, the median of three starts.
func serveMeasured(t *testing.T, f framework, python string, model *model, m *measured) *served.Agent {
	t.Helper()
	served.Binary(t) // built before the clock runs
	var took []time.Duration
	for {
		dir := copyAgent(t, f.name, nil)
		addPing(t, dir)
		began := time.Now()
		a := served.Start(t, served.Options{Dir: dir, Args: []string{"--python", python, "--no-reload"}, Env: environment(model)})
		if got := a.Invoke("ping", nil); got.HTTP != 200 {
			t.Fatalf("ping: %.600s", got.Body)
		}
		took = append(took, time.Since(began))
		if len(took) == 3 {
			m.first = median(took)
			return a
		}
		a.Signal(syscall.SIGTERM)
		a.Wait()
	}
}

// addPing adds an entrypoint that asks no model.
func addPing(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "runagent.config.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ping := `"entrypoints": [{"tag": "ping", "file": "main.py", "module": "identity"},`
	writeFile(t, path, []byte(strings.Replace(string(text), `"entrypoints": [`, ping, 1)))
}

// importTime is how long Python itself takes to import the sample, its
// compiled files and the disk's cache being there.
func importTime(t *testing.T, f framework, python string, env []string) time.Duration {
	t.Helper()
	dir := copyAgent(t, f.name, nil)
	const script = "import sys, time; sys.path.insert(0, '.'); t = time.perf_counter(); import main; print(time.perf_counter() - t)"
	var took []time.Duration
	for range 4 {
		cmd := exec.Command(python, "-c", script)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("import: %v", err)
		}
		lines := strings.Fields(string(out))
		one, err := time.ParseDuration(lines[len(lines)-1] + "s")
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, one)
	}
	return median(took[1:]) // the first wrote the compiled files
}

// streamRates are chunks a second by the adapter and by the author's own
// generator of the same, by turns.
func streamRates(t *testing.T, f framework, a *served.Agent) (adapter, hand float64) {
	t.Helper()
	long := strings.Repeat("word after word ", 500)
	if f.name == "smolagents" {
		long += "<code>\nfinal_answer(1)\n</code>"
	}
	tag, input := "tokens_stream", prompt
	if found, ok := streamed[f.name]; ok {
		tag, input = found.tag, found.input
	}
	rate := func(tag string, in served.Input) float64 {
		began := time.Now()
		pieces, last := chunks(a.Stream(tag, in))
		if last.Name != "done" || len(pieces) < 500 {
			t.Fatalf("%s: %d chunks, then %s %.600s", tag, len(pieces), last.Name, last.Data)
		}
		return float64(len(pieces)) / time.Since(began).Seconds()
	}
	var by, hands []float64
	for n := range 9 {
		var one, other float64
		if n%2 == 0 {
			one, other = rate(tag, input(long)), rate("plain_stream", prompt(long))
		} else {
			other, one = rate("plain_stream", prompt(long)), rate(tag, input(long))
		}
		if n > 0 { // clients were made
			by, hands = append(by, one), append(hands, other)
		}
	}
	return median(by), median(hands)
}

// adapterCost is what measure.py finds.
func adapterCost(t *testing.T, f framework, python string, env []string) float64 {
	t.Helper()
	root, err := shim.Extract(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("measure.py")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(f.input("hello"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, script, root, "object", string(text))
	cmd.Dir, cmd.Env = copyAgent(t, f.name, nil), env
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("measure.py: %v: %.2000s", err, stderrOf(err))
	}
	var found struct {
		Microseconds float64 `json:"us"`
	}
	said := string(out[max(0, bytes.LastIndex(out, []byte(`{"us"`))):])
	if err := json.Unmarshal([]byte(said), &found); err != nil {
		t.Fatalf("measure.py said %s: %v", out, err)
	}
	return found.Microseconds
}

func stderrOf(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(exit.Stderr)
	}
	return ""
}

// version is the framework's, of the lock file.
func version(t *testing.T, f framework) string {
	t.Helper()
	in, err := os.ReadFile(filepath.Join("agents", f.name, "requirements.in"))
	if err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile(filepath.Join("agents", f.name, "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`^[A-Za-z0-9-]+`).FindString(string(in))
	if found := regexp.MustCompile(`(?m)^` + name + `==(\S+)`).FindSubmatch(lock); found != nil {
		return name + " " + string(found[1])
	}
	t.Fatalf("no %s in the lock file", name)
	return ""
}

const (
	tableBegin = "<!-- measured: make measure-frameworks -->"
	tableEnd   = "<!-- end -->"
	tableHead  = "| | version | import, s | first answer, s | fork → ready, ms | first call, ms: unlearned → learned | private, MiB: ready → used | adapter, µs a call | chunks/s: adapter ÷ by hand |\n|---|---|---|---|---|---|---|---|---|\n"
)

func (m measured) row() string {
	return fmt.Sprintf("| %s | %s | %.2f | %.2f | %.0f | %.0f → %.0f | %.0f → %.0f | %.0f | %.0f ÷ %.0f = %.2f |\n", m.name, m.version, m.imports.Seconds(),
		m.first.Seconds(), millis(m.ready), millis(m.unlearned), millis(m.learned), m.fresh, m.used, m.adapter, m.stream, m.hand, m.stream/m.hand)
}

// writeTable replaces the rows that are new.
func writeTable(t *testing.T, path string, rows map[string]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegin+"\n")
	table, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		t.Fatalf("%s has no %s … %s", path, tableBegin, tableEnd)
	}
	for line := range strings.Lines(table) {
		if name := strings.Fields(line + " |")[1]; rows[name] == "" {
			rows[name] = line
		}
	}
	out := before + tableBegin + "\n" + tableHead
	for _, f := range frameworks {
		out += rows[f.name]
	}
	writeFile(t, path, []byte(out+tableEnd+after))
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func median[T time.Duration | float64](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
