package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// python is the version all rows run on: what PyPI's wheels of all peers are for.
const python = "3.11"

// Install makes the environment of a row from its lock file, in cache, and
// returns its folder. What is there already is kept, as long as the lock file
// is the same.
func Install(ctx context.Context, bench, cache, env string) (string, error) {
	lock := filepath.Join(bench, "peers", env, "requirements.lock")
	want, err := os.ReadFile(lock)
	if err != nil {
		return "", fmt.Errorf("read lock file: %w", err)
	}
	dir := filepath.Join(cache, "env", env)
	stamp := filepath.Join(dir, "bench.lock")
	if have, err := os.ReadFile(stamp); err == nil && string(have) == string(want) {
		return dir, nil
	}
	uv, err := exec.LookPath("uv")
	if err != nil {
		return "", errors.New("uv not found; run `make uv`")
	}
	for _, args := range [][]string{
		{"venv", "-q", "--clear", "--python", python, dir},
		{"pip", "install", "-q", "--python", filepath.Join(dir, "bin", "python"), "-r", lock},
	} {
		out, err := exec.CommandContext(ctx, uv, args...).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("install %s: uv %s: %w: %s", env, args[0], err, lastLine(string(out)))
		}
	}
	if err := os.WriteFile(stamp, want, 0o644); err != nil {
		return "", fmt.Errorf("note what is installed: %w", err)
	}
	return dir, nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
