package peer

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/runagent/runagent/bench/proctree"
)

// Server is a running server of a row.
type Server struct {
	Row *Row
	Place
	// Took is how long it was from the start of the process to the first 200.
	Took time.Duration
	// Sent counts the calls that were made to it.
	Sent int

	cmd   *exec.Cmd
	ended chan struct{}
	log   string
}

// stopGrace is how long a server may take to end before it is killed.
const stopGrace = 5 * time.Second

// Start prepares a scratch folder, starts the row's server there, and waits
// until it answers. The folder is the caller's to remove.
func Start(r *Row, p Place) (*Server, error) {
	p.Agent = filepath.Join(p.Scratch, "agent")
	if err := os.CopyFS(p.Agent, os.DirFS(filepath.Join(p.Bench, "agent"))); err != nil {
		return nil, fmt.Errorf("copy the agent: %w", err)
	}
	if err := fit(p); err != nil {
		return nil, fmt.Errorf("fit the agent to %s: %w", p.Workload, err)
	}
	var err error
	if p.Port, err = freePort(); err != nil {
		return nil, err
	}
	if r.Prepare != nil {
		if err := r.Prepare(p); err != nil {
			return nil, err
		}
	}
	s := &Server{Row: r, Place: p, ended: make(chan struct{}), log: filepath.Join(p.Scratch, "log.txt")}
	began := time.Now()
	if err := s.launch(); err != nil {
		return nil, err
	}
	if err := s.await(began); err != nil {
		s.Stop()
		return nil, fmt.Errorf("%w; it said: %s", err, s.lastWords())
	}
	s.Took = time.Since(began)
	return s, nil
}

// heavyImports take about a second: a usual agent's.
const heavyImports = "import langgraph.graph, langgraph.prebuilt, langchain_core.language_models, httpx\n"

// graphEntrypoint is in the manifest only where it is called: what imports
// LangGraph weighs on all the others.
const graphEntrypoint = `"entrypoints": [
      {"tag": "graph", "file": "graph.py", "module": "run", "type": "generic"},`

// fit changes the copied agent into what the workload is about.
func fit(p Place) error {
	switch p.Workload {
	case "reload":
		return edit(filepath.Join(p.Agent, "work.py"), func(text string) string { return heavyImports + text })
	case Graph:
		return edit(filepath.Join(p.Agent, "runagent.config.json"), func(text string) string {
			return strings.Replace(text, `"entrypoints": [`, graphEntrypoint, 1)
		})
	}
	return nil
}

func edit(path string, change func(string) string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(change(string(text))), 0o644)
}

// PID returns the number of the server's first process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Usage returns what the server's processes use.
func (s *Server) Usage() (proctree.Usage, error) { return proctree.Read(s.PID()) }

// CPU returns the CPU time of the server's processes; 0 if it can't be read.
func (s *Server) CPU() time.Duration {
	t, err := proctree.CPU(s.PID())
	if err != nil {
		return 0
	}
	return t
}

// Stop ends the server and everything it started.
func (s *Server) Stop() {
	pids, _ := proctree.Members(s.PID())
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	t := time.NewTimer(stopGrace)
	defer t.Stop()
	select {
	case <-s.ended:
	case <-t.C:
	}
	for _, pid := range pids {
		if session, err := sessionOf(pid); err == nil && session == s.PID() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	<-s.ended
}

// Revive kills the server as a crash would, and starts it again in the same place.
func (s *Server) Revive() error {
	if err := s.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill the server: %w", err)
	}
	<-s.ended
	s.ended = make(chan struct{})
	if err := s.launch(); err != nil {
		return err
	}
	return s.await(time.Now())
}

// sessionOf tells whether a process is still the one it was: numbers are used again.
func sessionOf(pid int) (int, error) {
	session, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(session), nil
}

func (s *Server) launch() error {
	out, err := os.Create(s.log)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer out.Close()
	s.cmd = command(s.Place, s.Row.Command(s.Place))
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.cmd.Args[0], err)
	}
	go func(cmd *exec.Cmd, ended chan<- struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(s.cmd, s.ended)
	return nil
}

// run executes a command to its end.
func run(p Place, c Command) ([]byte, error) {
	return command(p, c).CombinedOutput()
}

// command builds a process with an environment that is the same for all rows.
func command(p Place, c Command) *exec.Cmd {
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	if cmd.Dir == "" {
		cmd.Dir = p.Scratch
	}
	cmd.Env = append([]string{
		"PATH=" + filepath.Join(p.Env, "bin") + ":/usr/local/bin:/usr/bin:/bin", "HOME=" + p.Scratch, "LANG=C.UTF-8",
	}, c.Vars...)
	return cmd
}

// await asks every few milliseconds whether the server answers.
func (s *Server) await(began time.Time) error {
	limit := s.Row.StartLimit
	if limit == 0 {
		limit = 20 * time.Second
	}
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for time.Since(began) < limit {
		resp, err := client.Get("http://" + s.Addr() + s.Row.Ready)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.ended:
			return errors.New("it ended while it started")
		case <-tick.C:
		}
	}
	return fmt.Errorf("no 200 from %s within %v", s.Row.Ready, limit)
}

func (s *Server) lastWords() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	if len(text) > 600 {
		text = text[len(text)-600:]
	}
	return strings.TrimSpace(string(text))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
