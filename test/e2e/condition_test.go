package e2e

import (
	"fmt"
	"os"
	"os/exec"
)

// Conditions of stories: `[!python] skip 'why'`. A condition's second part is
// the program that meets it, kept in a variable of the story.
var conditions = map[string]struct {
	variable   string
	candidates []string
	check      string
}{
	"python":        {"PYTHON", []string{"python3", "python"}, "import sys; sys.exit(sys.version_info < (3, 9))"},
	"python-client": {"CLIENT_PYTHON", []string{"python3"}, "import runagent"},
	"uv":            {"UV", []string{"uv"}, ""},
}

// programs holds the path of the program that meets each condition, or "".
type programs map[string]string

// findPrograms looks once, for all stories. RUNAGENT_E2E_ and the variable's
// name puts a candidate first.
func findPrograms() programs {
	found := programs{}
	for name, c := range conditions {
		found[name] = ""
		for _, candidate := range append([]string{os.Getenv("RUNAGENT_E2E_" + c.variable)}, c.candidates...) {
			path, err := exec.LookPath(candidate)
			if err == nil && (c.check == "" || exec.Command(path, "-c", c.check).Run() == nil) {
				found[name] = path
				break
			}
		}
	}
	return found
}

// condition tells whether this machine has what name asks for.
func (ps programs) condition(name string) (bool, error) {
	path, known := ps[name]
	if !known {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	return path != "", nil
}
