package build

import "syscall"

// processGroup gives the installer its own process group, and its death with ours.
func processGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
