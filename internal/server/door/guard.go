package door

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/runagent/runagent/internal/fault"

	"github.com/runagent/runagent/internal/server/envelope"
)

// Guard keeps web pages out that the author did not invite. A browser lets
// any page send requests to this machine; what it can't hide is the page's
// Origin, and, when a name was rebound to this machine's address, the Host.
type Guard struct {
	hosts, origins     map[string]bool
	anyHost, anyOrigin bool
}

// NewGuard returns a guard that lets in loopback names, the given hosts and the
// pages of the given origins; "*" stands for any.
func NewGuard(hosts, origins []string) Guard {
	g := Guard{hosts: map[string]bool{}, origins: map[string]bool{}}
	for _, h := range hosts {
		g.anyHost = g.anyHost || h == "*"
		g.hosts[strings.ToLower(strings.Trim(h, "[]"))] = true
	}
	for _, o := range origins {
		g.anyOrigin = g.anyOrigin || o == "*"
		g.origins[strings.ToLower(strings.TrimSuffix(o, "/"))] = true
	}
	return g
}

// Admit checks who calls. It is done when it has answered the request itself:
// a browser's question whether a page may call.
func (g *Guard) Admit(w http.ResponseWriter, r *http.Request) (done bool, err error) {
	if !g.anyHost && !g.hostAllowed(r.Host) {
		return false, fault.New(fault.Permission, "the host name %q is not one of this server's", envelope.Clip(r.Host, 128)).
			WithSuggestion("Call it as localhost, or start the server with this name allowed.")
	}
	origin := r.Header.Get("Origin")
	if origin == "" || sameOrigin(origin, r.Host) {
		return false, nil
	}
	if !g.anyOrigin && !g.origins[strings.ToLower(origin)] {
		return false, fault.New(fault.Permission, "web pages of %q may not call this server", envelope.Clip(origin, 128)).
			WithSuggestion("Start the server with --cors-origin %s to allow it.", envelope.Clip(origin, 128))
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After, Location")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false, nil
	}
	preflight(w, r)
	return true, nil
}

// preflight answers a browser's question: everything a route takes is allowed.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
	h.Add("Vary", "Access-Control-Request-Headers")
	if wanted := r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
		h.Set("Access-Control-Allow-Headers", wanted)
	}
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// hostAllowed reports whether a Host header names this server: a loopback
// name or address, or a configured one, on any port.
func (g *Guard) hostAllowed(host string) bool {
	name := hostname(host)
	if strings.EqualFold(name, "localhost") {
		return true
	}
	if addr, err := netip.ParseAddr(name); err == nil && addr.Unmap().IsLoopback() {
		return true
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || g.hosts[name]
}

// hostname returns a Host header without its port and brackets.
func hostname(host string) string {
	if strings.HasPrefix(host, "[") {
		name, _, _ := strings.Cut(host[1:], "]")
		return name
	}
	name, _, _ := strings.Cut(host, ":")
	return name
}

// sameOrigin reports whether a page's origin is this server, as it was called.
func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	return strings.EqualFold(u.Host, host)
}
