package engine

import (
	"slices"
	"strings"
)

// The variables of the platform's own environment that agents get; a name
// ending in * stands for all that begin so. Everything else stays outside.
var forAgents = []string{
	"PATH", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_*", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "LD_LIBRARY_PATH",
}

// AgentEnviron is what agents get of environ.
func AgentEnviron(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return !slices.ContainsFunc(forAgents, func(pattern string) bool {
			prefix, wild := strings.CutSuffix(pattern, "*")
			return name == pattern || wild && strings.HasPrefix(name, prefix)
		})
	})
}

// BuildEnviron is what installers get: all but what is RunAgent's own, and the
// environment that the operator's shell happens to be in.
func BuildEnviron(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return name == "VIRTUAL_ENV" || strings.HasPrefix(name, "RUNAGENT_") && name != "RUNAGENT_UV"
	})
}
