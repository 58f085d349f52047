package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/runagent/runagent/bench/proctree"
)

const (
	startLimit  = 60 * time.Second
	settleLimit = 60 * time.Second
	// restTime is how long a tree must use next to no CPU to be at rest.
	restTime = 1500 * time.Millisecond
)

// server is a running `runagent serve` of one of our agents.
type server struct {
	dir, url, log string
	cmd           *exec.Cmd
	ended         chan struct{}
	client        *http.Client
	// took is from the start of the process to the first answered call.
	took time.Duration
}

// home makes a new RUNAGENT_HOME: nothing has been learned there.
func (m *machine) home() (string, error) { return os.MkdirTemp(m.scratch, "home-") }

// serve serves a copy of an agent and returns when a call was answered.
func (m *machine) serve(ctx context.Context, agent, home string, args ...string) (*server, error) {
	place, err := os.MkdirTemp(m.scratch, agent+"-")
	if err != nil {
		return nil, err
	}
	s := &server{dir: filepath.Join(place, "agent"), log: filepath.Join(place, "log.jsonl"), ended: make(chan struct{})}
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	if err := os.CopyFS(s.dir, os.DirFS(filepath.Join(m.bench, "budget", "agents", agent))); err != nil {
		return nil, fmt.Errorf("copy the agent: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s.url = fmt.Sprintf("http://127.0.0.1:%d/v1/agents/budget/invoke", port)
	out, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	args = append([]string{"serve", s.dir, "--port", strconv.Itoa(port), "--python", m.python, "--log-format", "json", "--verbose"}, args...)
	s.cmd = exec.Command(m.program, args...)
	s.cmd.Env = append(os.Environ(), "RUNAGENT_HOME="+home, "RUNAGENT_CACHE_DIR="+home)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	if err := s.await(ctx, 0, startLimit); err != nil {
		s.stop()
		said, _ := os.ReadFile(s.log)
		return nil, fmt.Errorf("serve %s: %w; it said: %s", agent, err, said)
	}
	s.took = time.Since(began)
	return s, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// stop ends the server and waits.
func (s *server) stop() {
	s.client.CloseIdleConnections()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.ended
}

// call returns which save answered.
func (s *server) call(ctx context.Context) (save int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader([]byte(`{"input":{}}`)))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	var answer struct{ Result struct{ Save *int } }
	if err := json.Unmarshal(body, &answer); err != nil || res.StatusCode != http.StatusOK || answer.Result.Save == nil {
		return 0, fmt.Errorf("status %d: %.300s", res.StatusCode, body)
	}
	return *answer.Result.Save, nil
}

// await calls until that save answers.
func (s *server) await(ctx context.Context, save int, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if got, err := s.call(ctx); err == nil && got == save {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return fmt.Errorf("save %d does not answer within %v", save, limit)
		}
	}
}

var saveLine = regexp.MustCompile(`(?m)^SAVE = \d+$`)

// save changes the agent's file and returns how long the new code took to answer.
func (s *server) save(ctx context.Context, number int) (time.Duration, error) {
	path := filepath.Join(s.dir, "main.py")
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	text = saveLine.ReplaceAll(text, []byte("SAVE = "+strconv.Itoa(number)))
	began := time.Now()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return 0, err
	}
	err = s.await(ctx, number, 30*time.Second)
	return time.Since(began), err
}

// settle waits until the server's processes have nothing more to do: a better
// zygote is made in the background, records are written.
func (s *server) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	for {
		before, err := proctree.CPU(s.cmd.Process.Pid)
		if err != nil {
			return err
		}
		rest := time.NewTimer(restTime)
		select {
		case <-rest.C:
		case <-ctx.Done():
			rest.Stop()
			return fmt.Errorf("the server does not come to rest within %v", settleLimit)
		}
		after, err := proctree.CPU(s.cmd.Process.Pid)
		if err != nil {
			return err
		}
		if after-before <= 20*time.Millisecond {
			return nil
		}
	}
}

// readies are the times that instances forked from the zygote took to be ready, in order.
func (s *server) readies() (list []time.Duration, err error) {
	file, err := os.Open(s.log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Msg, Start string
			Duration   time.Duration
		}
		if !strings.Contains(lines.Text(), "instance ready") {
			continue
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("read the log: %w: %s", err, lines.Text())
		}
		if line.Start == "warm" {
			list = append(list, line.Duration)
		}
	}
	return list, lines.Err()
}
