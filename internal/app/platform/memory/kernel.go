package memory

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Total is the memory of this machine, or of the container around this process
// if that has less, in bytes; 0 when it is not known.
func Total() int64 {
	_, total := free()
	return contained("/sys/fs/cgroup", total)
}

// contained is total, or the bound that a container's root group has.
func contained(groups string, total int64) int64 {
	for _, name := range []string{"memory.max", "memory/memory.limit_in_bytes"} {
		raw, err := os.ReadFile(filepath.Join(groups, name))
		if err != nil {
			continue
		}
		if bound, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64); err == nil && bound > 0 {
			total = min(total, bound)
		}
	}
	return total
}

// Free is what this machine has left, in bytes.
func Free() int64 {
	left, _ := free()
	return left
}

// Own is what this process takes, shared pages divided by who shares them.
func Own() int64 {
	raw, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(raw), "\nPss:")
	if fields := strings.Fields(rest); len(fields) > 0 {
		kib, _ := strconv.ParseInt(fields[0], 10, 64) // the kernel's own number
		return kib << 10
	}
	return 0
}

// free says what the machine has left, and has in all; 0 and 0 where the
// kernel does not tell as Linux does.
func free() (left, total int64) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64) // other lines have other units
		switch name {
		case "MemTotal":
			total = kib << 10
		case "MemAvailable":
			left = kib << 10
		}
	}
	return left, total
}
