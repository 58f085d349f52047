package agent_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/runagent/runagent/internal/agent"
)

// withEnv returns the smallest manifest with the given env_vars.
func withEnv(t testing.TB, vars string) *agent.Manifest {
	t.Helper()
	m, problems := agent.Parse("m.json", []byte(strings.Replace(good, "{", "{\"env_vars\":\n"+vars+",\n", 1)))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return m
}

func lookupIn(set map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := set[name]
		return value, ok
	}
}

func TestExpandEnv(t *testing.T) {
	t.Parallel()
	set := map[string]string{"HOST": "db", "EMPTY": "", "KEY": "secret", "NESTED": "${HOST}"}
	for value, want := range map[string]string{
		"literal":                    "literal",
		"${HOST}":                    "db",
		"http://${HOST}:${PORT:-80}": "http://db:80",
		"${EMPTY:-x}":                "x",
		"${EMPTY}":                   "",
		"${HOST:-x}":                 "db",
		"${NO:-}":                    "",
		"${NO:-a:-b}":                "a:-b",
		"$$":                         "$",
		"$${HOST}":                   "${HOST}",
		"$HOST costs 5$":             "$HOST costs 5$",
		"${NESTED}":                  "${HOST}", // values are not expanded again
		"ä${HOST}ö":                  "ädbö",
	} {
		raw, _ := json.Marshal(map[string]string{"V": value})
		got, problems := agent.ExpandEnv(withEnv(t, string(raw)), lookupIn(set))
		if len(problems) > 0 || got["V"] != want {
			t.Errorf("%s: got %q, want %q, problems %v", value, got["V"], want, problems)
		}
	}
}

func TestExpandEnvDoesNotBlankWhatIsSet(t *testing.T) {
	t.Parallel()
	m := withEnv(t, `{"KEY":"","OTHER":"","SELF":"${SELF}","BLANK":"${NO:-}","OVER":"new"}`)
	got, problems := agent.ExpandEnv(m, lookupIn(map[string]string{"KEY": "secret", "SELF": "", "BLANK": "b", "OVER": "old"}))
	want := map[string]string{"OTHER": "", "OVER": "new"}
	if len(problems) > 0 || !maps.Equal(got, want) {
		t.Errorf("got %v, want %v, problems %v", got, want, problems)
	}
}

func TestExpandEnvNamesWhatHasNoValue(t *testing.T) {
	t.Parallel()
	m := withEnv(t, "{\n  \"A\": \"é ${ONE} ${TWO}\",\n  \"B\": \"${}\", \"C\": \"${x y}\", \"D\": \"${OPEN\",\n  \"E\": \"\\u0024{ESC}\", \"F\": \"fine\"}")
	got, problems := agent.ExpandEnv(m, lookupIn(nil))
	want := `m.json:3:11: env_vars.A: ${ONE} has no value: set ONE in the environment or in .env, or write ${ONE:-default}
m.json:3:18: env_vars.A: ${TWO} has no value: set TWO in the environment or in .env, or write ${TWO:-default}
m.json:4:9: env_vars.B: "${}" is neither ${VAR} nor ${VAR:-default}
m.json:4:21: env_vars.C: "${x y}" is neither ${VAR} nor ${VAR:-default}
m.json:4:36: env_vars.D: ${ has no } after it; $$ is one $
m.json:5:8: env_vars.E: ${ESC} has no value: set ESC in the environment or in .env, or write ${ESC:-default}`
	if problems.Error() != want {
		t.Errorf("got:\n%s\nwant:\n%s", problems.Error(), want)
	}
	if !maps.Equal(got, map[string]string{"F": "fine"}) {
		t.Errorf("got %v", got)
	}
}
