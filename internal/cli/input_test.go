package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestSplitInput(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args  string
		known string
		input string
	}{
		{"a --tag main", "a --tag main", ""},
		{"--message hello a", "a", `message="hello"`},
		{"--message=hello a", "a", `message="hello"`},
		{"--n 5 --f 2.0 --deep {\"a\":[1]}", "", `n=5 f=2.0 deep={"a":[1]}`},
		{"--n -5", "", "n=-5"},
		{"--zip 01234 --name null", "", `zip="01234" name=null`},
		{"--text \"5\"", "", `text="5"`},
		{"--big 123456789012345678901234567890", "", "big=123456789012345678901234567890"},
		{"--flag --stream --other", "--stream", "flag=true other=true"},
		{"--max-tokens 3", "", "max_tokens=3"},
		{"--input - --tag=x", "--input - --tag=x", ""},
		{"--stream=false a", "--stream=false a", ""},
		{"--empty=", "", `empty=""`},
		{"-- --message", "-- --message", ""},
		{"--tag", "--tag", ""},
	}
	for _, tt := range tests {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		flags.String("tag", "", "")
		flags.String("input", "", "")
		flags.Bool("stream", false, "")
		known, pairs, err := splitInput(flags, strings.Fields(tt.args))
		if err != nil {
			t.Errorf("splitInput(%s): %v", tt.args, err)
			continue
		}
		input := make([]string, len(pairs))
		for i, p := range pairs {
			input[i] = p.key + "=" + string(p.value)
		}
		if got := strings.Join(known, " "); got != tt.known {
			t.Errorf("splitInput(%s): known %q, want %q", tt.args, got, tt.known)
		}
		if got := strings.Join(input, " "); got != tt.input {
			t.Errorf("splitInput(%s): input %q, want %q", tt.args, got, tt.input)
		}
	}
}

func TestSplitInputRefuses(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--a 1 --a 2":       "--a is given twice",
		"--max-n 1 --max_n": "--max_n is given twice",
		"--=x":              "no key",
	} {
		_, _, err := splitInput(pflag.NewFlagSet("", pflag.ContinueOnError), strings.Fields(args))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("splitInput(%s): %v, want %q", args, err, want)
		}
	}
}

func TestReadInput(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "input.json")
	if err := os.WriteFile(file, []byte("\n[1, 2]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{"a": 2.0}`: `{"a": 2.0}`,
		"-":          `{"in":1}`,
		"@" + file:   "[1, 2]",
	} {
		got, err := readInput(text, strings.NewReader(" {\"in\":1}\n"))
		if err != nil || string(got) != want {
			t.Errorf("readInput(%s) = %s, %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		`{"a":`:         "--input is not JSON: line 1, column 5",
		"{\n  \"a\" 1}": "line 2, column 7",
		"5":             "neither a JSON object",
		"null":          "neither a JSON object",
		"@/no/file":     "read input: open /no/file",
		"":              "not JSON",
	} {
		if _, err := readInput(text, strings.NewReader("")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("readInput(%q): %v, want %q", text, err, want)
		}
	}
}

func TestJoinInput(t *testing.T) {
	t.Parallel()
	pairs := []pair{{"b", json.RawMessage("2")}}
	tests := []struct {
		base  string
		pairs []pair
		input string
		args  string
	}{
		{"", nil, "null", "null"},
		{`{"a":1}`, nil, `{"a":1}`, "null"},
		{"[1]", nil, "[1]", "null"},
		{"", pairs, `{"b":2}`, "null"},
		{`{"a":1.0,"b":1}`, pairs, `{"a":1.0,"b":2}`, "null"},
		{"[1,[2]]", pairs, `{"b":2}`, "[1,[2]]"},
	}
	for _, tt := range tests {
		var base json.RawMessage
		if tt.base != "" {
			base = json.RawMessage(tt.base)
		}
		input, args, err := joinInput(base, tt.pairs)
		if err != nil {
			t.Errorf("joinInput(%s): %v", tt.base, err)
			continue
		}
		gotInput, _ := json.Marshal(input)
		gotArgs, _ := json.Marshal(args)
		if string(gotInput) != tt.input || string(gotArgs) != tt.args {
			t.Errorf("joinInput(%s) = %s and %s, want %s and %s", tt.base, gotInput, gotArgs, tt.input, tt.args)
		}
	}
}
