package scaffold

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/runagent/runagent/internal/runtime/python"
)

// HasCode reports whether dir is somebody's Python project: it has Python
// files, or what says which packages such files need.
func HasCode(dir string) bool {
	scripts, err := filepath.Glob(filepath.Join(dir, "*.py"))
	return err == nil && len(scripts) > 0 || listsRequirements(dir)
}

// Likely returns those of the candidates that callers are probably meant to
// call: functions that a decorator names as entrypoint, else what a framework
// made and is no part of something else, else functions whose parameters and
// result are annotated.
func Likely(candidates []python.Candidate) []python.Candidate {
	for _, likely := range []func(c python.Candidate) bool{
		func(c python.Candidate) bool { return c.Kind == python.KindEntrypoint },
		func(c python.Candidate) bool { return c.Kind == python.KindObject && !c.Part },
		func(c python.Candidate) bool { return c.Kind == python.KindObject },
		func(c python.Candidate) bool { return c.Annotated && !c.Part && len(c.Params) > 0 },
		func(c python.Candidate) bool { return c.Annotated },
	} {
		found := slices.DeleteFunc(slices.Clone(candidates), func(c python.Candidate) bool { return !likely(c) })
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// FromCode proposes to serve what was chosen of the code in dir, which is one
// candidate at least.
func FromCode(dir string, chosen []python.Candidate) *Proposal {
	p := &Proposal{From: "the code", Name: folderName(dir), Framework: "default"}
	for i := range chosen {
		c := &chosen[i]
		tag := strings.ReplaceAll(c.Name, ".", "_")
		if len(chosen) == 1 {
			tag = "main"
		}
		p.addCandidate(tag, c)
		if p.Framework == "default" {
			p.Framework = c.Framework
		}
	}
	if !listsRequirements(dir) {
		p.note("the folder has no requirements.txt, pyproject.toml or uv.lock: nothing will be installed")
	}
	return p
}
