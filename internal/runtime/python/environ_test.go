package python

import (
	"encoding/json"
	"slices"
	"testing"
)

var shell = []string{
	"PATH=/usr/bin:/v/bin:/bin", "HOME=/root", "LC_ALL=C", "OPENAI_API_KEY=secret", "PYTHONHOME=/other",
	"VIRTUAL_ENV=/other", "DEBUG=1", "=C:=weird", "EMPTY=",
}

func TestStartEnvHoldsNoSecret(t *testing.T) {
	t.Parallel()
	in := &Interpreter{Path: "/v/bin/python", Prefix: "/v", BasePrefix: "/usr"}
	got := in.StartEnv(shell, map[string]string{"MODEL": "small", "LC_ALL": "de"})
	want := []string{"HOME=/root", "LC_ALL=de", "MODEL=small", "PATH=/v/bin:/usr/bin:/bin", "VIRTUAL_ENV=/v"}
	if !slices.Equal(got, want) {
		t.Errorf("StartEnv = %q, want %q", got, want)
	}
}

func TestAgentEnvHandsOnTheAuthorsOwn(t *testing.T) {
	t.Parallel()
	in := &Interpreter{Path: "/usr/bin/python3", Prefix: "/usr", BasePrefix: "/usr"}
	got := in.AgentEnv(shell, map[string]string{"DEBUG": "2", "A": "dotenv"}, map[string]string{"A": "literal"})
	for name, want := range map[string]string{
		"OPENAI_API_KEY": "secret", "DEBUG": "2", "A": "literal", "PATH": "/usr/bin:/v/bin:/bin", "EMPTY": "",
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("AgentEnv[%s] = %q, %v, want %q", name, value, ok, want)
		}
	}
	for _, name := range []string{"PYTHONHOME", "VIRTUAL_ENV", ""} {
		if value, ok := got[name]; ok {
			t.Errorf("AgentEnv[%s] = %q, want it gone: it speaks of another interpreter", name, value)
		}
	}
}

func TestArgv(t *testing.T) {
	t.Parallel()
	in := &Interpreter{Path: "/v/bin/python"}
	want := []string{"/v/bin/python", "/shim/boot.py", "zygote", "--fd", "3"}
	if got := in.Argv("/shim", RoleZygote); !slices.Equal(got, want) {
		t.Errorf("Argv = %q, want %q", got, want)
	}
}

func TestInterpreterJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(&Interpreter{Path: "/p", Version: Version{3, 11, 7}, Prefix: "/x", Origin: System})
	if want := `{"origin":"PATH","path":"/p","prefix":"/x","version":"3.11.7"}`; err != nil || string(text) != want {
		t.Errorf("JSON = %s, %v, want %s", text, err, want)
	}
}
