package build

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/runagent/runagent/internal/build/bounds"
	"github.com/runagent/runagent/internal/fault"
)

// index serves the packages in dir to who has the credentials.
func index(t testing.TB, dir, user, password string) string {
	t.Helper()
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="index"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// deployed is a Builder of a platform.
func deployed(t testing.TB, home string, told *lines, environ ...string) *Builder {
	t.Helper()
	o := Options{Home: home, UV: realUV(t), Environ: append(offline()[:2:2], environ...), Deployed: true, Slots: 1}
	if told != nil {
		o.Progress = told.tell
	}
	b := New(o)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// shelf is an index without credentials: a folder per package.
func shelf(t testing.TB, wheels ...[3]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, w := range wheels {
		folder := filepath.Join(dir, w[0])
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		wheel(t, folder, w[0], w[1], w[2])
	}
	return dir
}

func TestWhatIsNotLockedIsLockedOnceAndKept(t *testing.T) {
	t.Parallel()
	packages := shelf(t, [3]string{"onething", "1.0", ""})
	links := "UV_FIND_LINKS=" + filepath.Join(packages, "onething")
	home, dir := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "requirements.txt"), "--no-index\nonething\n")
	req := Request{Dir: dir, Python: system(t)}
	b := deployed(t, home, nil, links)
	first, err := b.Build(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile(LockFile(home, first.Lock))
	if err != nil || !strings.Contains(string(lock), "onething==1.0") || !strings.Contains(string(lock), "--hash=sha256:") {
		t.Fatalf("lock %q, %v", lock, err)
	}

	// A newer version comes out: who asks for the same has the same.
	wheel(t, filepath.Join(packages, "onething"), "onething", "2.0", "")
	again, err := b.Build(t.Context(), req)
	if err != nil || again.Fresh || again.Key != first.Key || again.Lock != first.Lock {
		t.Errorf("second Build = %+v, %v", again, err)
	}
	// Requirements that are asked for anew get it, and the revision before
	// keeps its own, also when its environment was removed.
	write(t, filepath.Join(dir, "requirements.txt"), "--no-index\nonething >= 1\n")
	newer, err := b.Build(t.Context(), req)
	if err != nil || runs(t, newer, "import onething; print(onething.VERSION)") != "2.0" {
		t.Fatalf("Build of other requirements = %+v, %v", newer, err)
	}
	write(t, filepath.Join(dir, "requirements.txt"), "--no-index\nonething\n")
	if err := os.RemoveAll(filepath.Join(home, "envs")); err != nil {
		t.Fatal(err)
	}
	req.Lock = first.Lock
	rebuilt, err := deployed(t, home, nil, links).Build(t.Context(), req)
	if err != nil || !rebuilt.Fresh || rebuilt.Key != first.Key || runs(t, rebuilt, "import onething; print(onething.VERSION)") != "1.0" {
		t.Errorf("rebuilt %+v, %v", rebuilt, err)
	}
	// What is another package under the same name is not installed.
	if err := os.RemoveAll(filepath.Join(home, "envs")); err != nil {
		t.Fatal(err)
	}
	wheel(t, filepath.Join(packages, "onething"), "onething", "1.0", "somethingelse")
	if _, err := deployed(t, home, nil, links, "UV_NO_CACHE=1").Build(t.Context(), req); err == nil ||
		!strings.Contains(err.Error(), "ash") {
		t.Errorf("a package that was changed: %v", err)
	}
}

func TestRequirementsThatAreLockedAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	packages := shelf(t, [3]string{"onething", "1.0", ""})
	dir, home := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "requirements.txt"), "--no-index\nonething==1.0 --hash=sha256:"+strings.Repeat("0", 64)+"\n")
	b := deployed(t, home, nil, "UV_FIND_LINKS="+filepath.Join(packages, "onething"))
	_, err := b.Build(t.Context(), Request{Dir: dir, Python: system(t)})
	if fault.CodeOf(err) != fault.AgentUnavailable || !strings.Contains(err.Error(), "ash") {
		t.Errorf("a wrong hash: %v", err)
	}
}

func TestPrivateIndexesAndRepositories(t *testing.T) {
	t.Parallel()
	const token = "hush-hush-token"
	packages := shelf(t, [3]string{"privpkg", "1.0", ""})
	host := index(t, packages, "me", token)
	repo := repository(t)
	dir, home, told := t.TempDir(), t.TempDir(), &lines{}
	write(t, filepath.Join(dir, "requirements.txt"),
		"--index-url http://${IDX_USER}:${IDX_TOKEN}@"+host+"\nprivpkg\ngitpkg @ git+file://${REPOSITORY}\n")
	req := Request{Dir: dir, Python: system(t), Agent: "one"}
	b := deployed(t, home, told)

	req.Vars = map[string]string{"IDX_USER": "me", "IDX_TOKEN": "wrong-wrong", "REPOSITORY": repo}
	_, err := b.Build(t.Context(), req)
	if f := fault.As(err); f == nil || !strings.Contains(f.Suggestion, "runagent secrets set") {
		t.Fatalf("wrong credentials: %v", err)
	}
	// Others are something else: it is tried again.
	req.Vars = map[string]string{"IDX_USER": "me", "IDX_TOKEN": token, "REPOSITORY": repo, "OPENAI_API_KEY": "not-for-builds"}
	env, err := b.Build(t.Context(), req)
	if err != nil || runs(t, env, "import privpkg, gitpkg; print(privpkg.VERSION, gitpkg.VERSION)") != "1.0 3" {
		t.Fatalf("%+v, %v", env, err)
	}
	lock, err := os.ReadFile(LockFile(home, env.Lock))
	if err != nil || !strings.Contains(string(lock), "${IDX_TOKEN}@") || !strings.Contains(string(lock), "gitpkg @ git+file://${REPOSITORY}@") {
		t.Errorf("lock %q, %v: it names the commit, and no value of a variable", lock, err)
	}
	if strings.Contains(told.String()+string(lock), token) {
		t.Errorf("the token was shown:\n%s\n%s", told, lock)
	}
	// Another agent without the credentials has no part in it.
	if _, err := b.Build(t.Context(), Request{Dir: dir, Python: req.Python, Agent: "two"}); err == nil {
		t.Error("who has no credentials got the environment")
	}
}

// repository is one of git's with a package.
func repository(t testing.TB) string {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not there")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "gitpkg.py"), "VERSION = 3\n")
	write(t, filepath.Join(dir, "pyproject.toml"), backend+"[project]\nname = \"gitpkg\"\nversion = \"3\"\n")
	write(t, filepath.Join(dir, "backend.py"), backendSource)
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "x"}} {
		if out, err := exec.CommandContext(t.Context(), git, append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	return dir
}

// backend is a build system that needs no other package.
const backend = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n"

// backendSource makes a wheel of the one module whose name the project has.
const backendSource = `
import pathlib, re, zipfile
def project():
    text = pathlib.Path("pyproject.toml").read_text()
    return re.search(r'name = "(\w+)"', text)[1], re.search(r'version = "(.+)"', text)[1]
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name, version = project()
    info = f"{name}-{version}.dist-info"
    file = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder, file), "w") as z:
        z.write(name + ".py")
        z.writestr(info + "/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        z.writestr(info + "/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(info + "/RECORD", "")
    return file
build_editable = build_wheel
`

func TestLocalPackagesLieInTheFolderAndAreCopied(t *testing.T) {
	t.Parallel()
	home, parent := t.TempDir(), t.TempDir()
	dir := filepath.Join(parent, "agent")
	for _, where := range []string{filepath.Join(dir, "vendor", "mypkg"), filepath.Join(parent, "mypkg")} {
		write(t, filepath.Join(where, "mypkg.py"), "VERSION = 7\n")
		write(t, filepath.Join(where, "pyproject.toml"), backend+"[project]\nname = \"mypkg\"\nversion = \"7\"\n")
		write(t, filepath.Join(where, "backend.py"), backendSource)
	}
	b := deployed(t, home, nil)
	req := Request{Dir: dir, Python: system(t)}
	for name, text := range map[string]string{
		"requirements.txt": "--no-index\n-e ./vendor/mypkg\n",
		"pyproject.toml":   "[project]\nname = \"a\"\nversion = \"1\"\ndependencies = [\"mypkg\"]\n[tool.uv.sources]\nmypkg = { path = \"vendor/mypkg\", editable = true }\n",
	} {
		write(t, filepath.Join(dir, name), text)
		env, err := b.Build(t.Context(), req)
		if err != nil || !strings.HasPrefix(runs(t, env, "import mypkg; print(mypkg.__file__)"), env.Dir) {
			t.Errorf("%s: %+v, %v: the package is not copied", name, env, err)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"../mypkg": "-e ../mypkg\n", "../mypkg[x]": "../mypkg[x]\n", "-r ../base.txt": "-r ../base.txt\n", "-c /etc/passwd": "-c /etc/passwd\n",
		"mypkg @ file:///etc": "mypkg @ file:///etc\n", "./vendor/../../mypkg": "./vendor/../../mypkg\n",
		"mypkg @ git+file:///srv/mypkg@main": "mypkg @ git+file:///srv/mypkg@main\n", "-e git+file:///srv/mypkg#egg=mypkg": "-e git+file:///srv/mypkg#egg=mypkg\n",
	} {
		write(t, filepath.Join(dir, "requirements.txt"), text)
		if _, err := b.Build(t.Context(), req); fault.CodeOf(err) != fault.Validation || !strings.Contains(err.Error(), `"`+name+`" leads out of the agent's folder`) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "requirements.txt")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"mypkg @ git+file:///srv/mypkg": "[project]\nname = \"a\"\nversion = \"1\"\ndependencies = [\"mypkg @ git+file:///srv/mypkg\"]\n",
		"mypkg = file:///srv/mypkg":     "[project]\nname = \"a\"\nversion = \"1\"\ndependencies = [\"mypkg\"]\n[tool.uv.sources]\nmypkg = { git = \"file:///srv/mypkg\", rev = \"main\" }\n",
	} {
		write(t, filepath.Join(dir, "pyproject.toml"), text)
		if _, err := b.Build(t.Context(), req); fault.CodeOf(err) != fault.Validation || !strings.Contains(err.Error(), `"`+name+`" leads out of the agent's folder`) {
			t.Errorf("%s: %v", name, err)
		}
	}
	write(t, filepath.Join(dir, "pyproject.toml"), "[project]\nname = \"a\"\nversion = \"1\"\n")
	write(t, filepath.Join(dir, "uv.lock"), "version = 1\n[[package]]\nname = \"mypkg\"\nversion = \"7\"\nsource = { directory = \"../mypkg\" }\n")
	if _, err := b.Build(t.Context(), req); err == nil || !strings.Contains(err.Error(), "mypkg = ../mypkg") {
		t.Errorf("a lock that leads out: %v", err)
	}
	write(t, filepath.Join(dir, "uv.lock"), "version = 1\n[[package]]\nname = \"mypkg\"\nversion = \"7\"\nsource = { git = \"file:///srv/mypkg?rev=main#0a\" }\n")
	if _, err := b.Build(t.Context(), req); err == nil || !strings.Contains(err.Error(), "mypkg = file:///srv/mypkg") {
		t.Errorf("a lock with a repository that leads out: %v", err)
	}
}

func TestPipInstallsNothingInPlaceOnAPlatform(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "vendor", "setup.py"), "")
	write(t, filepath.Join(dir, "requirements.txt"), "-e ./vendor\n")
	b := New(Options{Home: t.TempDir(), Environ: offline(), Deployed: true})
	defer b.Close()
	if _, err := b.Build(t.Context(), Request{Dir: dir, Python: system(t)}); fault.CodeOf(err) != fault.Validation || !strings.Contains(err.Error(), `"./vendor" is to be installed in place`) {
		t.Errorf("got %v", err)
	}
}

func TestWhatCannotBeMetIsNotTriedTwice(t *testing.T) {
	t.Parallel()
	home, dir := t.TempDir(), t.TempDir()
	packages := shelf(t, [3]string{"one", "1.0", "two<2"}, [3]string{"two", "2.0", ""})
	find := []string{"UV_FIND_LINKS=" + filepath.Join(packages, "one") + "," + filepath.Join(packages, "two")}
	write(t, filepath.Join(dir, "requirements.txt"), "--no-index\none\ntwo>=2\n")
	req := Request{Dir: dir, Python: system(t)}
	_, err := deployed(t, home, nil, find...).Build(t.Context(), req)
	if err == nil || !strings.Contains(err.Error(), "one") {
		t.Fatalf("conflicting requirements: %v", err)
	}
	told := &lines{}
	b := deployed(t, home, told, find...) // after a restart, too
	if _, err := b.Build(t.Context(), req); err == nil || !strings.Contains(err.Error(), "nothing has changed since") || told.String() != "" {
		t.Errorf("the second time: %v; it told %q", err, told)
	}
	req.Again = true
	if _, err := b.Build(t.Context(), req); err == nil || strings.Contains(err.Error(), "nothing has changed since") {
		t.Errorf("when asked to try again: %v", err)
	}
	req.Again = false
	write(t, filepath.Join(dir, "requirements.txt"), "--no-index\none\ntwo<2\n")
	wheel(t, filepath.Join(packages, "two"), "two", "1.0", "")
	if _, err := b.Build(t.Context(), req); err != nil {
		t.Errorf("after a change: %v", err)
	}
}

func TestInstallationsAreBounded(t *testing.T) {
	t.Parallel()
	const ends = "; wait"
	for name, try := range map[string]struct {
		bounds  bounds.Bounds
		install string
		says    string
	}{
		"time": {bounds.Bounds{Time: 2 * time.Second}, "sleep 100 & echo $! > \"$HOME/pid\"" + ends, "took longer than 2s"},
		"time of the interpreter": {bounds.Bounds{Time: 2 * time.Second},
			"for lib in \"${TMPDIR%.tmp}\"/lib/python3*/site-packages; do echo 'import time; time.sleep(100)' > \"$lib/slow.pth\"; done", "took longer than 2s"},
		"memory": {bounds.Bounds{Memory: 64 << 20}, "'" + system(t).Path + "' -c 'x = b\"1\" * (200 << 20); import time; time.sleep(100)' & echo $! > \"$HOME/pid\"" + ends, "more than 64 MiB of memory"},
		"disk":   {bounds.Bounds{Disk: 30 << 20}, "dd if=/dev/zero of=\"$TMPDIR/big\" bs=1M count=40 2>/dev/null; sleep 100 & echo $! > \"$HOME/pid\"" + ends, "more than 30 MiB of disk"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home, dir := t.TempDir(), t.TempDir()
			write(t, filepath.Join(dir, "requirements.txt"), "x==1 --hash=sha256:00\n")
			b := New(Options{Home: home, UV: fakeUV(t, try.install), Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}, Deployed: true, Bounds: try.bounds})
			defer b.Close()
			_, err := b.Build(t.Context(), Request{Dir: dir, Python: system(t)})
			if f := fault.As(err); f == nil || !strings.Contains(err.Error(), try.says) || !strings.Contains(f.Suggestion, "runagent platform start") {
				t.Errorf("got %v", err)
			}
			pid := filepath.Join(home, "pid")
			if _, err := os.Stat(pid); err == nil || try.bounds.Time == 0 { // on a slow machine the time may be up before it is written
				waitDead(t, pid)
			}
			if left := folders(t, home); len(left) > 0 {
				t.Errorf("left %q", left)
			}
		})
	}
}

func TestAReadyEnvironmentWaitsForNoSlot(t *testing.T) {
	t.Parallel()
	home, dir, other := t.TempDir(), t.TempDir(), t.TempDir()
	begun, release := filepath.Join(home, "begun"), filepath.Join(home, "release")
	if err := syscall.Mkfifo(release, 0o600); err != nil {
		t.Fatal(err)
	}
	uv := fakeUV(t, "case \"$*\" in *wait*) : > '"+begun+"'; read x < '"+release+"';; esac")
	b := New(Options{Home: home, UV: uv, Environ: offline(), Deployed: true, Slots: 1})
	defer b.Close()
	write(t, filepath.Join(dir, "requirements.txt"), "x==1 --hash=sha256:00\n")
	write(t, filepath.Join(other, "wait.txt"), "y==1 --hash=sha256:00\n")
	req := Request{Dir: dir, Python: system(t)}
	if _, err := b.Build(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	built := make(chan error, 1)
	go func() {
		_, err := b.Build(t.Context(), Request{Dir: other, Requirements: "wait.txt", Python: req.Python})
		built <- err
	}()
	for _, err := os.Stat(begun); err != nil; _, err = os.Stat(begun) {
		select {
		case err := <-built:
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if env, err := b.Build(t.Context(), req); err != nil || env.Fresh {
		t.Errorf("%+v, %v: what is ready had to wait", env, err)
	}
	// Another installation waits, and may be given up.
	write(t, filepath.Join(dir, "third.txt"), "z==1 --hash=sha256:00\n")
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	third := Request{Dir: dir, Requirements: "third.txt", Python: req.Python, Progress: func(line string) {
		if strings.Contains(line, "waiting until one of the 1 environments") {
			cancel(enough)
		}
	}}
	if _, err := b.Build(ctx, third); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(release, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-built; err != nil {
		t.Error(err)
	}
}

func TestEnvironmentsShareTheirFilesByHardLinks(t *testing.T) {
	t.Parallel()
	home, packages := t.TempDir(), shelf(t, [3]string{"onething", "1.0", ""}, [3]string{"two", "1.0", ""})
	b := deployed(t, home, nil, "UV_FIND_LINKS="+filepath.Join(packages, "onething")+","+filepath.Join(packages, "two"))
	var inode []uint64
	for _, text := range []string{"--no-index\nonething\n", "--no-index\nonething\ntwo\n"} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "requirements.txt"), text)
		env, err := b.Build(t.Context(), Request{Dir: dir, Python: system(t)})
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(runs(t, env, "import onething; print(onething.__file__)"))
		if err != nil {
			t.Fatal(err)
		}
		inode = append(inode, info.Sys().(*syscall.Stat_t).Ino)
	}
	if inode[0] != inode[1] {
		t.Errorf("two environments hold two copies of a file: inodes %v", inode)
	}
}

func TestPackagesAreFoundInTheFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "agent")
	wheels := filepath.Join(dir, "wheels")
	if err := os.MkdirAll(wheels, 0o755); err != nil {
		t.Fatal(err)
	}
	wheel(t, wheels, "mine", "1.0", "")
	b, req := deployed(t, t.TempDir(), nil), Request{Dir: dir, Python: system(t)}
	write(t, filepath.Join(dir, "requirements.txt"), "--no-index\n--find-links ./wheels\nmine\n")
	env, err := b.Build(t.Context(), req)
	if err != nil || runs(t, env, "import mine; print(mine.VERSION)") != "1.0" {
		t.Fatalf("%+v, %v", env, err)
	}
	// What lies there is part of what is required.
	wheel(t, wheels, "mine", "2.0", "")
	env, err = b.Build(t.Context(), req)
	if err != nil || runs(t, env, "import mine; print(mine.VERSION)") != "2.0" {
		t.Fatalf("%+v, %v", env, err)
	}
	// The lock of a revision finds it again, in another copy of the folder.
	req.Lock, req.Dir = env.Lock, filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(req.Dir, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	other := deployed(t, t.TempDir(), nil)
	if err := os.CopyFS(filepath.Join(other.o.Home, "locks"), os.DirFS(filepath.Join(b.o.Home, "locks"))); err != nil {
		t.Fatal(err)
	}
	env, err = other.Build(t.Context(), req)
	if err != nil || env.Lock != req.Lock || runs(t, env, "import mine; print(mine.VERSION)") != "2.0" {
		t.Fatalf("%+v, %v", env, err)
	}
	for _, place := range []string{"-f ../wheels", "--find-links=/tmp", "--find-links file:///tmp", "-i ../simple", "--extra-index-url=file:///srv/simple"} {
		write(t, filepath.Join(dir, "requirements.txt"), place+"\nmine\n")
		if _, err := b.Build(t.Context(), Request{Dir: dir, Python: req.Python}); fault.CodeOf(err) != fault.Validation || !strings.Contains(err.Error(), `"`+place+`" leads out of the agent's folder`) {
			t.Errorf("%s: %v", place, err)
		}
	}
}
