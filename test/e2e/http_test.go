package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// pollEvery is how often something outside this process is looked at.
const pollEvery = 20 * time.Millisecond

// cmdHTTP does one request, or as many as -times says. It succeeds on a status
// below 400, or on the one that -status names.
func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	timeout, status, times := waitLimit, 0, 1
	for len(args) >= 2 && strings.HasPrefix(args[0], "-") {
		var err error
		switch args[0] {
		case "-timeout":
			timeout, err = time.ParseDuration(args[1])
		case "-status":
			status, err = strconv.Atoi(args[1])
		case "-times":
			times, err = strconv.Atoi(args[1])
		default:
			ts.Fatalf("unknown flag %s", args[0])
		}
		ts.Check(err)
		args = args[2:]
	}
	if len(args) < 2 {
		ts.Fatalf("usage: http [-timeout D] [-status S] [-times N] METHOD URL [BODY | @FILE] [HEADER: VALUE…]")
	}
	client := http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true}}
	for range times {
		requestOnce(ts, neg, &client, status, args)
	}
}

func requestOnce(ts *testscript.TestScript, neg bool, client *http.Client, status int, args []string) {
	req := newRequest(ts, args)
	res, err := client.Do(req)
	if err != nil {
		failUnless(ts, neg, "%s %s: %v", req.Method, req.URL, err)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	fmt.Fprint(ts.Stdout(), string(body))
	fmt.Fprintln(ts.Stderr(), res.Status)
	_ = res.Header.Write(ts.Stderr())
	if status != 0 && res.StatusCode != status {
		ts.Fatalf("%s %s: status %d, want %d: %s", req.Method, req.URL, res.StatusCode, status, body)
	}
	if status == 0 && (res.StatusCode >= 400) != neg {
		ts.Fatalf("%s %s: %s: %s", req.Method, req.URL, res.Status, body)
	}
}

func failUnless(ts *testscript.TestScript, neg bool, format string, args ...any) {
	if !neg {
		ts.Fatalf(format, args...)
	}
}

func newRequest(ts *testscript.TestScript, args []string) *http.Request {
	rest, body := args[2:], ""
	if len(rest) > 0 && !isHeader(rest[0]) {
		body, rest = rest[0], rest[1:]
		if name, isFile := strings.CutPrefix(body, "@"); isFile {
			body = ts.ReadFile(name)
		}
	}
	req, err := http.NewRequest(args[0], args[1], strings.NewReader(body))
	ts.Check(err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, header := range rest {
		name, value, _ := strings.Cut(header, ":")
		req.Header.Set(name, strings.TrimSpace(value))
		if strings.EqualFold(name, "Host") {
			req.Host = strings.TrimSpace(value)
		}
	}
	return req
}

// isHeader tells "Accept: x" from a body.
func isHeader(text string) bool {
	name, _, ok := strings.Cut(text, ": ")
	return ok && name != "" && !strings.ContainsAny(name, "{[\"@ ")
}

func cmdWaitHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: waithttp URL [TEXT [HEADER: VALUE…]]")
	}
	want, last := "", ""
	if len(args) > 1 {
		want = args[1]
	}
	client := http.Client{Timeout: waitLimit, Transport: &http.Transport{DisableKeepAlives: true}}
	poll(ts, func() bool {
		req := newRequest(ts, append([]string{http.MethodGet, args[0]}, args[min(2, len(args)):]...))
		res, err := client.Do(req)
		if err != nil {
			last = err.Error()
			return false
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		last = res.Status + ": " + string(body)
		return res.StatusCode == http.StatusOK && strings.Contains(string(body), want)
	}, func() { ts.Fatalf("%s does not answer %q, but %s", args[0], want, last) })
	fmt.Fprintln(ts.Stdout(), last)
}

func cmdWaitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfile FILE TEXT")
	}
	poll(ts, func() bool {
		raw, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && strings.Contains(string(raw), args[1])
	}, func() { ts.Fatalf("%s does not come to hold %q", args[0], args[1]) })
}

func cmdWaitGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitgone PATTERN")
	}
	var left []string
	poll(ts, func() bool {
		var err error
		left, err = filepath.Glob(ts.MkAbs(args[0]))
		return err == nil && len(left) == 0
	}, func() { ts.Fatalf("there stay %v", left) })
}

// poll looks until done says so; after the limit it calls fail.
func poll(_ *testscript.TestScript, done func() bool, fail func()) {
	deadline := time.After(waitLimit)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			fail()
		}
	}
}
