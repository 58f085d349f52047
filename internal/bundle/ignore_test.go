package bundle

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// patterns and paths are asked of git as well.
var (
	patterns = []string{
		"*.log", "/out", "out/", "a/b", "a/**", "**/b", "a/**/b", "!keep.log", `\#x`, "# comment", `\!x`, "x ", `x\ `,
		"[a-c].py", "[!a-c].py", "[^a]", "?x", "a*b", "**", "*", "dir/*.txt", "/", "//", "a//b", "[", "[]a]", "[[:digit:]]x",
		`a\*b`, "größe", "?röße", "a.b", "(a)", "a+b", "**.py", "a**b", "/a/", "!/a/x", `\`, "[z-a]", "a/**/", "*/x",
	}
	paths = []string{
		"a", "b", "x", "out", "a/b", "a/x", "a/b/c", "a/x/b", "keep.log", "x.log", "d/x.log", "d/out", "#x", "!x", "x ",
		"a.py", "d.py", "d/a.py", "ax", "1x", "aXb", "dir/a.txt", "dir/e/a.txt", "]", "a*b", "größe", "d/größe", "aXbX", "a+b", "(a)",
	}
)

// TestRulesAgreeWithGit asks git about each pattern and path. Which paths are
// folders git sees on disk: those with something below.
func TestRulesAgreeWithGit(t *testing.T) {
	t.Parallel()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not there to be asked")
	}
	dir := t.TempDir()
	run := func(stdin string, args ...string) string {
		cmd := exec.Command(git, append([]string{"-C", dir, "-c", "core.excludesFile=/dev/null", "-c", "core.quotePath=false"}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		out, _ := cmd.Output() // 1 where nothing is ignored
		return string(out)
	}
	run("", "init", "-q")
	for _, p := range paths {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(p)), 0o755); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Join(dir, p)); err == nil && info.IsDir() {
			continue
		}
		for _, other := range paths {
			if strings.HasPrefix(other, p+"/") {
				if err := os.MkdirAll(filepath.Join(dir, p), 0o755); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := os.Stat(filepath.Join(dir, p)); err != nil {
			if err := os.WriteFile(filepath.Join(dir, p), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, pattern := range patterns {
		if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte(pattern+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		said := strings.Split(run(strings.Join(paths, "\x00")+"\x00", "check-ignore", "-z", "--stdin", "--no-index"), "\x00")
		for _, p := range paths {
			want := false
			for _, s := range said {
				want = want || s == p
			}
			if got := ignored(dir, pattern, p); got != want {
				t.Errorf("pattern %q, path %q: ignored = %v, git says %v", pattern, p, got, want)
			}
		}
	}
}

// ignored asks as the walk does: a file below an ignored folder is ignored.
func ignored(dir, pattern, p string) bool {
	var none *rules
	r := none.below("", pattern)
	parts := strings.Split(p, "/")
	for i := range parts {
		part := strings.Join(parts[:i+1], "/")
		info, err := os.Stat(filepath.Join(dir, part))
		if r.ignores(part, err == nil && info.IsDir()) {
			return true
		}
	}
	return false
}

func TestTheLastRuleDecides(t *testing.T) {
	t.Parallel()
	var none *rules
	root := none.below("", "\ufeff*.log\r\n!keep.log\n")
	sub := root.below("sub/", "keep.log\n!/x.log\n")
	if root.ignores("keep.log", false) || !root.ignores("a.log", false) {
		t.Error("the root's own rules are not kept")
	}
	for path, want := range map[string]bool{
		"sub/a.log": true, "sub/keep.log": true, "sub/x.log": false, "sub/d/x.log": true, "sub/y.txt": false,
	} {
		if got := sub.ignores(path, false); got != want {
			t.Errorf("%s: ignored = %v, want %v", path, got, want)
		}
	}
}

func FuzzRules(f *testing.F) {
	for _, p := range patterns {
		f.Add(p, "a/b")
	}
	f.Fuzz(func(_ *testing.T, text, path string) {
		var none *rules
		none.below("", text).ignores(path, false)
	})
}
