package scaffold

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tailscale/hujson"

	"github.com/runagent/runagent/internal/agent"
	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/runtime/python"
)

// LangGraphName is the file that configures a project of LangGraph's platform.
const LangGraphName = "langgraph.json"

// langGraphLeft are the keys of langgraph.json that have no counterpart, with
// what there is instead.
var langGraphLeft = map[string]string{
	"auth":                "who may call is RunAgent's to say, not the agent's",
	"store":               "make the store in your code and give it to compile()",
	"checkpointer":        "make the checkpointer in your code and give it to compile()",
	"http":                "RunAgent serves its own routes",
	"ui":                  "interfaces are not served",
	"ui_config":           "interfaces are not served",
	"dockerfile_lines":    "no image is built; what the lines install has to be on the machine",
	"base_image":          "no image is built",
	"image_distro":        "no image is built",
	"pip_config_file":     "set UV_INDEX_URL, or have the options in requirements.txt",
	"pip_installer":       "uv installs the requirements",
	"keep_pkg_tools":      "uv installs the requirements",
	"node_version":        "graphs in JavaScript are not served",
	"webhooks":            "calls are answered to who makes them",
	"disable_persistence": "nothing is persisted unless your code does",
}

// FromLangGraph reads dir's langgraph.json. candidates are what the folder's
// files have, as far as is known. Errors: fault.Validation when the file is no
// such configuration or no graph of it can be served, with what it lacks.
func FromLangGraph(dir string, candidates []python.Candidate) (*Proposal, error) {
	raw, err := os.ReadFile(filepath.Join(dir, LangGraphName))
	if err != nil {
		return nil, fmt.Errorf("read the project: %w", err)
	}
	if standard, err := hujson.Standardize(raw); err == nil { // comments are usual
		raw = standard
	}
	var config map[string]json.RawMessage
	if err := json.Unmarshal(raw, &config); err != nil {
		return nil, fault.New(fault.Validation, "%s: %w", LangGraphName, err)
	}
	p := &Proposal{From: LangGraphName, Name: folderName(dir), Framework: "langgraph"}
	if err := p.graphs(dir, config["graphs"], candidates); err != nil {
		return nil, err
	}
	p.environment(dir, config["env"])
	p.dependencies(dir, config["dependencies"])
	if raw := config["python_version"]; raw != nil && json.Unmarshal(raw, &p.Python) != nil {
		p.note("\"python_version\" is left out: it is not a text")
	}
	for _, key := range slices.Sorted(maps.Keys(config)) {
		switch key {
		case "graphs", "env", "dependencies", "python_version", "$schema":
		default:
			why := langGraphLeft[key]
			if why == "" {
				why = "it has no counterpart"
			}
			p.note("%q is left out: %s", key, why)
		}
	}
	return p, nil
}

// graphs makes two entrypoints of each graph: one that answers, one that streams.
func (p *Proposal) graphs(dir string, raw json.RawMessage, candidates []python.Candidate) error {
	var graphs map[string]json.RawMessage
	if err := json.Unmarshal(raw, &graphs); err != nil || len(graphs) == 0 {
		return fault.New(fault.Validation, "%s names no graphs", LangGraphName)
	}
	for _, id := range slices.Sorted(maps.Keys(graphs)) {
		if id == "" || strings.TrimSpace(id) != id {
			p.note("graph %q is left out: its name is empty or has blanks at its ends", id)
			continue
		}
		var long struct{ Path, Description string }
		if json.Unmarshal(graphs[id], &long.Path) != nil {
			if err := json.Unmarshal(graphs[id], &long); err != nil {
				return fault.New(fault.Validation, "%s: graphs.%s: %w", LangGraphName, id, err)
			}
		}
		file, name, err := graphPlace(dir, long.Path)
		if err != nil {
			p.note("graph %q is left out: %v", id, err)
			continue
		}
		i := slices.IndexFunc(candidates, func(c python.Candidate) bool { return c.File == file && c.Name == name })
		if i >= 0 && candidates[i].Kind == python.KindFunction {
			p.note("graph %q is left out: %s:%d is a function that makes it; add a line such as `graph = %s(…)` and name that",
				id, file, candidates[i].Line, name)
			continue
		}
		tag := strings.TrimSuffix(id, "_stream") // an entrypoint of that name streams
		if tag == "" {
			tag = "main"
		}
		p.add(Entrypoint{Tag: tag, File: file, Module: name + ".invoke", Description: long.Description})
		if tag != id {
			p.note("graph %q is called as %q: a tag that ends in _stream is one that streams", id, p.Entrypoints[len(p.Entrypoints)-1].Tag)
		}
		p.add(Entrypoint{Tag: tag + "_stream", File: file, Module: name + ".stream", Type: agent.GenericStream, Description: long.Description})
	}
	if len(p.Entrypoints) == 0 {
		return fault.New(fault.Validation, "%s has no graph that can be served: %s", LangGraphName, strings.Join(p.Notes, "; "))
	}
	return nil
}

// graphPlace reads "./src/agent.py:graph" and "src.agent:graph".
func graphPlace(dir, text string) (file, name string, err error) {
	i := strings.LastIndex(text, ":")
	if i <= 0 || i == len(text)-1 {
		return "", "", fmt.Errorf("%q is not of the form ./file.py:name", text)
	}
	path, name := text[:i], text[i+1:]
	switch filepath.Ext(path) {
	case ".py":
	case ".js", ".ts", ".mjs", ".cjs", ".tsx", ".jsx", ".mts", ".cts":
		return "", "", fmt.Errorf("%s is not Python", path)
	default:
		path = strings.ReplaceAll(path, ".", "/") + ".py"
		if !isFile(dir, path) && isFile(dir, "src/"+path) {
			path = "src/" + path
		}
	}
	file, ok := within(dir, path)
	if !ok {
		return "", "", fmt.Errorf("%s is outside the folder", path)
	}
	if !isFile(dir, file) {
		return "", "", fmt.Errorf("there is no file %s", file)
	}
	return file, name, nil
}

// environment takes over variables; a file other than .env has to be named.
func (p *Proposal) environment(dir string, raw json.RawMessage) {
	var file string
	var values map[string]json.RawMessage
	if raw == nil || json.Unmarshal(raw, &values) == nil {
		p.variables(values)
		return
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		p.note("\"env\" is left out: it is neither a file nor an object of texts")
		return
	}
	switch rel, ok := within(dir, file); {
	case rel == ".env":
		if !isFile(dir, rel) {
			p.note("variables are to come from .env, which is not there yet")
		}
	case ok:
		p.note("variables come from %s: serve with `--env-file %s`", rel, rel)
	default:
		p.note("variables come from %s, outside the folder: serve with `--env-file`", file)
	}
}

// variables takes over those that are texts under names that variables can have.
func (p *Proposal) variables(values map[string]json.RawMessage) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		var text *string
		switch err := json.Unmarshal(values[name], &text); {
		case !agent.ValidVariable(name):
			p.note("the variable %q is left out: it is no variable's name", name)
		case err != nil || text == nil:
			p.note("the variable %s is left out: it is not a text", name)
		default:
			if p.EnvVars == nil {
				p.EnvVars = map[string]string{}
			}
			p.EnvVars[name] = *text
		}
	}
}

// dependencies looks whether the folder lists what has to be installed.
func (p *Proposal) dependencies(dir string, raw json.RawMessage) {
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil && raw != nil {
		p.note("\"dependencies\" is left out: it is not a list of texts")
	}
	var packages, folders []string
	for _, one := range list {
		switch {
		case one == "." || one == "./":
		case strings.HasPrefix(one, "."):
			folders = append(folders, one)
		default:
			packages = append(packages, one)
		}
	}
	if len(packages) > 0 {
		p.note("have these in requirements.txt: %s", strings.Join(packages, ", "))
	}
	for _, folder := range folders {
		if requirements := filepath.ToSlash(filepath.Join(folder, "requirements.txt")); isFile(dir, requirements) && p.Requirements == "" && !isFile(dir, "requirements.txt") {
			p.Requirements = requirements
			continue
		}
		p.note("the dependency %s is a folder: have it in requirements.txt", folder)
	}
	if p.Requirements == "" && !listsRequirements(dir) {
		p.note("the folder has no requirements.txt, pyproject.toml or uv.lock: nothing will be installed")
	}
}

func listsRequirements(dir string) bool {
	for _, name := range []string{"requirements.txt", "pyproject.toml", "uv.lock"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}
