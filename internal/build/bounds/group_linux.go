package bounds

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// processGroup gives the installer its own process group, and its death with ours.
func processGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// Fields of /proc/PID/stat after the program's name, which ends with ")".
const (
	statGroup    = 2
	statResident = 21
)

// groupMemory is what the processes of a group have in memory together. Pages
// that they share count for each.
func groupMemory(group int) int64 {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	wanted, pages := []byte(strconv.Itoa(group)), int64(0)
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(fields) <= statResident || !bytes.Equal(fields[statGroup], wanted) {
			continue
		}
		if n, err := strconv.ParseInt(string(fields[statResident]), 10, 64); err == nil {
			pages += n
		}
	}
	return pages * int64(os.Getpagesize())
}
