package folders

import (
	"errors"
	"os"
	"path/filepath"
)

// AgentData is the folder of what an agent stores.
func (f Folders) AgentData(agentID string) string { return filepath.Join(f.Data, "data", agentID) }

// deletion is a file that says that an agent is being deleted.
func (f Folders) deletion(agentID string) string { return filepath.Join(f.Data, "deleted", agentID) }

// Deleting deletes an agent by forget, and notes it before, so that what the
// agent has stored goes although this process may be killed first.
func (f Folders) Deleting(agentID string, forget func() error) error {
	note := f.deletion(agentID)
	// Not on a full disk: only who is killed then leaves anything.
	noted := errors.Join(os.MkdirAll(filepath.Dir(note), 0o700), os.WriteFile(note, nil, 0o600), Sync(filepath.Dir(note))) == nil
	err := forget()
	if err != nil && noted {
		return errors.Join(err, os.Remove(note))
	}
	return err
}

// Deleted returns the agents of which Deleting has a note, and RemoveData was
// not called since.
func (f Folders) Deleted() (agentIDs []string) {
	notes, _ := os.ReadDir(f.deletion("")) // where that fails there are none
	for _, note := range notes {
		agentIDs = append(agentIDs, note.Name())
	}
	return agentIDs
}

// RemoveData removes what a deleted agent has stored.
func (f Folders) RemoveData(agentID string) error {
	if err := os.RemoveAll(f.AgentData(agentID)); err != nil {
		return err
	}
	return os.RemoveAll(f.deletion(agentID))
}
