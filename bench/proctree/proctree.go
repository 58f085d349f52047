// Package proctree reads from /proc what a process and everything it started
// use: CPU time and memory.
package proctree

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU times in /proc/PID/stat: USER_HZ, 100 on every
// Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// Usage is what a tree of processes uses.
type Usage struct {
	Processes int
	// CPU is user and system time of all, ended children included.
	CPU time.Duration
	// PSS is the memory of all, pages shared between processes counted by their share.
	PSS int64
}

// stat is what of /proc/PID/stat is used.
type stat struct {
	pid, parent, session int
	cpu                  time.Duration
}

// Members returns root and the processes that descend from it or live in its
// session, so that one whose parent has ended is still counted.
func Members(root int) ([]int, error) {
	stats, err := members(root)
	var pids []int
	for _, s := range stats {
		pids = append(pids, s.pid)
	}
	return pids, err
}

// CPU returns the CPU time that root's tree has used.
func CPU(root int) (time.Duration, error) {
	stats, err := members(root)
	var sum time.Duration
	for _, s := range stats {
		sum += s.cpu
	}
	return sum, err
}

// Read returns the whole usage of root's tree. Memory takes a while to read:
// not for use inside a measurement.
func Read(root int) (Usage, error) {
	stats, err := members(root)
	if err != nil {
		return Usage{}, err
	}
	u := Usage{Processes: len(stats)}
	for _, s := range stats {
		pss, err := pssOf(s.pid)
		if err != nil {
			continue // it has ended meanwhile
		}
		u.PSS += pss
		u.CPU += s.cpu
	}
	return u, nil
}

func members(root int) ([]stat, error) {
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	all := make([]stat, 0, len(entries))
	for _, path := range entries {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if s, err := parseStat(string(text)); err == nil {
			all = append(all, s)
		}
	}
	// A child may have a lower number than its parent: go on until none is found.
	in := map[int]bool{root: true}
	for grown := true; grown; {
		grown = false
		for _, s := range all {
			if !in[s.pid] && (in[s.parent] || s.session == root) {
				in[s.pid], grown = true, true
			}
		}
	}
	all = slices.DeleteFunc(all, func(s stat) bool { return !in[s.pid] })
	if len(all) == 0 {
		return nil, fmt.Errorf("process %d does not run", root)
	}
	return all, nil
}

// parseStat reads the fields it needs; the name in parentheses may hold anything.
func parseStat(text string) (stat, error) {
	end := strings.LastIndexByte(text, ')')
	first, _, _ := strings.Cut(text, " ")
	if end < 0 {
		return stat{}, fmt.Errorf("no name in %.60q", text)
	}
	fields := strings.Fields(text[end+1:])
	if len(fields) < 15 {
		return stat{}, fmt.Errorf("%d fields in %.60q", len(fields), text)
	}
	var s stat
	var ticks [4]int64
	var err error
	if s.pid, err = strconv.Atoi(first); err != nil {
		return stat{}, err
	}
	if s.parent, err = strconv.Atoi(fields[1]); err != nil {
		return stat{}, err
	}
	if s.session, err = strconv.Atoi(fields[3]); err != nil {
		return stat{}, err
	}
	for i := range ticks {
		if ticks[i], err = strconv.ParseInt(fields[11+i], 10, 64); err != nil {
			return stat{}, err
		}
		s.cpu += time.Duration(ticks[i]) * clockTick
	}
	return s, nil
}

func pssOf(pid int) (int64, error) { return rollup(pid, "Pss") }

// rollup reads one line of /proc/PID/smaps_rollup, in bytes.
func rollup(pid int, name string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), name+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no %s of process %d", name, pid)
}
