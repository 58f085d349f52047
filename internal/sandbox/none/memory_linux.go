package none

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/runagent/runagent/internal/offspring"
	"github.com/runagent/runagent/internal/sandbox"
	"github.com/runagent/runagent/internal/sandbox/cgroup"
)

const (
	// lookEvery is how often memory is looked at where no group bounds it.
	lookEvery = 200 * time.Millisecond
	// startedScore and forkedScore are what the kernel adds when it must
	// choose whom to end for memory, out of a thousand: instances go first,
	// then zygotes, the server last.
	startedScore = 500
	forkedScore  = 600
)

// yield makes a process one that the kernel ends before the server.
func yield(pid, score int) {
	// A process may always raise its own score and that of its children.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte(strconv.Itoa(score)), 0) // it may have ended
}

// LimitMemory implements sandbox.Process: by a group where there are some, else
// by looking often.
func (p *process) LimitMemory(bytes int64) error {
	if bytes <= 0 {
		return nil
	}
	g, err := p.driver.o.Groups.Bound(p.pid, bytes)
	if err != nil && !errors.Is(err, cgroup.ErrNone) {
		return err
	}
	p.mu.Lock()
	p.limit, p.group = bytes, g
	p.mu.Unlock()
	if g == nil {
		p.driver.watch(p)
	}
	return nil
}

// Memory implements sandbox.Process.
func (p *process) Memory() int64 {
	if p.ended() {
		return 0
	}
	return share(p.pid)
}

// watch begins to look at the memory of p, until it has ended.
func (d *Driver) watch(p *process) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watched = append(d.watched, p)
	if len(d.watched) == 1 {
		d.wg.Go(d.look)
	}
}

// look ends processes that are over their limit, until there is none left to
// look at.
func (d *Driver) look() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for range tick.C {
		d.mu.Lock()
		var live []*process
		for _, p := range d.watched {
			if !p.ended() {
				live = append(live, p)
			}
		}
		d.watched = live
		d.mu.Unlock()
		if len(live) == 0 {
			return
		}
		for _, p := range live {
			if !p.ended() && over(p.pid, p.limit) {
				p.mu.Lock()
				p.over = true
				p.mu.Unlock()
				p.Kill()
			}
		}
	}
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// over reports whether pid and all below it hold more than limit. What is
// resident is cheap to ask for and counts what is shared with the zygote; only
// when that is too much is the fair share asked for.
func over(pid int, limit int64) bool {
	return offspring.Sum(pid, offspring.Resident) > limit && offspring.Sum(pid, share) > limit
}

// share is what a process holds, shared pages divided by who shares them.
func share(pid int) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	_, rest, ok := strings.Cut(string(raw), "\nPss:")
	fields := strings.Fields(rest)
	if !ok || len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(fields[0], 10, 64) // the kernel's own number
	return kib << 10
}

// Used is what all processes of the driver take: as the groups count it, else
// the fair shares of all below the guard, which takes a while to add up.
func (d *Driver) Used() int64 {
	if n, ok := d.o.Groups.Used(); ok {
		return n
	}
	d.mu.Lock()
	g := d.guard
	d.mu.Unlock()
	if g == nil {
		return 0
	}
	return offspring.Sum(g.cmd.Process.Pid, share)
}

// blame finds out whether a process that was killed was so for memory. p.mu is
// held.
func (p *process) blame(e sandbox.Exit) sandbox.Exit {
	switch {
	case e.Signal != syscall.SIGKILL:
	case p.over:
		e.OOM, e.Limit = true, p.limit
	case p.group != nil && p.group.Kills() > 0:
		e.OOM, e.Limit = true, p.limit
		if all := p.driver.o.Groups.Limit(); all > 0 && !p.group.Full() {
			e.Limit, e.All = all, true
		}
	case p.killed: // by us, for another reason
	case p.driver.o.Groups == nil:
		if limit, killed := p.driver.memory.one(p.before); killed {
			e.OOM, e.Limit, e.Server = true, limit, true
		}
	case p.group == nil && p.driver.o.Groups.SharedKills() > p.kills:
		e.OOM = true
		if all := p.driver.o.Groups.Limit(); all > 0 {
			e.Limit, e.All = all, true
		}
	}
	return e
}
