package peer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var (
	plainCall  = &Call{Function: "echo", Args: `{"message":"m: x, y"}`, Want: `{"message":"m: x, y","n":2}`}
	streamCall = &Call{Function: "stream", Args: `{}`, Items: []string{`{"i":0,"t":"a"}`, `{"i":1,"t":"a"}`}}
)

func TestAnswersAreChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dialect   Dialect
		call      *Call
		good, bad []string
	}{
		"plain": {Plain{}, plainCall,
			[]string{`{"message":"m: x, y","n":2}`, `{"message": "m: x, y", "n": 2}`},
			[]string{``, `{"message":"m: x, y","n":3}`, `{"message":"another's","n":2}`}},
		"plain_stream": {Plain{}, streamCall,
			[]string{"data: {\"i\":0,\"t\":\"a\"}\n\ndata: {\"i\":1,\"t\":\"a\"}\n\n", "data: {\"i\": 0, \"t\": \"a\"}\n\ndata: {\"i\": 1, \"t\": \"a\"}\n\n"},
			[]string{
				"data: {\"i\":0,\"t\":\"a\"}\n\n", "data: {\"i\":1,\"t\":\"a\"}\n\ndata: {\"i\":0,\"t\":\"a\"}\n\n",
				"data: {\"i\":0,\"t\":\"a\"}\n\ndata: {\"i\":0,\"t\":\"a\"}\n\ndata: {\"i\":1,\"t\":\"a\"}\n\n",
				"data: {\"i\": 0, \"t\": \"a\"}\n\ndata: {\"i\": 1, \"t\": \"a\"}\n\ndata: {\"i\": 2, \"t\": \"a\"}\n\n",
				"data: {\"i\":0,\"t\":\"a\"}\n\ndata: {\"i\":5}\n\ndata: {\"i\":1,\"t\":\"a\"}\n\n",
			}},
		"native": {Native{}, plainCall,
			[]string{`{"invocation_id":"x","status":"succeeded","result":{"message":"m: x, y","n":2},"metadata":{}}`},
			[]string{`{"invocation_id":"x","status":"succeeded","result":null}`}},
		"compat": {Compat{}, plainCall,
			[]string{
				`{"success":true,"data":"{\"type\":\"object\",\"payload\":\"{\\\"message\\\":\\\"m: x, y\\\",\\\"n\\\":2}\"}"}`,
				`{"success":true,"data":"{\"type\": \"object\", \"payload\": \"{\\\"message\\\": \\\"m: x, y\\\", \\\"n\\\": 2}\"}"}`,
			},
			[]string{`{"success":false,"data":null}`, `{"message":"m: x, y","n":2}`}},
		"compat_stream": {Compat{}, streamCall,
			[]string{`{"content":"{\"payload\":\"{\\\"i\\\":0,\\\"t\\\":\\\"a\\\"}\"}"}` + "\n" + `{"content":"{\"payload\":\"{\\\"i\\\":1,\\\"t\\\":\\\"a\\\"}\"}"}`},
			[]string{`{"type":"error","error":"no"}`}},
		"langgraph": {LangGraphAPI{}, plainCall,
			[]string{`{"result":{"message":"m: x, y","n":2}}`},
			[]string{`{"result":{"message":"m: x, y","n":3}}`, `{"message":"m: x, y","n":2}`}},
		"langgraph_stream": {LangGraphAPI{}, streamCall,
			[]string{"event: custom\r\ndata: {\"i\":0,\"t\":\"a\"}\r\n\r\nevent: custom\r\ndata: {\"i\":1,\"t\":\"a\"}\r\n\r\n"},
			[]string{"event: error\ndata: {}\n\n"}},
		"adk": {ADKAPI{}, plainCall,
			[]string{`[{"content":{"parts":[{"text":"{\"message\":\"m: x, y\",\"n\":2}"}]}}]`},
			[]string{`[]`, `[{"content":{"parts":[{"text":"{\"message\":\"m: x, y\",\"n\":3}"}]}}]`}},
		"mirror": {Mirror{}, plainCall, []string{`{"message":"m: x, y"}`}, []string{`{}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shot := c.dialect.Shot("127.0.0.1:1", c.call)
			for _, body := range c.good {
				if err := shot.Check([]byte(body)); err != nil {
					t.Errorf("refused %s: %v", body, err)
				}
			}
			for _, body := range c.bad {
				if shot.Check([]byte(body)) == nil {
					t.Errorf("accepted %s", body)
				}
			}
		})
	}
}

func TestSocketsKnowTheLastMessage(t *testing.T) {
	t.Parallel()
	native, compat := NativeSocket{}.Shot("", streamCall), Compat{}.Shot("", streamCall)
	for message, want := range map[string][2]bool{
		`{"type":"result","ref":"1"}`:                      {true, false},
		`{"type":"chunk","content":{"type":"resulting"}}`:  {false, false},
		`{"type":"error","error":"no"}`:                    {true, true},
		`{"type": "status", "status": "stream_completed"}`: {false, true},
		`{"type":"data","content":"x"}`:                    {false, false},
	} {
		if got := [2]bool{native.End([]byte(message)), compat.End([]byte(message))}; got != want {
			t.Errorf("End(%s) = %v, want %v", message, got, want)
		}
	}
}

func TestSpaced(t *testing.T) {
	t.Parallel()
	for compact, want := range map[string]string{
		`{"a":1,"b":[2,3]}`: `{"a": 1, "b": [2, 3]}`,
		`{"a,b":"c:d"}`:     `{"a,b": "c:d"}`,
		`data: {"a":1}`:     `data: {"a": 1}`,
	} {
		if got := spaced(compact); got != want {
			t.Errorf("spaced(%s) = %s, want %s", compact, got, want)
		}
	}
}

func TestCatalogIsWhole(t *testing.T) {
	t.Parallel()
	place := Place{Bench: "/bench", Bin: "/bin", Env: "/env", Scratch: "/scratch", Agent: "/scratch/agent", Port: 1234}
	seen := map[string]bool{}
	for _, r := range Catalog() {
		if seen[r.Name] || r.About == "" || r.Dialect == nil || r.Ready == "" {
			t.Errorf("row %q is there twice or lacks something", r.Name)
		}
		seen[r.Name] = true
		c := r.Command(place)
		if line := strings.Join(append(c.Args, c.Vars...), " "); !strings.Contains(line, "1234") {
			t.Errorf("row %q does not hand its port on: %s", r.Name, line)
		}
		if r.Env == "" {
			continue
		}
		lock, err := os.ReadFile(filepath.Join("..", "peers", r.Env, "requirements.lock"))
		if err != nil || !strings.Contains(string(lock), "==") {
			t.Errorf("row %q has no lock file: %v", r.Name, err)
		}
	}
}

func TestSkips(t *testing.T) {
	t.Parallel()
	r := Row{Cannot: map[string]string{"big": "it is too big"}, Only: []string{"big", "echo"}}
	for workload, want := range map[string]string{"big": "it is too big", "echo": "", "cpu": "this row is there for other workloads"} {
		if got := r.Skips(workload); got != want {
			t.Errorf("Skips(%s) = %q, want %q", workload, got, want)
		}
	}
}

func TestStartSaysWhyNot(t *testing.T) {
	t.Parallel()
	bench, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	r := &Row{Name: "broken", Dialect: Plain{}, Ready: "/", Command: func(Place) Command {
		return Command{Args: []string{"/bin/sh", "-c", "echo the cat is on the keyboard; exit 3"}}
	}}
	_, err = Start(r, Place{Bench: bench, Scratch: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "it ended while it started") || !strings.Contains(err.Error(), "the cat is on the keyboard") {
		t.Errorf("Start = %v, want what the program said", err)
	}
}

func TestHoldsFindsLongTexts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ab", 100)
	for body, want := range map[string]bool{
		long: true, "x" + long: true, long + "x": true, "ab" + long[:150] + "x" + long + "y": true,
		long[1:]: false, long[:150] + "x" + long[150:]: false, "": false,
	} {
		if got := holds([]byte(body), []byte(long)); got != want {
			t.Errorf("%.20q… of %d bytes: %v, want %v", body, len(body), got, want)
		}
	}
	if !holds([]byte("abc"), []byte("bc")) || holds([]byte("abc"), []byte("bd")) {
		t.Error("short texts are not found as they should be")
	}
}
