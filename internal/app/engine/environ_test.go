package engine

import (
	"strings"
	"testing"
)

func TestAgentsGetLittleOfTheEnvironment(t *testing.T) {
	t.Parallel()
	environ := []string{"PATH=/bin", "HOME=/root", "OPENAI_API_KEY=x", "RUNAGENT_API_KEY=y", "LC_ALL=C", "VIRTUAL_ENV=/v", "RUNAGENT_UV=/uv", "UV_INDEX=z", "PATHOLOGY=1"}
	if got := strings.Join(AgentEnviron(environ), " "); got != "PATH=/bin LC_ALL=C" {
		t.Errorf("agents get %q", got)
	}
	if got := strings.Join(BuildEnviron(environ), " "); got != "PATH=/bin HOME=/root OPENAI_API_KEY=x LC_ALL=C RUNAGENT_UV=/uv UV_INDEX=z PATHOLOGY=1" {
		t.Errorf("builds get %q", got)
	}
}
