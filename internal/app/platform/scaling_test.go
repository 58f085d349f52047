package platform

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
)

func TestScaleIsKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.deploy("bot", h.upload("Bot", `"scaling": {"max_instances": 4, "idle_timeout": "1m"},`), nil)
	two, twenty := 2, 20.0
	got, err := h.SetScale(t.Context(), "bot", api.ScaleRequest{MinInstances: &two, Target: &twenty})
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		if got.MinInstances != 2 || got.MaxInstances != 4 || got.Target != 20 || got.IdleTimeoutSeconds != 60 ||
			!slices.Equal(got.Set, []string{"min_instances", "target"}) {
			t.Errorf("%s: %+v", when, got)
		}
	}
	check("at once")
	h.again()
	if got, err = h.Scale(t.Context(), "bot"); err != nil {
		t.Fatal(err)
	}
	check("after a restart")
	h.deploy("bot", h.upload("Bot", `"scaling": {"min_instances": 1, "max_instances": 3},`), nil)
	if got, err = h.Scale(t.Context(), "bot"); err != nil || got.MinInstances != 2 || got.MaxInstances != 3 || got.IdleTimeoutSeconds != time.Hour.Seconds() {
		t.Errorf("after a deploy: %+v, %v", got, err)
	}
	if len(got.Revisions) != 1 || got.Revisions[0].Number != 2 || got.Revisions[0].Instances != 1 {
		t.Errorf("loads %+v", got.Revisions)
	}
	five := 5
	if _, err := h.SetScale(t.Context(), "bot", api.ScaleRequest{MinInstances: &five}); fault.CodeOf(err) != fault.Validation {
		t.Errorf("more than max: %v", err)
	}
	if got, err = h.SetScale(t.Context(), "bot", api.ScaleRequest{Reset: true}); err != nil || got.MinInstances != 1 || got.Target != 44.8 || len(got.Set) != 0 {
		t.Errorf("reset: %+v, %v", got, err)
	}
	if err := h.DeleteAgent(t.Context(), "bot"); err != nil {
		t.Fatal(err)
	}
	if kept, err := h.state.Scaling(t.Context()); err != nil || len(kept) != 0 {
		t.Errorf("of a deleted agent is kept: %v, %v", kept, err)
	}
}

func TestScaleRefusesWhatCanNotBe(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.deploy("bot", h.upload("Bot", ""), nil)
	for field, req := range map[string]api.ScaleRequest{
		"min_instances": {MinInstances: ptr(-1)}, "max_instances": {MaxInstances: ptr(0)},
		"target": {Target: ptr(0.0)}, "idle_timeout_seconds": {IdleTimeoutSeconds: ptr(-1.0)},
	} {
		_, err := h.SetScale(t.Context(), "bot", req)
		if f := fault.As(err); f == nil || f.Code != fault.Validation || f.Field != field {
			t.Errorf("%s: got %v", field, err)
		}
	}
	if err := h.StopAgent(t.Context(), "bot"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Scale(t.Context(), "bot"); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("stopped: %v", err)
	}
	if _, err := h.Scale(t.Context(), "nobody"); fault.CodeOf(err) != fault.AgentNotFound {
		t.Errorf("unknown: %v", err)
	}
}

// What gets calls inherits instances just before: then it is sent to sleep.
func TestTrafficThatComesBackKeepsItsRevision(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	digest := h.upload("Bot", "")
	h.deploy("bot", digest, nil)
	two := h.await(h.Deploy(t.Context(), "bot", api.DeployRequest{Digest: digest, Traffic: ptr(0)}))
	asleep := false
	h.room.mu.Lock()
	h.room.used = func(revision string) {
		h.room.mu.Lock()
		mine := revision == two.ID && !asleep
		asleep = asleep || mine
		h.room.mu.Unlock()
		if mine {
			h.fleet.Sleep(t.Context(), []string{two.ID})
		}
	}
	h.room.mu.Unlock()
	if _, err := h.SetTraffic(t.Context(), "bot", api.TrafficRequest{Traffic: []api.TrafficWish{{Revision: "2", Percent: 100}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.standby.Invoke(t.Context(), invocation.Call{Revision: two.ID}, nil); err != nil {
		t.Error(err)
	}
	h.room.mu.Lock()
	defer h.room.mu.Unlock()
	if !asleep {
		t.Error("it was not sent to sleep")
	}
}

func ptr[T any](v T) *T { return &v }

// TestWhoHasOneRevisionAwakeIsRunning wakes the revision that gets the smaller part
// of an agent's calls.
func TestWhoHasOneRevisionAwakeIsRunning(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	digest := h.upload("Bot", "")
	h.deploy("bot", digest, nil)
	minor := h.await(h.Deploy(t.Context(), "bot", api.DeployRequest{Digest: digest, Traffic: new(10)}))
	h.again()
	state := func() (string, api.Check) {
		d, err := h.Describe(t.Context(), "bot")
		if err != nil {
			t.Fatal(err)
		}
		return d.State, d.Checks[0]
	}
	if got, check := state(); got != sleeping {
		t.Errorf("%s, %+v", got, check)
	}
	if err := h.standby.Wake(t.Context(), minor.ID); err != nil {
		t.Fatal(err)
	}
	if got, check := state(); got != running || check.Status != api.Healthy {
		t.Errorf("%s, %+v", got, check)
	}
	h.trouble = func(revision string) error {
		if revision == minor.ID {
			return errors.New("it can't start")
		}
		return nil
	}
	if got, check := state(); got != running || check.Status != api.Degraded || check.Message != "it can't start" {
		t.Errorf("%s, %+v", got, check)
	}
}
