package served

import (
	"slices"
	"strings"
	"testing"
)

func TestRaceFlagsAreNeverDroppedInSilence(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		compiler string
		ci       bool
		flags    []string
		said     string
		err      string
	}{
		{"sh -x", true, []string{"-race"}, "", ""},
		{"no-such-cc", false, nil, "no C compiler (no-such-cc): runagent is built without the race detector", ""},
		{"no-such-cc", true, nil, "", "needs a C compiler, and there is no no-such-cc"},
	} {
		var talk strings.Builder
		flags, err := raceFlags(tt.compiler, tt.ci, &talk)
		said, failure := talk.String(), ""
		if err != nil {
			failure = err.Error()
		}
		if !slices.Equal(flags, tt.flags) || !strings.Contains(said, tt.said) || !strings.Contains(failure, tt.err) ||
			(said == "") != (tt.said == "") || (failure == "") != (tt.err == "") {
			t.Errorf("%s, CI %v: %v, said %q, error %q", tt.compiler, tt.ci, flags, said, failure)
		}
	}
}
