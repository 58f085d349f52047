package bundle

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/runagent/runagent/internal/fault"
)

// Names that never go into a bundle, whatever the ignore files say.
var (
	neverFolders = []string{
		".git", ".hg", ".svn", ".venv", "__pycache__", "node_modules", ".tox", ".nox", ".mypy_cache",
		".pytest_cache", ".ruff_cache", ".ipynb_checkpoints", ".idea", ".vscode", ".ssh", ".aws",
	}
	neverFiles = []string{".git", ".env", ".DS_Store", ".netrc", ".pypirc"}
	// envTemplates are .env files that are written to be read by others.
	envTemplates = []string{".env.example", ".env.sample", ".env.template"}
)

// never reports whether an entry stays out whatever the ignore files say.
func never(name string, folder bool) bool {
	if folder {
		return slices.Contains(neverFolders, name)
	}
	return slices.Contains(neverFiles, name) || strings.HasSuffix(name, ".pyc") ||
		strings.HasPrefix(name, ".env.") && !slices.Contains(envTemplates, name)
}

// Files that are secrets by their names, and those of them that are written to
// be read by others.
var (
	secretNames = regexp.MustCompile(`(?i)^(id_(rsa|dsa|ecdsa|ed25519)|credentials\.json|client_secret.*\.json|service[-_]account.*\.json|` +
		`secrets?\.(json|ya?ml|toml)|\.(htpasswd|envrc|git-credentials|pgpass)|.*\.(key|p12|pfx|jks|keystore|kdbx|ppk|env))$`)
	sampleNames = regexp.MustCompile(`(?i)^(.*[._-])?(example|sample|template)\.env$`)
)

// Texts that are secrets wherever they stand, and what they are.
var secretTexts = []struct {
	pattern *regexp.Regexp
	what    string
}{
	{regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`), "a private key"},
	{regexp.MustCompile(`\bAKIA[0-9A-Z]{16}\b`), "an AWS access key"},
	{regexp.MustCompile(`\bsk-(proj-|ant-|svcacct-)?[A-Za-z0-9_-]{32,}`), "an API key"},
	{regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{36,}`), "a GitHub token"},
	{regexp.MustCompile(`\bAIza[0-9A-Za-z_-]{35}(?:[^0-9A-Za-z_-]|$)`), "a Google API key"},
	{regexp.MustCompile(`\bxox[abp]-[0-9A-Za-z-]{20,}`), "a Slack token"},
}

// secretScan is how much of a file is searched for secrets.
const secretScan = 256 << 10

// looksSecret says what makes a file look like a secret, or "". head is how it
// begins.
func looksSecret(rel string, head []byte) string {
	if name := path.Base(rel); secretNames.MatchString(name) && !sampleNames.MatchString(name) {
		return "by its name"
	}
	if what := LooksSecret(string(head)); what != "" {
		return "it holds " + what
	}
	return ""
}

// LooksSecret says which kind of secret a text looks like or holds, or "".
func LooksSecret(text string) string {
	for _, s := range secretTexts {
		if s.pattern.MatchString(text) {
			return s.what
		}
	}
	return ""
}

// secretsFound refuses a folder for the files that look like secrets.
func secretsFound(found []string) error {
	shown := found
	if len(shown) > 10 {
		shown = append(slices.Clone(shown[:10]), "…")
	}
	return fault.New(fault.Validation, "files that look like secrets would be uploaded: %s", strings.Join(shown, ", ")).
		WithSuggestion("Name them in .runagentignore and give the agent their values as variables, or upload them with --allow-secret-files.")
}
