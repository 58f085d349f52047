package python

import (
	"path/filepath"
	"slices"
	"strings"
)

// early are the variables that libraries read when they are imported and that
// hold no secret; a name ending in * stands for all that begin so. Only these
// reach a zygote: what it imports sees them, and every agent's code may.
var early = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_*", "XDG_*",
	"PYTHONPATH", "PYTHONHASHSEED", "PYTHONWARNINGS", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONOPTIMIZE",
	"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
	"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_*", "TOKENIZERS_PARALLELISM",
	"CUDA_VISIBLE_DEVICES", "HF_HOME", "NLTK_DATA", "TIKTOKEN_CACHE_DIR", "MPLBACKEND",
	"OTEL_SDK_DISABLED", "CREWAI_DISABLE_TELEMETRY", "CREWAI_DISABLE_TRACKING", "AGNO_TELEMETRY", "ANONYMIZED_TELEMETRY", "DO_NOT_TRACK",
}

// never are variables of the author's shell that would break the chosen
// interpreter: they speak of another one.
var never = []string{"PYTHONHOME", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV_PROMPT"}

// StartEnv is the environment that a zygote or instance starts with, before
// it holds any secret: the early variables of environ, then literals.
func (i *Interpreter) StartEnv(environ []string, literals map[string]string) []string {
	kept := map[string]string{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && isEarly(name) {
			kept[name] = value
		}
	}
	for name, value := range literals {
		kept[name] = value
	}
	return flatten(i.fit(kept))
}

// AgentEnv is the environment that user code sees: environ, over which each
// overlay in turn, and the interpreter's own folder in front of PATH.
func (i *Interpreter) AgentEnv(environ []string, overlays ...map[string]string) map[string]string {
	env := map[string]string{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			env[name] = value
		}
	}
	for _, overlay := range overlays {
		for name, value := range overlay {
			env[name] = value
		}
	}
	return i.fit(env)
}

// fit makes env speak of this interpreter, as activating its environment would.
func (i *Interpreter) fit(env map[string]string) map[string]string {
	for _, name := range never {
		delete(env, name)
	}
	delete(env, "VIRTUAL_ENV")
	if !i.Virtual() {
		return env
	}
	bin := filepath.Dir(i.Path)
	env["VIRTUAL_ENV"] = i.Prefix
	dirs := filepath.SplitList(env["PATH"])
	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return dir == bin })
	env["PATH"] = strings.Join(append([]string{bin}, dirs...), string(filepath.ListSeparator))
	return env
}

func isEarly(name string) bool {
	return slices.ContainsFunc(early, func(pattern string) bool {
		prefix, wild := strings.CutSuffix(pattern, "*")
		return name == pattern || wild && strings.HasPrefix(name, prefix)
	})
}

func flatten(env map[string]string) []string {
	out := make([]string, 0, len(env))
	for name, value := range env {
		out = append(out, name+"="+value)
	}
	slices.Sort(out)
	return out
}
