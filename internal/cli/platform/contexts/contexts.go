// Package contexts keeps the platforms that the user has logged in to, with
// their keys, in a file that is the user's alone.
package contexts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// fileName is the file, in RUNAGENT_HOME.
const fileName = "contexts.json"

// Contexts are the platforms that are known.
type Contexts struct {
	// Current is the URL of the one that commands speak to, "" for none.
	Current string `json:"current"`
	// Keys are the API keys by URL.
	Keys map[string]string `json:"keys"`
}

// Load reads what is known. A file that is not there is no error.
func Load(home string) (Contexts, error) {
	path := filepath.Join(home, fileName)
	c := Contexts{Keys: map[string]string{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read logins: %w", err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("read logins: %s: %w; remove the file and log in again", path, err)
	}
	if c.Keys == nil {
		c.Keys = map[string]string{}
	}
	return c, nil
}

// Names returns the platforms that are known, sorted.
func (c Contexts) Names() []string { return slices.Sorted(maps.Keys(c.Keys)) }

// Add keeps a platform and makes it the current one.
func Add(home, url, key string) error {
	return change(home, func(c *Contexts) { c.Current, c.Keys[url] = url, key })
}

// Use makes a platform that is known the current one.
func Use(home, url string) error {
	return change(home, func(c *Contexts) { c.Current = url })
}

// Remove forgets a platform with its key. Where it was the current one, there
// is none then.
func Remove(home, url string) error {
	return change(home, func(c *Contexts) {
		delete(c.Keys, url)
		if c.Current == url {
			c.Current = ""
		}
	})
}

// change keeps what do changes, in a new file: so it never has another mode,
// and is never half.
func change(home string, do func(*Contexts)) error {
	c, err := Load(home)
	if err != nil {
		return err
	}
	do(&c)
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("keep login: %w", err)
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return fmt.Errorf("keep login: %w", err)
	}
	temp, err := os.CreateTemp(home, fileName+"-*")
	if err != nil {
		return fmt.Errorf("keep login: %w", err)
	}
	_, err = temp.Write(append(text, '\n'))
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), filepath.Join(home, fileName))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep login: %w", err), os.Remove(temp.Name()))
	}
	return nil
}
