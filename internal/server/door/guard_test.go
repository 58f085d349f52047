package door

import "testing"

func TestGuardKnowsItsHosts(t *testing.T) {
	t.Parallel()
	g := NewGuard([]string{"Box.example", "192.168.1.5"}, nil)
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:8450": true, "localhost.": true, "app.localhost:1": true, "127.0.0.1:8450": true, "127.9.9.9": true,
		"[::1]:8450": true, "[::1]": true, "[::ffff:127.0.0.1]:1": true, "box.example:8450": true, "192.168.1.5:80": true,
		"": false, "evil.example": false, "127.0.0.1.evil.example": false, "localhost.evil.example": false, "192.168.1.6": false,
		"0.0.0.0:8450": false, "[::2]": false, "xlocalhost": false,
	} {
		if got := g.hostAllowed(host); got != want {
			t.Errorf("host %q: allowed is %v, want %v", host, got, want)
		}
	}
}
