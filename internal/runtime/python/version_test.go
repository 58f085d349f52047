package python

import "testing"

func TestSpecifier(t *testing.T) {
	t.Parallel()
	v := func(major, minor, micro int) Version { return Version{major, minor, micro} }
	cases := []struct {
		text     string
		has, not []Version
	}{
		{"", []Version{v(3, 9, 0), v(3, 14, 2)}, nil},
		{">=3.10", []Version{v(3, 10, 0), v(3, 14, 0)}, []Version{v(3, 9, 18)}},
		{">=3.10,<3.13", []Version{v(3, 12, 9)}, []Version{v(3, 13, 0), v(3, 9, 1)}},
		{">= 3.10, != 3.11.4", []Version{v(3, 11, 5)}, []Version{v(3, 11, 4)}},
		{">3.10", []Version{v(3, 11, 0)}, []Version{v(3, 10, 4)}},
		{"<=3.11.7", []Version{v(3, 11, 7)}, []Version{v(3, 11, 8)}},
		{"==3.11.*", []Version{v(3, 11, 7)}, []Version{v(3, 12, 0)}},
		{"!=3.11.*", []Version{v(3, 12, 0)}, []Version{v(3, 11, 7)}},
		{"3.11", []Version{v(3, 11, 7)}, []Version{v(3, 12, 0)}},
		{"3.11.7", []Version{v(3, 11, 7)}, []Version{v(3, 11, 8)}},
		{"===3.11.7", []Version{v(3, 11, 7)}, []Version{v(3, 11, 8)}},
		{"~=3.10", []Version{v(3, 10, 0), v(3, 13, 0)}, []Version{v(3, 9, 0), v(4, 0, 0)}},
		{"~=3.11.4", []Version{v(3, 11, 9)}, []Version{v(3, 11, 3), v(3, 12, 0)}},
	}
	for _, c := range cases {
		s, err := ParseSpecifier(c.text)
		if err != nil {
			t.Errorf("ParseSpecifier(%q): %v", c.text, err)
			continue
		}
		for _, version := range c.has {
			if !s.Has(version) {
				t.Errorf("%q lacks %s", c.text, version)
			}
		}
		for _, version := range c.not {
			if s.Has(version) {
				t.Errorf("%q has %s", c.text, version)
			}
		}
	}
}

func TestSpecifierRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"latest", ">=", ">=3.x", "~=3", "3.1.2.3", ">=3.10,,<4", "-1"} {
		if s, err := ParseSpecifier(text); err == nil {
			t.Errorf("ParseSpecifier(%q) = %v, want an error", text, s)
		}
	}
}
