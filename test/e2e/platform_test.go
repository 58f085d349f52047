package e2e

import (
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

var (
	platformURL = regexp.MustCompile(`(?m)^Platform at (http://\S+:\d+) `)
	platformKey = regexp.MustCompile(`(?m)^Admin key, shown this once: (ra_\w+)$`)
)

func cmdPlatform(ts *testscript.TestScript, neg bool, args []string) {
	name, rest := splitName(args)
	if neg || len(rest) == 0 {
		ts.Fatalf("usage: platform [-name N] start args…")
	}
	argv := append([]string{"platform"}, rest...)
	if !strings.Contains(strings.Join(rest, " "), "--listen") {
		argv = append(argv, "--listen", "127.0.0.1:0")
	}
	one := start(ts, argv)
	all := ts.Value(serversKey{}).(*servers)
	all.mu.Lock()
	all.byName[name] = one
	all.mu.Unlock()
	url := one.out.wait(platformURL, one.done, waitLimit)
	if url == nil {
		ts.Fatalf("the platform did not become ready; it printed:\n%s", one.out)
	}
	prefix := ""
	if name != "" {
		prefix = name + "_"
	}
	ts.Setenv(prefix+"URL", url[1])
	for i, arg := range rest[:len(rest)-1] {
		if arg == "--admin-key-file" {
			ts.Setenv(prefix+"KEY", strings.TrimSpace(ts.ReadFile(rest[i+1])))
		}
	}
	if key := platformKey.FindStringSubmatch(one.out.String()); key != nil {
		ts.Setenv(prefix+"KEY", key[1])
	}
}
