// Package config is the only reader of the environment. A bad value is an
// error that names its variable, never silently the default.
package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The variables that are read.
const (
	HomeVar      = "RUNAGENT_HOME"
	CacheDirVar  = "RUNAGENT_CACHE_DIR"
	HostVar      = "RUNAGENT_HOST"
	PortVar      = "RUNAGENT_PORT"
	LogFormatVar = "RUNAGENT_LOG_FORMAT"
	URLVar       = "RUNAGENT_URL"
	BaseURLVar   = "RUNAGENT_BASE_URL"
	APIKeyVar    = "RUNAGENT_API_KEY"
	NoColorVar   = "NO_COLOR"
)

// Log formats.
const (
	Text = "text"
	JSON = "json"
)

// Config holds the settings that come from the environment. The zero value is
// not useful: start from Default or Load.
type Config struct {
	// Home is where RunAgent keeps environments, snapshots and records:
	// RUNAGENT_HOME, else RUNAGENT_CACHE_DIR, else ~/.runagent.
	Home string
	// DiscoveryDir holds the database that clients read to find local agents:
	// RUNAGENT_CACHE_DIR, which published clients read too, else Home.
	DiscoveryDir string
	// Host is where serve listens: RUNAGENT_HOST, else 127.0.0.1.
	Host string
	// Port is where serve listens: RUNAGENT_PORT, else 0, which means the
	// default port or the next free one.
	Port int
	// LogFormat is text or json: RUNAGENT_LOG_FORMAT, else text.
	LogFormat string
	// URL is the platform that commands speak to: RUNAGENT_URL, else
	// RUNAGENT_BASE_URL, as published clients have it, else "".
	URL string
	// APIKey is shown to the platform: RUNAGENT_API_KEY.
	APIKey string
	// NoColor turns colours off, as NO_COLOR asks (see no-color.org).
	NoColor bool
	// Environ is the whole environment, which serve hands on to the agent.
	Environ []string
}

// Default returns the settings of an empty environment, for a user whose home
// directory is userHome.
func Default(userHome string) Config {
	home := ""
	if userHome != "" {
		home = filepath.Join(userHome, ".runagent")
	}
	return Config{Home: home, DiscoveryDir: home, Host: "127.0.0.1", LogFormat: Text}
}

// FromEnvironment returns the settings of this process.
func FromEnvironment() (Config, error) {
	return Load(os.Environ())
}

// Load returns the settings that environ, in the form of os.Environ, makes,
// or all that is wrong with them.
func Load(environ []string) (Config, error) {
	vars := toMap(environ)
	c := Default(vars["HOME"])
	c.Environ = environ
	c.NoColor = vars[NoColorVar] != ""
	var problems []error
	homeVar := HomeVar
	if v := vars[CacheDirVar]; v != "" {
		c.Home, c.DiscoveryDir, homeVar = v, v, CacheDirVar
	}
	if v := vars[HomeVar]; v != "" {
		c.Home, homeVar = v, HomeVar
		if vars[CacheDirVar] == "" {
			c.DiscoveryDir = v
		}
	}
	c.APIKey = strings.TrimSpace(vars[APIKeyVar]) // a file of it ends with a line break
	for _, name := range []string{URLVar, BaseURLVar} {
		v := strings.TrimSuffix(strings.TrimSuffix(vars[name], "/"), "/api/v1")
		if v == "" || c.URL != "" {
			continue
		}
		if u, err := url.Parse(v); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			problems = append(problems, fmt.Errorf("%s is %q, which does not look like http://host:port", name, v))
		}
		c.URL = v
	}
	if v := vars[HostVar]; v != "" {
		c.Host = v
	}
	if v := vars[LogFormatVar]; v != "" {
		c.LogFormat = v
	}
	if v := vars[PortVar]; v != "" {
		port, err := strconv.Atoi(v)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s is %q, not a number from 1 to 65535", PortVar, v))
		}
		c.Port = port
	}
	problems = append(problems, c.validate(homeVar))
	if err := errors.Join(problems...); err != nil {
		return Config{}, err
	}
	return c.absolute()
}

// Validate returns all that is wrong with c, each naming its variable.
func (c *Config) Validate() error { return c.validate(HomeVar) }

// validate is Validate where Home came from the given variable.
func (c *Config) validate(homeVar string) error {
	problems := []error{checkFolder(homeVar, c.Home)}
	if c.DiscoveryDir != c.Home {
		problems = append(problems, checkFolder(CacheDirVar, c.DiscoveryDir))
	}
	return errors.Join(append(problems, c.checkPort(), c.checkLogFormat())...)
}

func (c *Config) checkPort() error {
	if c.Port < 0 || c.Port > 65535 {
		return fmt.Errorf("%s is %d, not a number from 1 to 65535", PortVar, c.Port)
	}
	return nil
}

func (c *Config) checkLogFormat() error {
	if c.LogFormat != Text && c.LogFormat != JSON {
		return fmt.Errorf("%s is %q: it may be %s or %s", LogFormatVar, c.LogFormat, Text, JSON)
	}
	return nil
}

// absolute makes the folders independent of the working directory, which an
// agent may change.
func (c Config) absolute() (Config, error) {
	for _, dir := range []*string{&c.Home, &c.DiscoveryDir} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return Config{}, fmt.Errorf("find the working directory: %w", err)
		}
		*dir = abs
	}
	return c, nil
}

// checkFolder refuses what can't become a folder. One that does not exist yet
// is fine.
func checkFolder(variable, dir string) error {
	if dir == "" {
		return fmt.Errorf("%s is not set and there is no home directory: set it to a folder", variable)
	}
	// Shells expand a leading ~, env files don't: the folder would be "./~".
	if strings.HasPrefix(dir, "~") {
		return fmt.Errorf("%s is %q: ~ is not expanded here, write the whole path", variable, dir)
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is %q, which is a file and not a folder", variable, dir)
	}
	return nil
}

// Lookup returns the value of a variable of the environment and whether it is set.
func (c *Config) Lookup(name string) (string, bool) {
	value, ok := toMap(c.Environ)[name]
	return value, ok
}

// toMap returns environ as a map. As in libc's getenv the first of two wins.
func toMap(environ []string) map[string]string {
	vars := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if _, seen := vars[name]; !seen {
			vars[name] = value
		}
	}
	return vars
}
