package webhookcall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const (
	connectTimeout = 10 * time.Second
	maxRedirects   = 5
)

// errRedirect is a redirect that is not followed.
var errRedirect = errors.New("redirect not followed")

// destinations are the hosts with ports that the manifest names.
type destinations map[string]bool

// add notes the host of an address. One named by plain HTTP on its usual port
// is named by HTTPS, too: services move there.
func (d destinations) add(address string) {
	u, err := url.Parse(address)
	if err != nil {
		return
	}
	d[hostPort(u)] = true
	if u.Scheme == "http" && hostPort(u) == net.JoinHostPort(strings.ToLower(u.Hostname()), "80") {
		d[net.JoinHostPort(strings.ToLower(u.Hostname()), "443")] = true
	}
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// newClient returns a client for one revision's webhooks. Where the manifest
// points it goes, also to this machine or network. Where an answer redirects,
// it goes only if that is named as well or public: else any service that is
// called could have us call what only we can reach. No proxy is used.
func newClient(named destinations) *http.Client {
	open := &net.Dialer{Timeout: connectTimeout}
	guarded := &net.Dialer{Timeout: connectTimeout, Control: refusePrivate}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if named[strings.ToLower(addr)] {
				return open.DialContext(ctx, network, addr)
			}
			return guarded.DialContext(ctx, network, addr)
		},
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    connectTimeout,
		MaxIdleConnsPerHost:    100,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &http.Client{Transport: transport, CheckRedirect: checkRedirect}
}

// checkRedirect refuses redirects that go on for ever, leave HTTP, give up
// encryption or would lose what was sent: HTTP clients follow 301 and 302 by
// GET. Who is redirected to is not told from where: that address is a secret.
func checkRedirect(req *http.Request, via []*http.Request) error {
	req.Header.Del("Referer")
	last := via[len(via)-1]
	if len(via) > maxRedirects {
		return fmt.Errorf("%w: there were %d before it", errRedirect, maxRedirects)
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return fmt.Errorf("%w: it leads to %s", errRedirect, req.URL.Scheme)
	}
	if last.URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("%w: it leads from https to %s", errRedirect, req.URL.Scheme)
	}
	if req.Method != last.Method && req.Response != nil && req.Response.StatusCode != http.StatusSeeOther {
		return fmt.Errorf("%w: %d leads to %s without what was sent; name the new address in webhook_url",
			errRedirect, req.Response.StatusCode, req.URL.Host)
	}
	return nil
}

// refusePrivate runs with the address that a name led to, just before it is
// connected to: nothing can change it any more.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !public(ap.Addr()) {
		return fmt.Errorf("%w: %s is a private address, and the manifest does not name it", errRedirect, address)
	}
	return nil
}

// special are networks that are not public and that netip has no word for.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),      // this network
	netip.MustParsePrefix("100.64.0.0/10"),  // carriers' own
	netip.MustParsePrefix("192.0.0.0/24"),   // protocol assignments
	netip.MustParsePrefix("198.18.0.0/15"),  // benchmarks
	netip.MustParsePrefix("240.0.0.0/4"),    // reserved, and broadcast
	netip.MustParsePrefix("64:ff9b::/96"),   // IPv4 behind a translator
	netip.MustParsePrefix("64:ff9b:1::/48"), // the same, local
	netip.MustParsePrefix("2002::/16"),      // IPv4 in 6to4
	netip.MustParsePrefix("2001::/32"),      // IPv4 in Teredo
	netip.MustParsePrefix("fec0::/10"),      // site-local, of old
	netip.MustParsePrefix("::/96"),          // IPv4-compatible, of old
}

// public reports whether an address is one that anybody can reach.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
