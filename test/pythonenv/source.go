package pythonenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// unpack finds the one archive of a folder and unpacks it into another.
const unpack = `
import glob, shutil, sys
archive, = glob.glob(sys.argv[1] + "/*")
shutil.unpack_archive(archive, sys.argv[2], "zip" if archive.endswith((".whl", ".zip")) else None)
`

// Unpacked returns a folder that holds what is in a published package: of its
// source distribution if source is set, else of its wheel. The package is
// pinned to a version and to a hash ("sha256:…"). As For, it downloads only if
// it may, and once.
func Unpacked(t testing.TB, pin, hash string, source bool) string {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, ".tools", "packages", strings.ReplaceAll(pin, "==", "-"))
	release, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if os.Getenv("RUNAGENT_TEST_NETWORK") == "" {
		t.Skipf("%s: %v: set RUNAGENT_TEST_NETWORK=1 to download", pin, errAbsent)
	}
	if err := download(root, dir, pin, hash, source); err != nil {
		t.Fatal(err)
	}
	return dir
}

// download leaves dir whole or not at all.
func download(root, dir, pin, hash string, source bool) error {
	work, err := os.MkdirTemp(filepath.Dir(dir), "download-")
	if err != nil {
		return fmt.Errorf("make a folder for %s: %w", pin, err)
	}
	defer os.RemoveAll(work)
	list := filepath.Join(work, "requirements.txt")
	if err := os.WriteFile(list, []byte(pin+" --hash="+hash+"\n"), 0o644); err != nil {
		return fmt.Errorf("write the requirement of %s: %w", pin, err)
	}
	form := "--only-binary"
	if source {
		form = "--no-binary"
	}
	python, archives, whole := withPip(root), filepath.Join(work, "archives"), filepath.Join(work, "whole")
	for _, argv := range [][]string{
		{python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", form, ":all:", "-r", list, "-d", archives},
		{python, "-c", unpack, archives, whole},
	} {
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("get %s for tests: %w\n%s", pin, err, out)
		}
	}
	if err := os.Rename(whole, dir); err != nil {
		return fmt.Errorf("keep %s: %w", pin, err)
	}
	return nil
}

// withPip is a Python that has pip: the one that uv was installed by, else the
// system's.
func withPip(root string) string {
	if python := filepath.Join(root, ".tools", "uv", "bin", "python"); exec.Command(python, "-m", "pip", "--version").Run() == nil {
		return python
	}
	return "python3"
}
