package unload

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Pages unmaps all that is mapped of the program's file and was not written to.
// What is needed again is mapped again when it is touched, from the kernel's
// cache of the file; the rest is the cache's to keep or to drop.
func Pages() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer maps.Close()
	found, err := untouched(maps, program)
	if err != nil {
		return err
	}
	for _, m := range found {
		if _, _, code := unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED); code != 0 {
			return fmt.Errorf("let go of %x-%x: %w", m.start, m.end, code)
		}
	}
	return nil
}

// mapping is a range of addresses.
type mapping struct{ start, end uintptr }

// untouched returns the mappings of program in smaps that can't be written to
// and hold no page of this process's own: a linker's relocations and a
// debugger's breakpoints would be lost.
func untouched(smaps io.Reader, program string) ([]mapping, error) {
	var found []mapping
	var here *mapping
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		line := lines.Text()
		var m mapping
		var rights string
		if n, _ := fmt.Sscanf(line, "%x-%x %4s", &m.start, &m.end, &rights); n == 3 {
			here = nil
			if strings.HasSuffix(line, " "+program) && !strings.Contains(rights, "w") {
				here = &m
			}
			continue
		}
		if own, ok := strings.CutPrefix(line, "Anonymous:"); ok && here != nil && strings.TrimSpace(own) == "0 kB" {
			found = append(found, *here)
		}
	}
	return found, lines.Err()
}
