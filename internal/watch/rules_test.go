package watch

import "testing"

func TestGlobPattern(t *testing.T) {
	t.Parallel()
	for glob, c := range map[string]struct{ has, not []string }{
		"*.yaml":         {[]string{"a.yaml", "deep/er/a.yaml"}, []string{"a.yml", "a.yaml.bak"}},
		"prompts/*.md":   {[]string{"prompts/a.md"}, []string{"prompts/x/a.md", "other/prompts/a.md"}},
		"./prompts/*.md": {[]string{"prompts/a.md"}, []string{"a.md"}},
		"prompts/**":     {[]string{"prompts/a", "prompts/b/c"}, []string{"prompt/a"}},
		"**/cfg.toml":    {[]string{"cfg.toml", "a/b/cfg.toml"}, []string{"a/xcfg.toml"}},
		"a/**/z":         {[]string{"a/z", "a/b/c/z"}, []string{"a/bz"}},
		"?.txt":          {[]string{"a.txt"}, []string{"ab.txt", ".txt"}},
		"[!a]x.{js,ts}":  {[]string{"bx.js", "cx.ts"}, []string{"ax.js", "bx.jsx"}},
		"a+b(c).txt":     {[]string{"a+b(c).txt"}, []string{"aab(c).txt"}},
	} {
		pattern, err := globPattern(glob)
		if err != nil {
			t.Errorf("globPattern(%q): %v", glob, err)
			continue
		}
		for _, name := range c.has {
			if !pattern.MatchString(name) {
				t.Errorf("%q does not match %q", glob, name)
			}
		}
		for _, name := range c.not {
			if pattern.MatchString(name) {
				t.Errorf("%q matches %q", glob, name)
			}
		}
	}
}

func FuzzGlobPattern(f *testing.F) {
	for _, glob := range []string{"*.yaml", "a/**/[!b]?.{x,y}", "{", "[", "**", "a\x00\xff", "[a-", "{a,[}]}"} {
		f.Add(glob, "a/b.yaml")
	}
	f.Fuzz(func(t *testing.T, glob, name string) {
		pattern, err := globPattern(glob)
		if err == nil {
			pattern.MatchString(name)
		}
	})
}
