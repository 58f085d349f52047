package pythonenv

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestForInstallsOnceAndForAll(t *testing.T) {
	t.Parallel()
	first := For(t, "typing-extensions==4.15.0")
	out, err := exec.Command(first, "-c", "import typing_extensions; print('there')").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "there" {
		t.Fatalf("import: %v: %s", err, out)
	}
	mark := filepath.Join(filepath.Dir(filepath.Dir(first)), "mark")
	if err := os.WriteFile(mark, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if second := For(t, "typing-extensions==4.15.0"); second != first {
		t.Errorf("the second time at %s, the first at %s", second, first)
	}
	if _, err := os.Stat(mark); err != nil {
		t.Errorf("installed twice: %v", err)
	}
}

func TestEnsureInstallsOnlyIfItMay(t *testing.T) {
	t.Parallel()
	_, err := ensure([]string{"typing-extensions==0.0.0.1"}, false)
	if !errors.Is(err, errAbsent) || !strings.Contains(err.Error(), "typing-extensions==0.0.0.1") {
		t.Errorf("got %v, want errAbsent with the requirement", err)
	}
}

func TestEnsureSaysWhatCannotBeInstalled(t *testing.T) {
	t.Parallel()
	if os.Getenv("RUNAGENT_TEST_NETWORK") == "" {
		t.Skip("asks a registry: set RUNAGENT_TEST_NETWORK=1")
	}
	_, err := ensure([]string{"typing-extensions==0.0.0.0"}, true)
	if err == nil || errors.Is(err, errAbsent) || !strings.Contains(err.Error(), "typing-extensions==0.0.0.0") {
		t.Errorf("got %v, want an error that names the requirement", err)
	}
}
