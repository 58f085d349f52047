package zygote

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/sandbox"
)

// Memory knows what a zygote should import, also from earlier runs of the server.
type Memory interface {
	// Wanted are the modules to import, in order.
	Wanted() []string
	// Learn takes what a ready instance had loaded from outside its folder and
	// reports whether Wanted is different now.
	Learn(modules []string) bool
	// LearnLater takes what calls have loaded besides, and reports the same.
	LearnLater(modules []string) bool
	// ForgetLater excludes all that LearnLater took and reports whether there
	// was any.
	ForgetLater(why string) bool
	// Exclude leaves a module out of Wanted from now on and reports whether
	// that is new.
	Exclude(module, why string) bool
}

// What calls load comes bit by bit, and a better zygote costs all imports: it is
// made when nothing new came for laterCalm, and not sooner than laterGap after
// the last.
const (
	laterCalm = 5 * time.Second
	laterGap  = time.Minute
)

// Observe tells what a ready instance had loaded from outside its folder; the
// first inherited ones it had from its zygote. When there are others that a
// zygote should have, a better one is made in the background.
func (k *Keeper) Observe(modules []string, inherited int) {
	if k.ctx.Err() != nil || !k.o.Memory.Learn(modules) || k.Current() == nil {
		return
	}
	wanted := k.o.Memory.Wanted()
	if slices.ContainsFunc(modules[min(inherited, len(modules)):], func(m string) bool { return slices.Contains(wanted, m) }) {
		k.wg.Go(k.improve)
	}
}

// ObserveLater tells what the calls on an instance have loaded from outside its
// folder. The next zygote has it, and one is made in the background when no more
// comes: the instances after it start with what those before came to need.
func (k *Keeper) ObserveLater(modules []string) {
	if k.ctx.Err() != nil || !k.o.Memory.LearnLater(modules) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lastNews = time.Now()
	if k.due {
		return
	}
	k.due = true
	k.wg.Go(k.improveLater)
}

// improveLater is improve when it is time, unless another has the imports by then.
func (k *Keeper) improveLater() {
	for wait := k.untilDue(); wait > 0; wait = k.untilDue() {
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-k.ctx.Done():
			t.Stop()
			return
		}
	}
	if z := k.holding(); z != nil && z.lacks(k.o.Memory.Wanted()) {
		k.improve()
	}
}

// untilDue is how long the next zygote with what calls have loaded is to wait.
// When that is over, what comes is for the one after it.
func (k *Keeper) untilDue() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	wait := max(laterCalm-time.Since(k.lastNews), laterGap-time.Since(k.lastDue))
	if wait <= 0 {
		k.due, k.lastDue = false, time.Now()
	}
	return wait
}

// improve replaces the zygote by one with the imports wanted now.
func (k *Keeper) improve() {
	z, err := k.make()
	if err != nil {
		if k.ctx.Err() == nil {
			k.o.Log.Warn("the better zygote could not be made", "error", err)
		}
		return
	}
	k.replace(z)
	if k.ctx.Err() != nil {
		z.Kill()
	}
}

// lacks reports whether one of modules was not among the imports.
func (z made) lacks(modules []string) bool {
	has := make(map[string]bool, len(z.imports))
	for _, name := range z.imports {
		has[name] = true
	}
	return slices.ContainsFunc(modules, func(name string) bool { return !has[name] })
}

// forgetLater does without what calls have loaded, because the imports failed
// twice and the agent started well without. It reports whether there was any.
func (k *Keeper) forgetLater(err error) bool {
	if k.ctx.Err() != nil || !k.o.Memory.ForgetLater("a zygote that imports what calls have loaded does not start: "+err.Error()) {
		return false
	}
	k.o.Log.Warn("the zygote does not start with what calls have loaded and does without", "error", err)
	return true
}

// exclude remembers polluting imports; it reports whether there are new ones.
func (k *Keeper) exclude(list []sandbox.Excluded) bool {
	found := false
	for _, e := range list {
		if !e.Polluted || !k.o.Memory.Exclude(e.Module, e.Why) {
			continue
		}
		found = true
		level := "info"
		if strings.HasPrefix(e.Why, "imports ") {
			level = "debug" // another line says of what
		}
		k.o.OnLog(invocation.LogLine{
			Time: time.Now().UTC(), Stream: "system", Level: level, Instance: "zygote",
			Text: fmt.Sprintf("module %s is imported after the fork, not before: %s", e.Module, e.Why),
		})
	}
	return found
}
