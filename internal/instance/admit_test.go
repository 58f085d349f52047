package instance

import "testing"

func TestImportErrorNamesThePlaceAsFarAsItIsKnown(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]*ImportError{
		"a.py:3: NameError: x": {Type: "NameError", Message: "x", File: "a.py", Line: 3},
		"a.py: f is 5":         {Message: "f is 5", File: "a.py"},
		"OSError: gone":        {Type: "OSError", Message: "gone"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
