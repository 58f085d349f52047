package memory

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// Total is the memory of this machine in bytes, 0 when that is not known.
func Total() int64 {
	_, total := free()
	return total
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
