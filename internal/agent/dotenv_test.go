package agent_test

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"testing"

	"github.com/runagent/runagent/internal/agent"
)

func TestReadDotEnv(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{".env": "\ufeff# keys\r\nA=1\r\nexport B = \"two words\" # note\nC='$A'\nD=${A}0\nE=\nF=\"a\nb\"\nURL=https://x.example/?a=b#c\n"})
	got, err := agent.ReadDotEnv(filepath.Join(dir, ".env"))
	want := map[string]string{"A": "1", "B": "two words", "C": "$A", "D": "10", "E": "", "F": "a\nb", "URL": "https://x.example/?a=b#c"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestReadDotEnvSaysWhere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"A=1\n\n# c\nB-C=2\n":             ".env:4:1: is no NAME=value line",
		"A=\"x\ny\"\n\nB=\"open\nC=1\n":   ".env:4:1: a quoted value has no end",
		"just words here!\nA=1\n":         ".env:1:1: is no NAME=value line",
		"A=1\n{\"json\": true}\n":         ".env:2:1: is no NAME=value line",
		"A=1\x00\n":                       ".env:1:1: is no text file of NAME=value lines",
		"A=1\nB='it\nC=2\nD='x\nE=2\n{\n": ".env:2:1: a quoted value has no end",
	} {
		dir := folder(t, map[string]string{".env": text})
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			_, err := agent.ReadDotEnv(filepath.Join(dir, ".env"))
			if err == nil || err.Error() != filepath.Join(dir, want) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestReadDotEnvMissing(t *testing.T) {
	t.Parallel()
	if _, err := agent.ReadDotEnv(filepath.Join(t.TempDir(), ".env")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}
