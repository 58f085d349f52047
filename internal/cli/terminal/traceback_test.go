package terminal

import (
	"strings"
	"testing"
)

const chained = `Traceback (most recent call last):
  File "/a/agent.py", line 4, in <module>
    from .helper import find
  File "/a/pkg/helper.py", line 12, in find
    value = table[key]
            ~~~~~^^^^^
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/a/agent.py", line 30, in main
    return graph.invoke({"q": q})
           ^^^^^^^^^^^^^^^^^^^^^^
  File "/v/lib/python3.11/site-packages/langgraph/pregel/main.py", line 3000, in invoke
    for chunk in self.stream(
  File "/usr/lib/python3.11/concurrent/futures/thread.py", line 58, in run
    result = self.fn(*self.args, **self.kwargs)
  File "/v/lib/python3.11/site-packages/langgraph/pregel/main.py", line 2534, in stream
    raise
  File "/a/pkg/helper.py", line 14, in find
    raise ValueError(
        f"no {key}"
    )
ValueError: no x

and more
During task with name 'agent'
`

func TestTracebacks(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"own frames first, frameworks counted", chained, `ValueError: no x

and more
During task with name 'agent'
  pkg/helper.py:14 in find
    raise ValueError(
        f"no {key}"
    )
  agent.py:30 in main
    return graph.invoke({"q": q})
  3 more frames in langgraph, concurrent; --verbose shows all
after KeyError: 'x'
  pkg/helper.py:12 in find
    value = table[key]
  agent.py:4
    from .helper import find`},
		{"a syntax error", "  File \"/a/agent.py\", line 3\n    def f(:\n          ^\nSyntaxError: invalid syntax\n",
			"SyntaxError: invalid syntax\n  agent.py:3\n    def f(:\n          ^"},
		{"no frame of the author's", "Traceback (most recent call last):\n  File \"<frozen runpy>\", line 1, in f\n  File \"/v/site-packages/x/a.py\", line 2, in g\n    boom()\nx.Error: bad",
			"x.Error: bad\n  /v/site-packages/x/a.py:2 in g\n    boom()\n  1 more frame in runpy; --verbose shows all"},
		{"no frames at all", "Traceback (most recent call last):\nRecursionError: deep", "RecursionError: deep"},
		{"a group", "  + Exception Group Traceback (most recent call last):\n  |   File \"/a\", line 1\n", "  + Exception Group Traceback (most recent call last):\n  |   File \"/a\", line 1"},
		{"something else", "boom", "boom"},
		{"nothing", "", ""},
		{"cut", "Traceback (most recent call last):\n  File \"/a/agent.py\", line 4, in f\n    x\n… 9 characters left out …\n    y\nE: e",
			"… 9 characters left out …\n    y\nE: e\n  agent.py:4 in f\n    x"},
	}
	for _, tt := range tests {
		if got := (Tracebacks{Dir: "/a"}).Render(tt.in, ""); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
		if got := (Tracebacks{Verbose: true}).Render(tt.in, ""); got != strings.TrimRight(tt.in, "\n") {
			t.Errorf("%s: --verbose changed it to\n%s", tt.name, got)
		}
	}
	if got := (Tracebacks{}).Render("Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nE: e", "at start: E: e"); got != "  a.py:1 in f" {
		t.Errorf("said twice: %q", got)
	}
	if got := (Tracebacks{Colours: Palette{On: true}}).Render(chained, ""); !strings.Contains(got, "\x1b[31mValueError: no x") {
		t.Errorf("no colour in\n%q", got)
	}
}

func FuzzTracebacks(f *testing.F) {
	f.Add(chained)
	f.Add(tracebackHead + "\n" + tracebackHead + "\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		if got := (Tracebacks{}).Render(text, ""); strings.TrimSpace(text) != "" && strings.TrimSpace(got) == "" {
			t.Errorf("nothing is left of %q", text)
		}
	})
}
