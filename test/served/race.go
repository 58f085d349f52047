package served

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// RaceFlags returns the flags of `go build` that make a binary find races.
// They need a C compiler. Without one there are none, which stderr is told;
// where CI is true it is an error, or nobody would notice.
func RaceFlags() ([]string, error) {
	out, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		return nil, fmt.Errorf("ask go for its C compiler: %w", err)
	}
	return raceFlags(strings.TrimSpace(string(out)), os.Getenv("CI") == "true", os.Stderr)
}

func raceFlags(compiler string, ci bool, talk io.Writer) ([]string, error) {
	program, _, _ := strings.Cut(compiler, " ")
	if _, err := exec.LookPath(program); err == nil {
		return []string{"-race"}, nil
	}
	if ci {
		return nil, errors.New("the race detector needs a C compiler, and there is no " + compiler + "; `make toolchain` installs one")
	}
	fmt.Fprintf(talk, "there is no C compiler (%s): runagent is built without the race detector; `make toolchain` installs one\n", compiler)
	return nil, nil
}
