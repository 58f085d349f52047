package app

import (
	"net"
	"strings"
	"testing"
)

// TestAddressCanBeCalled: "::" and 0.0.0.0, as clients would put them into a URL, can't.
func TestAddressCanBeCalled(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"0.0.0.0:0", ":0", "127.0.0.1:0"} {
		ln, err := net.Listen("tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		s := &service{listener: ln}
		host, port := s.address()
		if want := "http://127.0.0.1:" + port; host != "127.0.0.1" || s.url() != want || !strings.HasSuffix(ln.Addr().String(), ":"+port) {
			t.Errorf("listening on %s: host %s, URL %s, want %s", listen, host, s.url(), want)
		}
	}
}
