package agent_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/runagent/runagent/internal/agent"
)

func TestSlug(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Echo":                      "echo",
		"My  Billing_Agent (v2)":    "my-billing-agent-v2",
		"  --Trim me!  ":            "trim-me",
		"Café Über-Straße":          "cafe-uber-straße",
		"Cafe\u0301":                "cafe",
		"İSTANBUL":                  "istanbul",
		"助手 一号":                     "助手-一号",
		"ガイド":                       "ガイド", // the mark makes another letter: it stays
		"हिन्दी":                    "हिन्दी",
		"a\x00b/c?d":                "a-b-c-d",
		strings.Repeat("Word ", 10): strings.TrimSuffix(strings.Repeat("word-", 10), "-"),
	} {
		if got := agent.Slug(name); got != want {
			t.Errorf("Slug(%q): got %q, want %q", name, got, want)
		}
	}
}

func TestSlugOfSignsIsStableAndItsOwn(t *testing.T) {
	t.Parallel()
	a, b := agent.Slug("🤖"), agent.Slug("🤖🤖")
	if a == b || a != agent.Slug("🤖") || !strings.HasPrefix(a, "agent-") {
		t.Errorf("got %q and %q", a, b)
	}
}

func FuzzSlug(f *testing.F) {
	f.Add("My Agent")
	f.Add("É\u0301 \xff")
	f.Fuzz(func(t *testing.T, name string) {
		slug := agent.Slug(name)
		bad := func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`/?#%"\`, r) }
		if slug == "" || strings.ContainsFunc(slug, bad) || strings.Contains(slug, "--") {
			t.Errorf("Slug(%q) = %q", name, slug)
		}
	})
}

func TestDeriveID(t *testing.T) {
	t.Parallel()
	id := agent.DeriveID("/home/me/agent")
	// Changing this value would give every agent without an ID another one.
	if want := "309803ac-32c9-53d6-8d6a-60152aa55d78"; id != want {
		t.Errorf("got %q, want %q", id, want)
	}
	if other := agent.DeriveID("/home/me/agent2"); other == id {
		t.Errorf("two folders share %q", id)
	}
}
