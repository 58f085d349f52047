package agent

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/runagent/runagent/internal/nearest"
)

// LoadOptions says how an agent is read from its folder.
type LoadOptions struct {
	// Shown is the manifest's path as problems name it; "" means: as the
	// folder was given.
	Shown string
}

// Load reads the manifest of the agent in dir and returns the agent with all
// that is wrong with the manifest. The agent is nil when there is no manifest
// or it is no JSON object; with problems it is good for looking further only.
// Sources are not looked at: see CheckSources.
func Load(dir string, opts LoadOptions) (*Agent, Problems) {
	if filepath.Base(dir) == ManifestName {
		dir = filepath.Dir(dir)
	}
	shown := or(opts.Shown, filepath.Join(dir, ManifestName))
	src, err := readManifest(filepath.Join(dir, ManifestName))
	if err != nil {
		return nil, Problems{missingManifest(dir, shown, err)}
	}
	m, problems := Parse(shown, src)
	if m == nil {
		return nil, problems
	}
	abs, err := realPath(dir)
	if err != nil {
		return nil, append(problems, Problem{File: shown, Message: err.Error()})
	}
	m.dir = abs
	return &Agent{
		ID:       or(m.AgentID, DeriveID(abs)),
		Name:     m.AgentName,
		Slug:     Slug(m.AgentName),
		Dir:      abs,
		Manifest: m,
	}, problems
}

// readManifest reads the file, at most a byte more than Parse accepts.
func readManifest(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder", ManifestName)
	}
	return io.ReadAll(io.LimitReader(f, maxManifestSize+1))
}

// missingManifest says why there is no manifest and what to do.
func missingManifest(dir, shown string, err error) Problem {
	p := Problem{File: shown, Message: err.Error()}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		p.Message = pathErr.Err.Error()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return p
	}
	entries, dirErr := os.ReadDir(dir)
	if dirErr != nil {
		p.Message = fmt.Sprintf("there is no folder %s", dir)
		return p
	}
	p.Message = "there is no manifest here; `runagent init` makes one"
	var names []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext == ".json" || strings.HasPrefix(ext, ".y") {
			names = append(names, e.Name())
		}
	}
	p.Suggestion = nearest.Name(ManifestName, names)
	return p
}

// realPath returns the absolute path of dir without symbolic links, so that a
// folder has one ID whichever way it is reached.
func realPath(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find folder: %w", err)
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real, nil
	}
	return abs, nil
}
