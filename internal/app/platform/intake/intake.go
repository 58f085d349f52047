// Package intake takes in agents from published clients, which announce an
// agent, upload it as a zip archive and start it in three requests. It makes
// bundles of the archives and deploys them like all others.
package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/internal/fault"
)

// Platform is what the agents are handed to.
type Platform interface {
	StoreBundle(ctx context.Context, digest string, from int64, body io.Reader) (api.Bundle, error)
	Deploy(ctx context.Context, agent string, req api.DeployRequest) (api.Revision, error)
	FollowDeploy(ctx context.Context, agent, revision string, emit func(api.DeployEvent) error) error
	StartAgent(ctx context.Context, agent string) (api.Revision, error)
	// Describe returns fault.AgentNotFound for an agent that is not there.
	Describe(ctx context.Context, agent string) (*api.CompatStatus, error)
	// SetSecrets keeps the agent's secrets, and forgets those named in gone. The
	// agent need not be there yet.
	SetSecrets(ctx context.Context, agentID string, values map[string]string, gone []string) error
}

// Options configures an Intake. All are needed but Limits.
type Options struct {
	Platform Platform
	// Dir holds what was announced, and archives on their way.
	Dir    string
	Limits bundle.Limits
}

// Intake takes agents in. It is safe for concurrent use.
type Intake struct {
	o  Options
	mu sync.Mutex // held while what was announced changes
}

// New returns an Intake. Archives that one before left on their way are removed.
func New(o Options) (*Intake, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder for uploads: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(o.Dir, temporary+"*"))
	if err != nil {
		return nil, fmt.Errorf("remove uploads: %w", err)
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return nil, fmt.Errorf("remove uploads: %w", err)
		}
	}
	return &Intake{o: o}, nil
}

// temporary begins the names of what does not stay.
const temporary = ".upload-"

// announced is what is kept of an agent between the requests.
type announced struct {
	AgentID string `json:"agent_id"`
	// Secrets are the names of the variables that came with it.
	Secrets []string `json:"secrets"`
	// Digest is the bundle that was uploaded, "" before.
	Digest string `json:"digest"`
	// Started says that it was brought into service.
	Started bool `json:"started"`
}

// Announce implements compat.Intake. Among the variables are those of the
// author's .env, and there is no telling which: all are kept as secrets are,
// until the manifest has come.
func (x *Intake) Announce(ctx context.Context, a api.CompatAnnouncement) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	known, err := x.load(a.AgentID)
	if err != nil {
		return err
	}
	_, err = x.o.Platform.Describe(ctx, a.AgentID)
	switch {
	case err == nil && !a.Overwrite:
		return fault.New(fault.Conflict, "the agent already exists").WithSuggestion("Deploy it with --overwrite.")
	case err != nil && fault.CodeOf(err) != fault.AgentNotFound:
		return err
	}
	values := map[string]string{}
	for name, value := range a.Metadata.EnvVars {
		if value != "" {
			values[name] = value
		}
	}
	gone := slices.DeleteFunc(slices.Clone(known.Secrets), func(name string) bool { _, there := values[name]; return there })
	if err := x.o.Platform.SetSecrets(ctx, a.AgentID, values, gone); err != nil {
		return err
	}
	known.AgentID, known.Secrets = a.AgentID, slices.Sorted(maps.Keys(values))
	return x.save(known)
}

// TakeZip implements compat.Intake.
func (x *Intake) TakeZip(ctx context.Context, agentID string, archive io.Reader) (int64, error) {
	if known, err := x.load(agentID); err != nil {
		return 0, err
	} else if known.AgentID == "" {
		return 0, fault.New(fault.Conflict, "the agent was not announced").WithSuggestion("Send its metadata first.")
	}
	temp, err := os.MkdirTemp(x.o.Dir, temporary)
	if err != nil {
		return 0, fmt.Errorf("take upload: %w", err)
	}
	defer os.RemoveAll(temp)
	size, folder, err := x.unzip(ctx, temp, archive)
	if err != nil {
		return 0, err
	}
	m, err := check(folder, agentID)
	if err != nil {
		return 0, err
	}
	digest, err := x.pack(ctx, temp, folder)
	if err != nil {
		return 0, err
	}
	return size, x.uploaded(ctx, agentID, digest, m)
}

// uploaded notes what has come. What the manifest says itself is no secret.
func (x *Intake) uploaded(ctx context.Context, agentID, digest string, m *agent.Manifest) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	known, err := x.load(agentID)
	if err != nil {
		return err
	}
	own := func(name string) bool { return m.EnvVars[name] != "" && !strings.Contains(m.EnvVars[name], "$") }
	var plain []string
	for _, name := range known.Secrets {
		if own(name) {
			plain = append(plain, name)
		}
	}
	if err := x.o.Platform.SetSecrets(ctx, agentID, nil, plain); err != nil {
		return err
	}
	known.Secrets = slices.DeleteFunc(known.Secrets, own)
	known.Digest, known.Started = digest, false
	return x.save(known)
}

// unzip receives the archive and unpacks it.
func (x *Intake) unzip(ctx context.Context, temp string, archive io.Reader) (size int64, folder string, err error) {
	file, err := os.OpenFile(filepath.Join(temp, "zip"), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return 0, "", fmt.Errorf("take upload: %w", err)
	}
	defer file.Close()
	limit := x.o.Limits.PackedLimit()
	if size, err = io.Copy(file, io.LimitReader(archive, limit+1)); err != nil {
		return 0, "", fault.New(fault.Validation, "the upload broke off after %d bytes", size)
	}
	if size > limit {
		return 0, "", x.o.Limits.OverPacked()
	}
	folder = filepath.Join(temp, "agent")
	return size, folder, bundle.UnpackZip(ctx, file, size, folder, x.o.Limits)
}

// check returns the manifest in a folder, or refuses it: it holds no agent, or
// another one.
func check(folder, agentID string) (*agent.Manifest, error) {
	a, problems := agent.Load(folder, agent.LoadOptions{Shown: agent.ManifestName})
	if err := problems.Err(); err != nil {
		return nil, fault.New(fault.Validation, "%w", err)
	}
	if a.Manifest.AgentID != agentID {
		return nil, fault.New(fault.Validation, "the manifest's agent_id is %q, not %q as was announced", a.Manifest.AgentID, agentID).WithField("agent_id")
	}
	return a.Manifest, nil
}

// pack makes a bundle of a folder and keeps it.
func (x *Intake) pack(ctx context.Context, temp, folder string) (digest string, err error) {
	packed, err := os.OpenFile(filepath.Join(temp, "bundle"), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("pack upload: %w", err)
	}
	defer packed.Close()
	sum, err := bundle.Pack(ctx, folder, packed, bundle.PackOptions{Limits: x.o.Limits})
	if err != nil {
		return "", err
	}
	if _, err := packed.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("pack upload: %w", err)
	}
	_, err = x.o.Platform.StoreBundle(ctx, sum.Digest, 0, packed)
	return sum.Digest, err
}

// Launch implements compat.Intake.
func (x *Intake) Launch(ctx context.Context, agentID string) (*api.Revision, error) {
	known, err := x.load(agentID)
	if err != nil {
		return nil, err
	}
	var rev api.Revision
	fresh := known.Digest != "" && !known.Started
	if fresh {
		rev, err = x.o.Platform.Deploy(ctx, agentID, api.DeployRequest{Digest: known.Digest, Message: "by a published client"})
	} else {
		rev, err = x.o.Platform.StartAgent(ctx, agentID)
	}
	if err != nil {
		return nil, err
	}
	err = x.o.Platform.FollowDeploy(ctx, rev.AgentID, rev.ID, func(e api.DeployEvent) error {
		if e.Revision != nil {
			rev = *e.Revision
		}
		return nil
	})
	if err != nil || rev.State != "ready" || !fresh {
		return &rev, err
	}
	return &rev, x.started(agentID, known.Digest)
}

// started notes that a bundle was brought into service, unless another came.
func (x *Intake) started(agentID, digest string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	known, err := x.load(agentID)
	if err != nil || known.Digest != digest {
		return err
	}
	known.Started = true
	return x.save(known)
}

// Status implements compat.Intake.
func (x *Intake) Status(ctx context.Context, agentID string) (api.CompatStatus, error) {
	s, err := x.o.Platform.Describe(ctx, agentID)
	if err == nil {
		return *s, nil
	}
	if known, unread := x.load(agentID); unread == nil && known.Digest != "" && fault.CodeOf(err) == fault.AgentNotFound {
		return api.CompatStatus{AgentID: agentID, Status: "uploaded"}, nil
	}
	return api.CompatStatus{}, err
}

// file is where is kept what was announced of an agent, whose ID may be any
// text.
func (x *Intake) file(agentID string) string {
	sum := sha256.Sum256([]byte(agentID))
	return filepath.Join(x.o.Dir, hex.EncodeToString(sum[:16])+".json")
}

func (x *Intake) load(agentID string) (announced, error) {
	var known announced
	text, err := os.ReadFile(x.file(agentID))
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &known)
	}
	if err != nil {
		return known, fmt.Errorf("read what was announced: %w", err)
	}
	return known, nil
}

func (x *Intake) save(known announced) error {
	text, err := json.Marshal(known)
	if err != nil {
		return fmt.Errorf("keep what was announced: %w", err)
	}
	temp, err := os.CreateTemp(x.o.Dir, temporary)
	if err != nil {
		return fmt.Errorf("keep what was announced: %w", err)
	}
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), x.file(known.AgentID))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep what was announced: %w", err), os.Remove(temp.Name()))
	}
	return nil
}

// Forget removes what is kept of an agent that was deleted.
func (x *Intake) Forget(agentID string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := os.Remove(x.file(agentID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget what was announced: %w", err)
	}
	return nil
}
