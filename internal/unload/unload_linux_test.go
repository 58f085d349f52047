package unload

import (
	"os"
	"slices"
	"strings"
	"testing"
)

const smaps = `00400000-01018000 r-xp 00000000 fe:00 5931 /opt/run agent
Rss:               10848 kB
Anonymous:             0 kB
01018000-01db8000 r--p 00c18000 fe:00 5931 /opt/run agent
Rss:               10816 kB
Anonymous:             4 kB
01db8000-01ecb000 rw-p 019b8000 fe:00 5931 /opt/run agent
Anonymous:             0 kB
01ecb000-03f1f000 rw-p 00000000 00:00 0
Anonymous:             0 kB
7f97b0000000-7f97b0001000 r--p 00000000 fe:00 7 /opt/another
Anonymous:             0 kB
7ffca6000000-7ffca6001000 r--p 00000000 fe:00 5931 /opt/run agent
Anonymous:             0 kB
`

func TestUntouchedLeavesWhatIsTheProcesssOwn(t *testing.T) {
	t.Parallel()
	got, err := untouched(strings.NewReader(smaps), "/opt/run agent")
	want := []mapping{{0x400000, 0x1018000}, {0x7ffca6000000, 0x7ffca6001000}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("untouched = %x, %v, want %x", got, err, want)
	}
}

// Not parallel: what others touch is mapped again.
func TestPagesAreLetGoOfAndComeBack(t *testing.T) {
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip("no /proc/self/smaps here")
	}
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if found, err := untouched(strings.NewReader(string(text)), program); err != nil || len(found) == 0 {
		t.Fatalf("untouched = %v, %v of the test itself", found, err)
	}
	if err := Pages(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile("/proc/self/smaps"); err != nil {
		t.Error(err)
	}
}
