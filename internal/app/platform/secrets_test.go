package platform

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/invocation"
	"github.com/runagent/runagent/internal/server"
)

// seen are the variables that the live revision of an agent is started with.
func (h *house) seen(slug string) map[string]string {
	h.t.Helper()
	a, err := h.state.Agent(h.t.Context(), slug)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.deployer.Live(a.ID).Vars
}

func (h *house) set(agent, name, value string) {
	h.t.Helper()
	if err := h.SetSecret(h.t.Context(), agent, name, value); err != nil {
		h.t.Fatal(err)
	}
}

func TestSecretsReachTheirAgents(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.set("", "SHARED", "for all of them")
	h.set("", "TOKEN", "everybody's token")
	digest := h.upload("Bot", `"env_vars": {"URL": "https://x/${TOKEN}", "SHARED": ""},`)
	h.deploy("bot", digest, nil)
	h.deploy("other", h.upload("Other", ""), nil)
	h.set("bot", "TOKEN", "the bot's own")
	if got := h.seen("bot"); got["URL"] != "https://x/everybody's token" || got["SHARED"] != "for all of them" {
		t.Errorf("the bot sees %v", got)
	}
	h.deploy("bot", digest, nil)
	if got := h.seen("bot"); got["TOKEN"] != "the bot's own" || got["URL"] != "https://x/the bot's own" {
		t.Errorf("the bot sees %v", got)
	}
	h.deploy("bot", digest, map[string]string{"TOKEN": "given"})
	if got := h.seen("bot"); got["TOKEN"] != "given" {
		t.Errorf("the bot sees %v", got)
	}
	if got := h.seen("other"); got["TOKEN"] != "everybody's token" {
		t.Errorf("the other sees %v", got)
	}
	h.again()
	if got := h.seen("bot"); got["SHARED"] != "for all of them" {
		t.Errorf("after a restart the bot sees %v", got)
	}
}

func TestSecretsAreMaskedAndNotOnTheDisk(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const value = "a-very-secret-value"
	h.set("", "MOOD", value) // no name that would give it away
	rev := h.deploy("bot", h.upload("Bot", ""), nil)
	h.logs.Append(invocation.LogLine{AgentID: rev.AgentID, Text: "mood is " + value})
	lines, err := h.logs.Tail(t.Context(), server.LogQuery{AgentID: rev.AgentID, Limit: 10})
	if err != nil || len(lines) != 1 || lines[0].Text != "mood is •••" {
		t.Errorf("%+v, %v", lines, err)
	}
	files, err := filepath.Glob(filepath.Join(h.o.Data, "*"))
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte(value)) {
			t.Errorf("%s holds the secret", file)
		}
	}
	if list, err := h.Secrets(t.Context()); err != nil || len(list) != 1 || list[0].Name != "MOOD" || list[0].UpdatedAt.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestSecretsThatCanNotBe(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, try := range map[string]struct {
		agent, name, value string
		code               fault.Code
	}{
		"a bad name":       {"", "A-B", "x", fault.Validation},
		"no value":         {"", "A", "", fault.Validation},
		"an unknown agent": {"nobody", "A", "x", fault.AgentNotFound},
	} {
		if err := h.SetSecret(t.Context(), try.agent, try.name, try.value); fault.CodeOf(err) != try.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := h.DeleteSecret(t.Context(), "", "A"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
	h.set("", "A", "x")
	if err := h.DeleteSecret(t.Context(), "", "A"); err != nil {
		t.Error(err)
	}
}
