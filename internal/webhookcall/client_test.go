package webhookcall

import (
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/fault"
)

func TestRedirects(t *testing.T) {
	t.Parallel()
	other := answers(t, 200, "application/json", `"private"`)
	home := service(t, func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusTemporaryRedirect
		target := map[string]string{"/other": other, "/home": "/end", "/loop": "/loop", "/ftp": "ftp://x.example/"}[r.URL.Path]
		if r.URL.Path == "/moved" {
			status, target = http.StatusMovedPermanently, "/end"
		}
		if r.URL.Path == "/see" {
			status, target = http.StatusSeeOther, "/end"
		}
		if target == "" {
			_, _ = w.Write([]byte(`"` + r.Method + ` end"`))
			return
		}
		http.Redirect(w, r, target, status)
	})
	tests := []struct {
		path      string
		nameOther bool
		want      string // the result, or a part of the error
	}{
		{"/home", false, `"POST end"`},
		{"/see", false, `"GET end"`},
		{"/moved", false, "301 leads to"},
		{"/other", false, "is a private address, and the manifest does not name it"},
		{"/other", true, `"private"`},
		{"/loop", false, "there were 5 before it"},
		{"/ftp", false, "redirect not followed: it leads to ftp"},
	}
	for _, tt := range tests {
		entrypoints := started(t, Options{}, hook("a", home+tt.path))
		if tt.nameOther {
			entrypoints = started(t, Options{}, hook("a", home+tt.path), hook("b", other))
		}
		got, err := invoke(t, entrypoints, call("a", "{}"))
		if strings.HasPrefix(tt.want, `"`) {
			if err != nil || got != tt.want {
				t.Errorf("%s: got %s, %v, want %s", tt.path, got, err, tt.want)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %s, %v, want %q", tt.path, got, err, tt.want)
		}
		if fault.CodeOf(err) != fault.Execution {
			t.Errorf("%s: code %s", tt.path, fault.CodeOf(err))
		}
	}
}

// TestRedirectsTellNobodyTheAddress: in its path is often a secret, and in its
// query what was sent.
func TestRedirectsTellNobodyTheAddress(t *testing.T) {
	t.Parallel()
	other := service(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(strconv.Quote(r.Referer())))
	})
	home := service(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other, http.StatusTemporaryRedirect)
	})
	entrypoints := started(t, Options{}, hook("a", home+"/secret"), hook("b", other))
	if got, err := invoke(t, entrypoints, call("a", "{}")); err != nil || got != `""` {
		t.Errorf("the second service is told %s, %v", got, err)
	}
}

func TestRedirectsKeepEncryption(t *testing.T) {
	t.Parallel()
	secure, open := &url.URL{Scheme: "https", Host: "a.example"}, &url.URL{Scheme: "http", Host: "a.example"}
	if err := checkRedirect(&http.Request{URL: open}, []*http.Request{{URL: secure}}); err == nil {
		t.Error("https led to http")
	}
	if err := checkRedirect(&http.Request{URL: secure}, []*http.Request{{URL: open}}); err != nil {
		t.Errorf("http to https: %v", err)
	}
}

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "172.32.0.1": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "127.9.9.9": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"0.0.0.0": false, "0.1.2.3": false, "100.64.0.1": false, "198.18.0.1": false, "224.0.0.1": false, "255.255.255.255": false, "250.0.0.1": false,
		"::1": false, "::": false, "fe80::1": false, "fd00::1": false, "ff02::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false,
		"64:ff9b::a00:1": false, "2002:7f00:1::": false, "fec0::1": false, "::7f00:1": false, "2001:0:1::1": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("public(%s) = %v", text, got)
		}
		if err := refusePrivate("tcp", netip.AddrPortFrom(netip.MustParseAddr(text), 80).String(), nil); (err == nil) != want {
			t.Errorf("refusePrivate(%s) = %v", text, err)
		}
	}
	if refusePrivate("tcp", "nonsense", nil) == nil {
		t.Error("an address that can't be read is let through")
	}
}

func TestDestinations(t *testing.T) {
	t.Parallel()
	d := destinations{}
	for _, address := range []string{"http://Plain.example/x", "https://secure.example", "http://127.0.0.1:5678/y", "http://[::1]/z", "http://bad.example:x/"} {
		d.add(address)
	}
	for host, want := range map[string]bool{
		"plain.example:80": true, "plain.example:443": true, "secure.example:443": true, "secure.example:80": false,
		"127.0.0.1:5678": true, "127.0.0.1:443": false, "[::1]:80": true, "[::1]:443": true,
	} {
		if d[host] != want {
			t.Errorf("%s named: %v", host, d[host])
		}
	}
}
