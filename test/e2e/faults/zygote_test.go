package faults

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/runagent/runagent/test/served"
)

// TestAZygoteThatDiesIsStartedAgain kills the zygote: calls go on, a new one
// comes, and what replaces code and crashed instances is forked from that.
func TestAZygoteThatDiesIsStartedAgain(t *testing.T) {
	t.Parallel()
	agent := serveVersion(t)
	instance := wantFine(t, agent)
	zygote := wantZygote(t, agent, instance, 0)
	served.Kill(t, zygote)
	if after := wantFine(t, agent); after != instance {
		t.Errorf("process %d answers for %d, which should have outlived its zygote", after, instance)
	}
	wantZygote(t, agent, instance, zygote)

	saves := 1
	served.Eventually(t, soon, "a save's instance is forked", func() bool { // plainly started until the zygote has imported
		saves++
		agent.Write("main.py", version(saves))
		wantVersion(t, agent, saves)
		return fromZygote(wantFine(t, agent))
	})

	second := wantFine(t, agent)
	served.Kill(t, second)
	agent.WaitOutput(`instance \S+ ended: it was killed by signal 9`)
	third := wantFine(t, agent)
	if third == second {
		t.Errorf("process %d answers after its death", third)
	}
	if !fromZygote(third) {
		t.Errorf("instance %d was started plainly, not forked", third)
	}
}

// TestWhatCallsLoadIsThereInTheNextInstance saves until an instance comes from a
// zygote that has imported what only calls import.
func TestWhatCallsLoadIsThereInTheNextInstance(t *testing.T) {
	t.Parallel()
	const code = `import os, sys

first = []

def fine(message=''):
    first.append('wave' in sys.modules)
    import wave
    return {'version': %d, 'pid': os.getpid(), 'was_loaded': first[0]}
`
	agent := serveVersion(t)
	saves := 1
	save := func() any {
		saves++
		agent.Write("main.py", fmt.Sprintf(code, saves))
		wantVersion(t, agent, saves)
		return wantAnswer(t, agent.Invoke("fine", nil)).Get("was_loaded")
	}
	if got := save(); got != false {
		t.Fatalf("was wave loaded before the first call: %v", got)
	}
	served.Eventually(t, 2*soon, "an instance begins with what calls load", func() bool { return save() == true })
}

// wantZygote waits for a zygote other than the one with that number.
func wantZygote(t *testing.T, agent *served.Agent, instance, other int) (found int) {
	t.Helper()
	served.Eventually(t, soon, "a zygote lives", func() bool {
		for _, p := range agent.Tree() {
			// What it forks has its command line, and lies below it.
			if p.PID != instance && p.PID != other && fromZygote(p.PID) && !fromZygote(p.Parent()) {
				found = p.PID
				return true
			}
		}
		return false
	})
	return found
}

// fromZygote reports whether a process is a zygote or was forked from one: what
// is started plainly has another command line.
func fromZygote(pid int) bool {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // one that has ended has none
	return strings.Contains(string(raw), "\x00zygote\x00")
}

// TestVerboseTellsHowInstancesStart is where one reads what a start takes.
func TestVerboseTellsHowInstancesStart(t *testing.T) {
	t.Parallel()
	agent := serve(t, "echo", "--verbose")
	agent.WaitOutput(`msg="instance ready" agent_id=echo instance=\S+ start=warm duration=\S+`)
}
