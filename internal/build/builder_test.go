package build

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/runtime/python"
)

// eachInstaller runs story with pip and with uv.
func eachInstaller(t *testing.T, story func(t *testing.T, uv string)) {
	t.Run("pip", func(t *testing.T) {
		t.Parallel()
		withVenv(t)
		story(t, "")
	})
	t.Run("uv", func(t *testing.T) {
		t.Parallel()
		story(t, realUV(t))
	})
}

func TestBuildInstallsOnceUntilTheRequirementsChange(t *testing.T) {
	t.Parallel()
	eachInstaller(t, func(t *testing.T, uv string) {
		dir, home, told := t.TempDir(), t.TempDir(), &lines{}
		wheel(t, dir, "onething", "1.0", "")
		next := wheel(t, dir, "onething", "2.0", "")
		write(t, filepath.Join(dir, "requirements.txt"), "./onething-1.0-py3-none-any.whl\n")
		b := New(Options{Home: home, UV: uv, Environ: offline(), Progress: told.tell})
		req := Request{Dir: dir, Python: system(t)}

		first, err := b.Build(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if got := runs(t, first, "import onething; print(onething.VERSION)"); got != "1.0" || !first.Fresh {
			t.Errorf("version = %s, fresh %v, want 1.0, true", got, first.Fresh)
		}
		if first.Python.Origin != python.Built || !first.Python.Virtual() || !strings.HasPrefix(first.Python.Path, home) {
			t.Errorf("Python = %+v, want one built under %s", first.Python, home)
		}
		if !strings.Contains(told.String(), "onething") {
			t.Errorf("progress = %q, want the installer's lines", told)
		}

		again, err := New(Options{Home: home, UV: uv}).Build(t.Context(), req)
		if err != nil || again.Fresh || *again.Python != *first.Python || again.Key != first.Key {
			t.Errorf("second Build = %+v, %v, want the first one's environment", again, err)
		}

		write(t, filepath.Join(dir, "requirements.txt"), "./"+next+"\n")
		changed, err := b.Build(t.Context(), req)
		if err != nil || changed.Key == first.Key {
			t.Fatalf("Build after the change = %+v, %v", changed, err)
		}
		if got := runs(t, changed, "import onething; print(onething.VERSION)"); got != "2.0" {
			t.Errorf("version after the change = %s, want 2.0", got)
		}
		if got := runs(t, first, "import onething; print(onething.VERSION)"); got != "1.0" {
			t.Errorf("the old environment has %s, want 1.0: it may be in use", got)
		}
	})
}

func TestBuildFromTheIndex(t *testing.T) {
	t.Parallel()
	network(t)
	eachInstaller(t, func(t *testing.T, uv string) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "requirements.txt"), "-r more/base.txt\n")
		write(t, filepath.Join(dir, "more", "base.txt"), "six==1.16.0  # small\n")
		env, err := New(Options{Home: t.TempDir(), UV: uv, Environ: online()}).Build(t.Context(), Request{Dir: dir, Python: system(t)})
		if err != nil {
			t.Fatal(err)
		}
		if got := runs(t, env, "import six; print(six.__version__)"); got != "1.16.0" {
			t.Errorf("six = %s, want 1.16.0", got)
		}
	})
}

func TestBuildFromPyproject(t *testing.T) {
	t.Parallel()
	eachInstaller(t, func(t *testing.T, uv string) {
		dir := t.TempDir()
		file := wheel(t, dir, "fromproject", "1.0", "")
		// Not a package: two folders, which a build would refuse.
		write(t, filepath.Join(dir, "data", "x.py"), "")
		write(t, filepath.Join(dir, "prompts", "y.py"), "")
		write(t, filepath.Join(dir, "pyproject.toml"), "[project]\nname = \"a\"\nversion = \"1\"\n"+
			"dependencies = [\"fromproject @ file://"+filepath.Join(dir, file)+"\"]\n")
		env, err := New(Options{Home: t.TempDir(), UV: uv, Environ: offline()}).Build(t.Context(), Request{Dir: dir, Python: system(t)})
		if err != nil {
			t.Fatal(err)
		}
		if got := runs(t, env, "import fromproject; print(fromproject.VERSION)"); got != "1.0" {
			t.Errorf("version = %s, want 1.0", got)
		}
	})
}

func TestBuildHonoursTheLockFile(t *testing.T) {
	t.Parallel()
	network(t)
	uv, dir := realUV(t), t.TempDir()
	project := "[project]\nname = \"a\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = [\"six>=1.15\"]\n"
	write(t, filepath.Join(dir, "pyproject.toml"), project+"\n[tool.uv]\nconstraint-dependencies = [\"six==1.16.0\"]\n")
	cmd := exec.CommandContext(t.Context(), uv, "lock", "--project", dir, "--python", system(t).Path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("uv lock: %v\n%s", err, out)
	}
	b := New(Options{Home: t.TempDir(), UV: uv, Environ: online()})
	env, err := b.Build(t.Context(), Request{Dir: dir, Python: system(t)})
	if err != nil {
		t.Fatal(err)
	}
	if got := runs(t, env, "import six; print(six.__version__)"); got != "1.16.0" {
		t.Errorf("six = %s, want the locked 1.16.0", got)
	}
	if _, err := os.Stat(filepath.Join(dir, ".venv")); !missing(err) {
		t.Error("the agent's folder got a .venv")
	}

	write(t, filepath.Join(dir, "pyproject.toml"), strings.Replace(project, "six>=1.15", "six>=1.17", 1))
	_, err = b.Build(t.Context(), Request{Dir: dir, Python: system(t)})
	if fe := fault.As(err); fe == nil || !strings.Contains(fe.Suggestion, "uv lock") {
		t.Errorf("err of a stale lock = %v, want it to say `uv lock`", err)
	}
}

func TestBuildSaysWhyAnInstallFailed(t *testing.T) {
	t.Parallel()
	eachInstaller(t, func(t *testing.T, uv string) {
		cases := map[string]struct{ requirements, says, todo string }{
			"unknown package": {"surely-no-such-package==9.9\n", "surely-no-such-package", ""},
			"conflict":        {"./needsold-1.0-py3-none-any.whl\n./dep-2.0-py3-none-any.whl\n", "dep", ""},
			"garbage":         {"this is not a requirement\n", "requirements.txt", ""},
		}
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				dir, home := t.TempDir(), t.TempDir()
				wheel(t, dir, "dep", "1.0", "")
				wheel(t, dir, "dep", "2.0", "")
				wheel(t, dir, "needsold", "1.0", "dep<2")
				write(t, filepath.Join(dir, "requirements.txt"), c.requirements)
				_, err := New(Options{Home: home, UV: uv, Environ: offline()}).Build(t.Context(), Request{Dir: dir, Python: system(t)})
				fe := fault.As(err)
				if fe == nil || fe.Code != fault.AgentUnavailable {
					t.Fatalf("err = %v, want AGENT_UNAVAILABLE", err)
				}
				if !strings.Contains(fe.Message, c.says) || fe.Suggestion == "" || !strings.Contains(string(fe.Details), "lines") {
					t.Errorf("message = %q\nsuggestion = %q\nwant the installer's lines with %q, and what to do", fe.Message, fe.Suggestion, c.says)
				}
				if left := folders(t, home); len(left) != 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		}
	})
}

func TestBuildSaysThatUVCannotBeStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "requirements.txt"), "six\n")
	_, err := New(Options{Home: t.TempDir(), UV: "/no/uv"}).Build(t.Context(), Request{Dir: dir, Python: system(t)})
	if fe := fault.As(err); fe == nil || !strings.Contains(fe.Message, "/no/uv can't be started") || !strings.Contains(fe.Suggestion, "RUNAGENT_UV") {
		t.Errorf("err = %v", err)
	}
}

func TestBuildWithoutRequirements(t *testing.T) {
	t.Parallel()
	dir, home := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "pyproject.toml"), "[tool.ruff]\nline-length = 100\n")
	in := system(t)
	env, err := New(Options{Home: home}).Build(t.Context(), Request{Dir: dir, Python: in})
	if err != nil || env.Python != in || env.Key == "" || env.Dir != "" {
		t.Errorf("Build = %+v, %v, want the interpreter itself", env, err)
	}
	if left := folders(t, home); len(left) != 0 {
		t.Errorf("made %v for nothing", left)
	}
}

func TestConcurrentBuildsInstallOnce(t *testing.T) {
	t.Parallel()
	dir, home, count := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "count")
	write(t, filepath.Join(dir, "requirements.txt"), "anything\n")
	uv := fakeUV(t, "echo installed >>'"+count+"'")
	in := system(t)

	var wg sync.WaitGroup
	var mu sync.Mutex
	fresh := 0
	for range 6 {
		wg.Go(func() {
			env, err := New(Options{Home: home, UV: uv, Environ: offline()}).Build(t.Context(), Request{Dir: dir, Python: in})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if env.Fresh {
				fresh++
			}
		})
	}
	wg.Wait()
	text, err := os.ReadFile(count)
	if err != nil || strings.Count(string(text), "installed") != 1 || fresh != 1 {
		t.Errorf("installs = %q, %v, fresh = %d, want one", text, err, fresh)
	}
}

func TestBuildCanBeCanceled(t *testing.T) {
	t.Parallel()
	dir, home, pidFile := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "pid")
	write(t, filepath.Join(dir, "requirements.txt"), "anything\n")
	uv := fakeUV(t, "sleep 300 &\necho $! >'"+pidFile+"'\necho started\nwait")
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	b := New(Options{Home: home, UV: uv, Environ: offline(), Progress: func(line string) {
		if line == "started" {
			cancel(enough)
		}
	}})
	if _, err := b.Build(ctx, Request{Dir: dir, Python: system(t)}); !errors.Is(err, enough) {
		t.Fatalf("err = %v, want the cause of the end", err)
	}
	if left := folders(t, home); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	waitDead(t, pidFile)
}

func TestBuildWaitsForAnotherProcessOnlyWhileCtxLives(t *testing.T) {
	t.Parallel()
	dir, home := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "requirements.txt"), "anything\n")
	req := Request{Dir: dir, Python: system(t)}
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	b := New(Options{Home: home, UV: "/unused", Progress: func(line string) {
		if strings.Contains(line, "another process") {
			cancel(enough)
		}
	}})
	p, err := b.plan(req)
	if err != nil {
		t.Fatal(err)
	}
	held, err := New(Options{Home: home}).lock(t.Context(), p.key, p.tell)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if _, err := b.Build(ctx, req); !errors.Is(err, enough) {
		t.Errorf("err = %v, want the cause of the end", err)
	}
}

// TestKillInTheMiddle ends a building process as `kill -9` does: its installer
// must end too, and the next build start over.
func TestKillInTheMiddle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pidFile, home, agent := filepath.Join(dir, "pid"), filepath.Join(dir, "home"), filepath.Join(dir, "agent")
	write(t, filepath.Join(agent, "requirements.txt"), "anything\n")
	stuck := fakeUV(t, "echo $$ >'"+pidFile+".new'; mv '"+pidFile+".new' '"+pidFile+"'\nexec sleep 300")

	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(offline(), "BUILD_AND_BE_KILLED="+dir, "BUILD_UV="+stuck)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the installer to start", func() bool { _, err := os.Stat(pidFile); return err == nil })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"
	if left := folders(t, home); len(left) != 1 {
		t.Fatalf("folders = %v, want the half-made one", left)
	}
	waitDead(t, pidFile)

	b := New(Options{Home: home, UV: fakeUV(t, "echo fine"), Environ: offline()})
	env, err := b.Build(t.Context(), Request{Dir: agent, Python: system(t)})
	if err != nil || !env.Fresh {
		t.Fatalf("Build afterwards = %+v, %v, want a fresh one", env, err)
	}
	if got := runs(t, env, "print('works')"); got != "works" {
		t.Errorf("the environment says %q", got)
	}
}

func TestBuildStartsOverWhenTheInterpreterIsGone(t *testing.T) {
	t.Parallel()
	dir, home := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "requirements.txt"), "anything\n")
	b := New(Options{Home: home, UV: fakeUV(t, ":"), Environ: offline()})
	req := Request{Dir: dir, Python: system(t)}
	env, err := b.Build(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(env.Python.Path); err != nil {
		t.Fatal(err)
	}
	if env, err = b.Build(t.Context(), req); err != nil || !env.Fresh {
		t.Errorf("Build = %+v, %v, want a fresh one", env, err)
	}
}

func TestInstallEnvDropsWhatMisleads(t *testing.T) {
	t.Parallel()
	got := New(Options{Environ: []string{"PIP_TARGET=/x", "VIRTUAL_ENV=/y", "PIP_INDEX_URL=z", "HOME=/h"}}).installEnv(&plan{}, "/env", "/env.tmp")
	for _, want := range []string{"PIP_INDEX_URL=z", "HOME=/h", "UV_PROJECT_ENVIRONMENT=/env"} {
		if !slices.Contains(got, want) {
			t.Errorf("installEnv lacks %s: %q", want, got)
		}
	}
	for _, entry := range got {
		if strings.HasPrefix(entry, "PIP_TARGET") || strings.HasPrefix(entry, "VIRTUAL_ENV") {
			t.Errorf("installEnv holds %s", entry)
		}
	}
}

// waitDead waits until the process whose id is in the file has ended.
func waitDead(t testing.TB, pidFile string) {
	t.Helper()
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the installer to end", func() bool {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err == nil {
			return strings.Contains(string(stat), ") Z ") // ended, its parent has not looked
		}
		return syscall.Kill(pid, 0) != nil
	})
}

// waitFor polls, since no signal comes from a process that is not our child.
func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-poll.C:
		}
	}
}
