package bounds

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/runagent/runagent/internal/offspring"
)

// keepCommand is the hidden command under which a program runs as a keeper: the
// process between this one and a command of an installation. Whatever the command
// has started stays below it, and ends with the command, or with this process,
// however that ends.
const keepCommand = "keep-installer"

// startedFile is the keeper's end of a pipe, on which it says why the command
// can't be started; keptFiles are its files that the command does not get.
const (
	startedFile = 3
	keptFiles   = 8
)

// start starts a command below a keeper. The calling thread must live as long.
func start(cmd *exec.Cmd) error {
	if cmd.Err != nil {
		return cmd.Err
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ours.Close()
	path := cmd.Path
	cmd.Args = append([]string{"runagent", keepCommand, path}, cmd.Args...)
	cmd.Path = "/proc/self/exe" // also after its file was replaced
	cmd.ExtraFiles = append([]*os.File{theirs}, cmd.ExtraFiles...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err = cmd.Start()
	_ = theirs.Close()
	if err != nil {
		return err
	}
	if why, _ := io.ReadAll(ours); len(why) > 0 {
		_ = cmd.Wait() // it says the same
		return &fs.PathError{Op: "start", Path: path, Err: errors.New(string(why))}
	}
	return nil
}

// memory is what all that a keeper keeps has in memory. Pages that they share
// count for each.
func memory(keeper int) int64 {
	return offspring.Sum(keeper, offspring.Resident) - offspring.Resident(keeper)
}

// As of a guard, this is the whole program from here on, before most packages are
// set up.
var _ = keepInstead(os.Args)

// keepInstead is the whole program if args ask for a keeper.
func keepInstead(args []string) bool {
	if len(args) < 4 || args[1] != keepCommand {
		return false
	}
	os.Exit(keep(args[2], args[3:]))
	return true
}

// keep runs a command to its end, kills what it leaves, and returns its status.
func keep(path string, argv []string) int {
	runtime.LockOSThread() // the death signal of the command follows it
	for fd := startedFile; fd < keptFiles; fd++ {
		syscall.CloseOnExec(fd)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	started := os.NewFile(startedFile, "started")
	pid, err := 0, offspring.Adopt()
	if err == nil {
		pid, err = syscall.ForkExec(path, argv, &syscall.ProcAttr{
			Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
		})
	}
	if err != nil {
		_, _ = fmt.Fprint(started, err)
		return 1
	}
	_ = started.Close()
	go func() {
		<-asked
		for _, k := range offspring.Children(os.Getpid()) {
			offspring.KillTree(k)
		}
	}()
	status := await(pid)
	offspring.KillAll()
	if !status.Signaled() {
		return status.ExitStatus()
	}
	if status.Signal() == syscall.SIGKILL {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // ends as the command did
	}
	return 128 + int(status.Signal())
}

// await returns how pid has ended; orphans that end before are taken off.
func await(pid int) syscall.WaitStatus {
	for {
		var ws syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &ws, 0, nil)
		if ended == pid || err != nil && !errors.Is(err, syscall.EINTR) {
			return ws
		}
	}
}
