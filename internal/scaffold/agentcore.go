package scaffold

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/runtime/python"
)

// AgentCoreName is the file that configures a project of Bedrock AgentCore.
const AgentCoreName = ".bedrock_agentcore.yaml"

// agentCoreAgent is what of an agent's configuration has a counterpart.
type agentCoreAgent struct {
	Name       string `yaml:"name"`
	Entrypoint string `yaml:"entrypoint"`
	SourcePath string `yaml:"source_path"`
	Runtime    string `yaml:"runtime_type"`
}

// FromAgentCore reads dir's .bedrock_agentcore.yaml, also one of old that has a
// single agent at its root: of its default agent the function that `@app.entrypoint` decorates, found among candidates. Errors:
// fault.Validation when it is no such configuration or has no such function.
func FromAgentCore(dir string, candidates []python.Candidate) (*Proposal, error) {
	raw, err := os.ReadFile(filepath.Join(dir, AgentCoreName))
	if err != nil {
		return nil, fmt.Errorf("read the project: %w", err)
	}
	var config struct {
		Default string               `yaml:"default_agent"`
		Agents  map[string]yaml.Node `yaml:"agents"`
	}
	if err := yaml.Unmarshal(raw, &config); err != nil {
		return nil, fault.New(fault.Validation, "%s: %w", AgentCoreName, err)
	}
	if name, agents := single(raw); len(config.Agents) == 0 && agents != nil {
		config.Default, config.Agents = name, agents
	}
	name := config.Default
	if names := slices.Sorted(maps.Keys(config.Agents)); name == "" && len(names) > 0 {
		name = names[0]
	}
	node, ok := config.Agents[name]
	if !ok {
		return nil, fault.New(fault.Validation, "%s has no agent %q", AgentCoreName, name)
	}
	var one agentCoreAgent
	if err := node.Decode(&one); err != nil {
		return nil, fault.New(fault.Validation, "%s: agents.%s: %w", AgentCoreName, name, err)
	}
	p := &Proposal{From: AgentCoreName, Name: name, Framework: "default"}
	if version, ok := strings.CutPrefix(one.Runtime, "PYTHON_"); ok { // such as PYTHON_3_12
		p.Python = strings.ReplaceAll(version, "_", ".")
	}
	if err := p.agentCoreEntrypoints(dir, one.Entrypoint, candidates); err != nil {
		return nil, err
	}
	p.agentCoreNotes(dir, name, &config.Agents, node)
	return p, nil
}

// single returns the agent of a configuration that has no list of agents, by
// its name, or none.
func single(raw []byte) (name string, agents map[string]yaml.Node) {
	var one agentCoreAgent
	var node yaml.Node
	if yaml.Unmarshal(raw, &one) != nil || one.Entrypoint == "" || yaml.Unmarshal(raw, &node) != nil {
		return "", nil
	}
	return one.Name, map[string]yaml.Node{one.Name: node}
}

// agentCoreEntrypoints adds the decorated functions of the file that the
// configuration names, which may be a folder.
func (p *Proposal) agentCoreEntrypoints(dir, place string, candidates []python.Candidate) error {
	file, named, _ := strings.Cut(place, ":")
	rel, ok := within(dir, file)
	for tail := filepath.ToSlash(file); !ok && filepath.IsAbs(file) && tail != ""; { // written on another machine
		_, tail, _ = strings.Cut(tail, "/")
		if tail != "" && isFile(dir, tail) {
			rel, ok = within(dir, tail)
		}
	}
	if !ok {
		return fault.New(fault.Validation, "%s: the entrypoint %s is outside the folder", AgentCoreName, place)
	}
	for i := range candidates {
		c := &candidates[i]
		if c.Kind != python.KindEntrypoint || c.File != rel && rel != "." && !strings.HasPrefix(c.File, rel+"/") {
			continue
		}
		if named != "" && c.Name != named {
			continue
		}
		if len(c.Required) > 1 {
			p.note("%s:%d: AgentCore gives %s its context as second parameter; give %q a default, such as None",
				c.File, c.Line, c.Name, c.Required[1])
		}
		p.addCandidate("main", c)
		if len(c.Params) > 1 { // a single one gets the whole input anyway
			p.note("call it with what AgentCore calls the payload as `%s`: {\"input\": {%q: {…}}}", c.Params[0], c.Params[0])
		}
	}
	if len(p.Entrypoints) == 0 {
		return fault.New(fault.Validation, "%s: no function of %s is decorated with @app.entrypoint", AgentCoreName, rel)
	}
	return nil
}

func (p *Proposal) agentCoreNotes(dir, name string, agents *map[string]yaml.Node, node yaml.Node) {
	for _, other := range slices.Sorted(maps.Keys(*agents)) {
		if other != name {
			p.note("agent %q is left out: a folder is one agent", other)
		}
	}
	var keys map[string]yaml.Node
	_ = node.Decode(&keys) // it decoded before
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		switch value := keys[key]; {
		case slices.Contains([]string{"name", "entrypoint", "source_path", "language", "platform", "container_runtime", "deployment_type", "runtime_type", "source"}, key):
		case value.Kind == yaml.ScalarNode && (value.Tag == "!!null" || value.Value == ""):
		case key == "memory":
			p.note("\"memory\" is left out: calls of the AgentCore memory in your code need AWS credentials, as before")
		case key == "aws" || key == "bedrock_agentcore" || key == "codebuild":
			p.note("%q is left out: nothing is made in AWS", key)
		default:
			p.note("%q is left out: it has no counterpart", key)
		}
	}
	if !listsRequirements(dir) {
		p.note("the folder has no requirements.txt, pyproject.toml or uv.lock: nothing will be installed")
	}
}
