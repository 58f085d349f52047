package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		environ []string
		want    Config
	}{
		{"empty but for the home directory", []string{"HOME=/u"},
			Config{Home: "/u/.runagent", DiscoveryDir: "/u/.runagent", Host: "127.0.0.1", LogFormat: "text"}},
		{"RUNAGENT_HOME moves everything", []string{"HOME=/u", "RUNAGENT_HOME=/r"},
			Config{Home: "/r", DiscoveryDir: "/r", Host: "127.0.0.1", LogFormat: "text"}},
		{"the clients' folder is used when ours is not named", []string{"HOME=/u", "RUNAGENT_CACHE_DIR=/c"},
			Config{Home: "/c", DiscoveryDir: "/c", Host: "127.0.0.1", LogFormat: "text"}},
		{"the clients' folder stays theirs beside ours", []string{"RUNAGENT_HOME=/r", "RUNAGENT_CACHE_DIR=/c"},
			Config{Home: "/r", DiscoveryDir: "/c", Host: "127.0.0.1", LogFormat: "text"}},
		{"all of serve's", []string{"HOME=/u", "RUNAGENT_HOST=::1", "RUNAGENT_PORT=9000", "RUNAGENT_LOG_FORMAT=json", "NO_COLOR=1"},
			Config{Home: "/u/.runagent", DiscoveryDir: "/u/.runagent", Host: "::1", Port: 9000, LogFormat: "json", NoColor: true}},
		{"empty values are as good as none", []string{"HOME=/u", "RUNAGENT_HOME=", "RUNAGENT_PORT=", "NO_COLOR="},
			Config{Home: "/u/.runagent", DiscoveryDir: "/u/.runagent", Host: "127.0.0.1", LogFormat: "text"}},
		{"of two the first wins", []string{"HOME=/u", "RUNAGENT_HOST=first", "RUNAGENT_HOST=second"},
			Config{Home: "/u/.runagent", DiscoveryDir: "/u/.runagent", Host: "first", LogFormat: "text"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Load(tt.environ)
			if err != nil {
				t.Fatalf("Load(%v): %v", tt.environ, err)
			}
			if len(got.Environ) != len(tt.environ) {
				t.Errorf("Environ = %v, want %v", got.Environ, tt.environ)
			}
			got.Environ = nil
			if got.Home != tt.want.Home || got.DiscoveryDir != tt.want.DiscoveryDir || got.Host != tt.want.Host ||
				got.Port != tt.want.Port || got.LogFormat != tt.want.LogFormat || got.NoColor != tt.want.NoColor {
				t.Errorf("Load(%v) = %+v, want %+v", tt.environ, got, tt.want)
			}
		})
	}
}

func TestLoadNamesTheBadVariable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		environ []string
		want    []string
	}{
		{"port is no number", []string{"HOME=/u", "RUNAGENT_PORT=http"}, []string{`RUNAGENT_PORT is "http"`}},
		{"port is out of range", []string{"HOME=/u", "RUNAGENT_PORT=65536"}, []string{"RUNAGENT_PORT is 65536"}},
		{"unknown log format", []string{"HOME=/u", "RUNAGENT_LOG_FORMAT=xml"}, []string{`RUNAGENT_LOG_FORMAT is "xml"`, "text or json"}},
		{"home is a file", []string{"RUNAGENT_HOME=" + file}, []string{"RUNAGENT_HOME", "is a file"}},
		{"home has an unexpanded tilde", []string{"RUNAGENT_HOME=~/r"}, []string{"RUNAGENT_HOME", "not expanded"}},
		{"only the clients' folder is given, a file", []string{"HOME=/u", "RUNAGENT_CACHE_DIR=" + file}, []string{"RUNAGENT_CACHE_DIR", "is a file"}},
		{"clients' folder is a file", []string{"RUNAGENT_HOME=/r", "RUNAGENT_CACHE_DIR=" + file}, []string{"RUNAGENT_CACHE_DIR", "is a file"}},
		{"no home directory", nil, []string{"RUNAGENT_HOME is not set"}},
		{"all problems at once", []string{"HOME=/u", "RUNAGENT_PORT=x", "RUNAGENT_LOG_FORMAT=y"}, []string{"RUNAGENT_PORT", "RUNAGENT_LOG_FORMAT"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(tt.environ)
			if err == nil {
				t.Fatalf("Load(%v) succeeded, want an error with %q", tt.environ, tt.want)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Load(%v): %q does not say %q", tt.environ, err, want)
				}
			}
			for _, name := range []string{HomeVar, CacheDirVar} {
				if strings.Contains(err.Error(), name+" is \"/") && !strings.Contains(strings.Join(tt.want, " "), name) {
					t.Errorf("Load(%v): %q blames %s", tt.environ, err, name)
				}
			}
		})
	}
}

func TestLoadMakesFoldersAbsolute(t *testing.T) {
	t.Parallel()
	got, err := Load([]string{"RUNAGENT_HOME=relative"})
	if err != nil {
		t.Fatal(err)
	}
	want, _ := filepath.Abs("relative")
	if got.Home != want {
		t.Errorf("Home = %q, want %q", got.Home, want)
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	c, err := Load([]string{"HOME=/u", "EMPTY=", "A=b=c"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"A": "b=c", "EMPTY": ""} {
		if got, ok := c.Lookup(name); !ok || got != want {
			t.Errorf("Lookup(%s) = %q, %v, want %q, true", name, got, ok, want)
		}
	}
	if got, ok := c.Lookup("NONE"); ok {
		t.Errorf("Lookup(NONE) = %q, true", got)
	}
}

func TestAKeyIsTakenWithoutItsLineBreak(t *testing.T) {
	t.Parallel()
	c, err := Load([]string{"HOME=/u", "RUNAGENT_API_KEY=ra_key\r\n"})
	if err != nil || c.APIKey != "ra_key" {
		t.Errorf("key %q, %v", c.APIKey, err)
	}
}
