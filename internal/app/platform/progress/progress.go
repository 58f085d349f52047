// Package progress remembers what deploys say of themselves, for those who
// Follow them.
package progress

import (
	"context"
	"slices"
	"sync"

	"github.com/runagent/runagent/api"
)

const (
	// keptEvents is how many events of one deploy are remembered.
	keptEvents = 1000
	// keptDeploys is how many deploys that have ended are remembered.
	keptDeploys = 64
)

// Book remembers what deploys say of themselves, for those who follow
// them. It is safe for concurrent use.
type Book struct {
	mu    sync.Mutex // guards all that follows
	byID  map[string]*events
	ended []string
}

// events is what one deploy said.
type events struct {
	list    []api.DeployEvent
	changed chan struct{} // closed and made anew with each event
	over    bool
}

// New returns an empty Book.
func New() *Book { return &Book{byID: map[string]*events{}} }

// Begin makes a deploy one that can be followed.
func (p *Book) Begin(revision string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byID[revision] = &events{changed: make(chan struct{})}
}

// Tell adds an event; one with a revision is the last.
func (p *Book) Tell(revision string, e api.DeployEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	es := p.byID[revision]
	if es == nil || es.over || len(es.list) >= keptEvents && e.Revision == nil {
		return
	}
	es.list = append(es.list, e)
	close(es.changed)
	es.changed = make(chan struct{})
	if e.Revision == nil {
		return
	}
	es.over = true
	p.ended = append(p.ended, revision)
	if len(p.ended) > keptDeploys {
		delete(p.byID, p.ended[0])
		p.ended = p.ended[1:]
	}
}

// Amend adds to a deploy that has ended what came of it later, and how its
// revision is now. Its timings stay.
func (p *Book) Amend(revision, text string, end api.Revision) {
	p.mu.Lock()
	defer p.mu.Unlock()
	es := p.byID[revision]
	if es == nil || !es.over {
		return
	}
	last := es.list[len(es.list)-1]
	end.Timings = last.Revision.Timings
	// Who follows may hold the list, so it is made anew.
	es.list = append(slices.Clone(es.list[:len(es.list)-1]), api.DeployEvent{Text: text}, api.DeployEvent{Step: end.State, Revision: &end})
}

// Timings are those that the end of a deploy told, or nil.
func (p *Book) Timings(revision string) *api.DeployTimings {
	p.mu.Lock()
	defer p.mu.Unlock()
	if es := p.byID[revision]; es != nil && es.over {
		return es.list[len(es.list)-1].Revision.Timings
	}
	return nil
}

// Follow hands over what a deploy has said and says, to its end. It returns
// false at once when nothing is remembered of it.
func (p *Book) Follow(ctx context.Context, revision string, emit func(api.DeployEvent) error) (known bool, err error) {
	for at := 0; ; {
		p.mu.Lock()
		es := p.byID[revision]
		if es == nil {
			p.mu.Unlock()
			return false, nil
		}
		news, over, changed := es.list[at:], es.over, es.changed
		p.mu.Unlock()
		for _, e := range news {
			if err := emit(e); err != nil {
				return true, err
			}
		}
		if at += len(news); over {
			return true, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return true, context.Cause(ctx)
		}
	}
}
