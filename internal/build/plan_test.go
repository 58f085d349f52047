package build

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/runtime/python"
)

var some = &python.Interpreter{Path: "/usr/bin/python3", Version: python.Version{Major: 3, Minor: 11, Micro: 7}, Platform: "cpython-311-linux-x86_64", Base: "/usr/bin/python3.11"}

// keyOf returns the key for dir, failing the test on an error.
func keyOf(t testing.TB, dir string) string {
	t.Helper()
	p, err := New(Options{Home: "/h", UV: "/uv"}).plan(Request{Dir: dir, Python: some})
	if err != nil {
		t.Fatal(err)
	}
	return p.key
}

func TestKeyFollowsWhatDecides(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "requirements.txt"), "-r base.txt\n--constraint=pins/c.txt\n./pkg[fast] ; python_version > '3'\n-e ./live\nhere @ file:./one.whl\n")
	write(t, filepath.Join(dir, "base.txt"), "six\n-r requirements.txt\n-r https://127.0.0.1/x.txt\n")
	write(t, filepath.Join(dir, "pins", "c.txt"), "six==1.16.0\n")
	write(t, filepath.Join(dir, "pkg", "pyproject.toml"), "[project]\nname='pkg'\n")
	write(t, filepath.Join(dir, "pkg", "pkg.py"), "x = 1\n")
	write(t, filepath.Join(dir, "pkg", "build", "pkg.py"), "x = 1\n")
	write(t, filepath.Join(dir, "live", "setup.py"), "setup()\n")
	write(t, filepath.Join(dir, "live", "live.py"), "x = 1\n")
	write(t, filepath.Join(dir, "one.whl"), "zip")

	before := keyOf(t, dir)
	if again := keyOf(t, dir); again != before {
		t.Fatalf("the key changes by itself: %s, %s", before, again)
	}
	for _, file := range []string{"live/live.py", "agent.py", "pkg/__pycache__/pkg.pyc", "pkg/.git/HEAD", "pkg/build/lib/pkg.py", "pkg/build/bdist.linux-x86_64/x"} {
		write(t, filepath.Join(dir, file), "something else\n")
		if got := keyOf(t, dir); got != before {
			t.Errorf("the key changed with %s, which decides nothing", file)
		}
	}
	for _, file := range []string{"requirements.txt", "base.txt", "pins/c.txt", "pkg/pkg.py", "pkg/build/pkg.py", "live/setup.py", "one.whl"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, file), string(text)+"\n# more\n")
		after := keyOf(t, dir)
		if after == before {
			t.Errorf("the key did not change with %s", file)
		}
		before = after
	}
}

// TestKeyFollowsLocalPackagesOfProjects checks what a pyproject.toml takes from
// the disk, outside the folder too.
func TestKeyFollowsLocalPackagesOfProjects(t *testing.T) {
	t.Parallel()
	for _, lock := range []bool{false, true} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "agent")
		write(t, filepath.Join(dir, "pyproject.toml"), `[project]
name = "a"
dependencies = ["six", "wheel @ file://`+parent+`/w.whl", "common", "live", "tool"]
[tool.uv.sources]
common = { path = "../common" }
live = { path = "../live", editable = true }
tool = [{ path = "../tool", marker = "os_name == 'posix'" }, { git = "https://127.0.0.1/x" }]
`)
		if lock {
			write(t, filepath.Join(dir, "uv.lock"), "")
		}
		for _, file := range []string{"w.whl", "common/common.py", "live/pyproject.toml", "live/live.py", "tool/tool.py"} {
			write(t, filepath.Join(parent, file), "first")
		}
		before := keyOf(t, dir)
		write(t, filepath.Join(parent, "live", "live.py"), "read in place")
		if got := keyOf(t, dir); got != before {
			t.Errorf("lock %v: the key changed with code that is read in place", lock)
		}
		for _, file := range []string{"w.whl", "common/common.py", "live/pyproject.toml", "tool/tool.py"} {
			write(t, filepath.Join(parent, file), "second")
			after := keyOf(t, dir)
			if after == before {
				t.Errorf("lock %v: the key did not change with %s", lock, file)
			}
			before = after
		}
	}
}

func TestIncluded(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "agent")
	write(t, filepath.Join(dir, "requirements.txt"), "-r ../base.txt\n-c pins.txt\n-r gone.txt\n")
	write(t, filepath.Join(dir, "pins.txt"), "")
	write(t, filepath.Join(parent, "base.txt"), "six\n")
	write(t, filepath.Join(parent, "project", "pyproject.toml"), "[project]\n")
	for _, c := range []struct {
		dir, named string
		want       []string
	}{
		{dir, "", []string{dir + "/gone.txt", dir + "/pins.txt", dir + "/requirements.txt", parent + "/base.txt"}},
		{dir, "later.txt", []string{dir + "/later.txt"}},
		{parent + "/project", "", []string{parent + "/project/pyproject.toml"}},
		{parent, "", nil},
	} {
		if got := Included(c.dir, c.named); !slices.Equal(got, c.want) {
			t.Errorf("Included(%s, %q) = %v, want %v", c.dir, c.named, got, c.want)
		}
	}
}

func TestKeyTellsInterpretersAndInstallersApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "requirements.txt"), "six\n")
	keys := map[string]string{}
	for name, c := range map[string]struct {
		uv string
		in python.Interpreter
	}{
		"plain":    {"", *some},
		"uv":       {"/uv", *some},
		"version":  {"", python.Interpreter{Version: python.Version{Major: 3, Minor: 12}, Platform: some.Platform, Base: some.Base}},
		"platform": {"", python.Interpreter{Version: some.Version, Platform: "cpython-311-darwin-arm64", Base: some.Base}},
		"base":     {"", python.Interpreter{Version: some.Version, Platform: some.Platform, Base: "/opt/python"}},
	} {
		p, err := New(Options{UV: c.uv}).plan(Request{Dir: dir, Python: &c.in})
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := keys[p.key]; taken {
			t.Errorf("%s and %s have one key", name, other)
		}
		keys[p.key] = name
	}
}

func TestPlanChooses(t *testing.T) {
	t.Parallel()
	project := "[project]\nname='a'\n"
	cases := map[string]struct {
		files map[string]string
		named string
		kind  kind
		file  string
	}{
		"none":                {nil, "", nothing, ""},
		"requirements first":  {map[string]string{"requirements.txt": "", "pyproject.toml": project, "uv.lock": ""}, "", requirements, "requirements.txt"},
		"lock before project": {map[string]string{"pyproject.toml": project, "uv.lock": ""}, "", locked, "uv.lock"},
		"project":             {map[string]string{"pyproject.toml": "\n [ project ]\n"}, "", ofProject, "pyproject.toml"},
		"tools only":          {map[string]string{"pyproject.toml": "[tool.black]\n"}, "", nothing, "pyproject.toml"},
		"named":               {map[string]string{"requirements.txt": "", "deps/prod.txt": ""}, "deps/prod.txt", requirements, "deps/prod.txt"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range c.files {
				write(t, filepath.Join(dir, file), text)
			}
			p, err := New(Options{UV: "/uv"}).plan(Request{Dir: dir, Requirements: c.named, Python: some})
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(dir, c.file); p.kind != c.kind || (c.file != "" && p.file != want) {
				t.Errorf("plan = %s of %s, want %s of %s", p.kind, p.file, c.kind, c.file)
			}
		})
	}
}

// ofProject is project, a name that a test shadows.
const ofProject = project

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		files      map[string]string
		named, say string
	}{
		"named file missing":   {nil, "nope.txt", `names requirements "nope.txt"`},
		"include missing":      {map[string]string{"requirements.txt": "-r gone.txt\n"}, "", "can't read requirements gone.txt"},
		"local path missing":   {map[string]string{"requirements.txt": "six\n../other/pkg\n"}, "", `requirement "../other/pkg" means the local path`},
		"editable missing":     {map[string]string{"requirements.txt": "-e ./gone\n"}, "", `requirement "./gone" means the local path`},
		"wheel missing":        {map[string]string{"requirements.txt": "gone-1.0-py3-none-any.whl\n"}, "", "gone-1.0-py3-none-any.whl"},
		"poetry":               {map[string]string{"pyproject.toml": "[tool.poetry.dependencies]\nsix='*'\n"}, "", "Poetry"},
		"lock without uv":      {map[string]string{"pyproject.toml": "[project]\n", "uv.lock": ""}, "", "uv.lock needs uv"},
		"broken project":       {map[string]string{"pyproject.toml": "[project]\nname = a\n"}, "", "pyproject.toml:2:"},
		"sources without uv":   {map[string]string{"pyproject.toml": "[project]\n[tool.uv.sources]\na = {path = 'a'}\n"}, "", "[tool.uv.sources]"},
		"lock without project": {map[string]string{"uv.lock": ""}, "", "no pyproject.toml beside it"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range c.files {
				write(t, filepath.Join(dir, file), text)
			}
			_, err := New(Options{}).plan(Request{Dir: dir, Requirements: c.named, Python: some})
			if fe := fault.As(err); fe == nil || fe.Code != fault.Validation || !strings.Contains(fe.Message, c.say) {
				t.Errorf("err = %v, want VALIDATION_ERROR saying %q", err, c.say)
			}
		})
	}
}

func TestPlanBoundsIncludes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range maxDepth + 2 {
		write(t, filepath.Join(dir, "r"+strings.Repeat("x", i)+".txt"), "-r r"+strings.Repeat("x", i+1)+".txt\n")
	}
	write(t, filepath.Join(dir, "requirements.txt"), "-r r.txt\n")
	if _, err := New(Options{}).plan(Request{Dir: dir, Python: some}); err == nil || !strings.Contains(err.Error(), "too deeply") {
		t.Errorf("err = %v, want it to say that includes go too deep", err)
	}
}

func TestLocalRequirements(t *testing.T) {
	t.Parallel()
	r := newReader(nil, "/agent")
	for text, want := range map[string]string{
		"./pkg":                       "/agent/pkg",
		"../pkg ; os_name == 'x'":     "/pkg",
		"/abs/pkg[extra]":             "/abs/pkg",
		"libs/pkg":                    "/agent/libs/pkg",
		"a-1.0-py3-none-any.whl":      "/agent/a-1.0-py3-none-any.whl",
		"file:///abs/a%20b.whl":       "/abs/a b.whl",
		"a[x] @ file:///abs/a.whl":    "/abs/a.whl",
		"six":                         "",
		"six[all]>=1.0,<2 ; a > 'b'":  "",
		"a @ https://127.0.0.1/a.whl": "",
		"git+https://127.0.0.1/a.git": "",
		"--index-url https://x/y":     "",
		"":                            "",
	} {
		got, ok := r.local(text)
		if ok != (want != "") || ok && got != want {
			t.Errorf("local(%q) = %q, %v, want %q", text, got, ok, want)
		}
	}
}

func TestProgressOfARequestIsItsOwn(t *testing.T) {
	t.Parallel()
	var told []string
	tell := func(who string) func(string) { return func(line string) { told = append(told, who+" "+line) } }
	b := New(Options{Home: t.TempDir(), Progress: tell("all")})
	for _, progress := range []func(string){nil, tell("one")} {
		p, err := b.plan(Request{Dir: t.TempDir(), Python: &python.Interpreter{}, Progress: progress})
		if err != nil {
			t.Fatal(err)
		}
		p.tell("installs")
	}
	if want := []string{"all installs", "one installs"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
