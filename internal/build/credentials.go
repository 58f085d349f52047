package build

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// indexSettings begin the names of variables that tell an installer where
// packages come from, and with which credentials.
var indexSettings = []string{
	"UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INSECURE_HOST", "UV_KEYRING_PROVIDER",
	"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_TRUSTED_HOST", "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_",
}

// shortestMasked is how long a value must be to be masked: shorter ones would
// mask ordinary words.
const shortestMasked = 4

// credentials picks from the agent's variables what the installer gets, and
// nothing else: packages are built with code of strangers. It reports whether
// there is any.
func (p *plan) credentials(vars map[string]string) bool {
	var masked []string
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		setting := slices.ContainsFunc(indexSettings, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		if !setting && !slices.Contains(p.found.refers, name) {
			continue
		}
		p.vars = append(p.vars, name+"="+vars[name])
		for _, text := range []string{vars[name], url.QueryEscape(vars[name]), url.PathEscape(vars[name])} {
			if len(text) >= shortestMasked {
				masked = append(masked, text, "•••")
			}
		}
	}
	if len(p.vars) == 0 {
		return false
	}
	p.mask = strings.NewReplacer(masked...)
	told := p.tell
	p.tell = func(line string) { told(p.mask.Replace(line)) }
	return true
}
