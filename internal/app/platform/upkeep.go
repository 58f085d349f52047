package platform

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/runagent/runagent/internal/build"
	"github.com/runagent/runagent/internal/fault"
)

const (
	// forgetBundles is how old a bundle must be that no revision was made of.
	forgetBundles = time.Hour
	// upkeepEvery is how often is looked for what nobody needs any more.
	upkeepEvery = 10 * time.Minute
	// keepRecentEvery is how often is kept who was called: what was since is taken
	// for called earlier after a kill.
	keepRecentEvery = time.Minute
)

// upkeep removes what nobody needs any more, now and then, until ctx ends.
func (s *service) upkeep(ctx context.Context) error {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		err := s.tidy(ctx)
		if ctx.Err() == nil {
			s.note("what nobody needs not removed", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// tidy removes bundles that no revision is made of, uploads that broke off,
// locks of revisions that are gone, and environments nobody has used for long.
func (s *service) tidy(ctx context.Context) error {
	now := time.Now()
	gone, err := s.state.ForgetUnusedBundles(ctx, now.Add(-forgetBundles))
	errs := []error{err, s.folders.RemoveBundles(gone), s.folders.RemoveParts(now)}
	locks, err := s.state.Locks(ctx)
	if err == nil {
		err = s.folders.RemoveLocksBut(locks, now)
	}
	s.collectEnvironments(s.short)
	return errors.Join(append(errs, err)...)
}

// collectEnvironments removes those that are not needed, and while short says
// so those that are not in use.
func (s *service) collectEnvironments(short func() bool) {
	needs := build.Needs{Short: short}
	for _, rev := range s.standby.Awake() {
		needs.Used = append(needs.Used, rev.Environment.Key)
	}
	for _, rev := range s.traffic.Live() {
		needs.Live = append(needs.Live, rev.Environment.Key)
	}
	s.engine.CollectEnvironmentsBut(needs)
}

// short reports whether the data folder takes more than it may.
func (s *service) short() bool { return s.o.Quota > 0 && s.folders.Taken() > s.o.Quota }

// room makes room in the data folder for one more environment, if it must.
// Packages are downloaded again where the cache went, which only who is alone
// may take away.
func (s *service) room(alone bool) error {
	if !s.short() {
		return nil
	}
	s.collectEnvironments(s.short)
	if !s.short() {
		return nil
	}
	if alone {
		s.note("package cache not removed", os.RemoveAll(s.folders.Cache()))
	}
	if taken := s.folders.Taken(); taken > s.o.Quota {
		return fault.New(fault.Conflict, "the platform's data take %d MiB, of %d MiB that they may, so nothing more is installed", taken>>20, s.o.Quota>>20).
			WithSuggestion("Delete agents that are not needed, or allow more with --data-quota of `runagent platform start`.")
	}
	return nil
}

// keepRecentUse keeps which agents were called, until ctx ends.
func (s *service) keepRecentUse(ctx context.Context) error {
	tick := time.NewTicker(keepRecentEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.note("recent use not kept", s.recent.Keep(s.standby.Recent()))
			return nil
		}
		s.note("recent use not kept", s.recent.Keep(s.standby.Recent()))
	}
}
