package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// pair is an input key given on the command line as a flag of that name.
type pair struct {
	key   string
	value json.RawMessage
}

// splitInput parts args into those that flags knows and those that are input:
// every unknown `--key value` or `--key=value`. A key without a value is true.
func splitInput(flags *pflag.FlagSet, args []string) (known []string, input []pair, err error) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(known, args[i:]...), input, nil
		}
		name, value, joined := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if !strings.HasPrefix(arg, "--") {
			known = append(known, arg)
			continue
		}
		if flag := flags.Lookup(name); flag != nil {
			known = append(known, arg)
			if !joined && flag.NoOptDefVal == "" && i+1 < len(args) {
				i++
				known = append(known, args[i])
			}
			continue
		}
		if !joined {
			value = "true"
			if i+1 < len(args) && !strings.HasPrefix(args[i+1], "--") {
				i++
				value = args[i]
			}
		}
		if input, err = addPair(input, name, value); err != nil {
			return nil, nil, err
		}
	}
	return known, input, nil
}

func addPair(input []pair, name, value string) ([]pair, error) {
	// No parameter of Python's has a dash in its name.
	key := strings.ReplaceAll(name, "-", "_")
	if key == "" {
		return nil, usagef("--=%s has no key", value)
	}
	for _, other := range input {
		if other.key == key {
			return nil, usagef("--%s is given twice; give a list as --%s '[…]'", name, name)
		}
	}
	return append(input, pair{key, parseValue(value)}), nil
}

// parseValue returns text itself if it is JSON, else the JSON string of it.
func parseValue(text string) json.RawMessage {
	if json.Valid([]byte(text)) {
		return json.RawMessage(strings.TrimSpace(text))
	}
	raw, _ := json.Marshal(text) // of a string it can't fail
	return raw
}

// readInput reads the value of --input: JSON, @file or - for in.
func readInput(text string, in io.Reader) (json.RawMessage, error) {
	source, raw := "--input", []byte(text)
	var err error
	if text == "-" {
		source = "the standard input"
		raw, err = io.ReadAll(in)
	} else if name, isFile := strings.CutPrefix(text, "@"); isFile {
		source = name
		raw, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	raw = bytes.TrimSpace(raw)
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, usagef("%s is not JSON: %s", source, whereInJSON(raw, err))
	}
	switch value.(type) {
	case map[string]any, []any:
		return raw, nil
	}
	return nil, usagef("%s is neither a JSON object, the keyword arguments, nor a list, the positional ones", source)
}

// whereInJSON adds line and column to an error of the JSON decoder.
func whereInJSON(raw []byte, err error) string {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return err.Error()
	}
	before := raw[:min(int(syntax.Offset), len(raw))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n') - 1
	return fmt.Sprintf("line %d, column %d: %v", line, max(column, 1), err)
}

// joinInput puts the keys of pairs over base, which is nil, an object or a
// list. A list beside keys becomes the positional arguments.
func joinInput(base json.RawMessage, pairs []pair) (input any, args []any, err error) {
	if len(pairs) == 0 {
		if base == nil {
			return nil, nil, nil
		}
		return base, nil, nil
	}
	keywords := map[string]json.RawMessage{}
	if bytes.HasPrefix(base, []byte("[")) {
		var list []json.RawMessage
		if err := json.Unmarshal(base, &list); err != nil {
			return nil, nil, fmt.Errorf("decode input: %w", err)
		}
		args = make([]any, len(list))
		for i, item := range list {
			args[i] = item
		}
	} else if base != nil {
		if err := json.Unmarshal(base, &keywords); err != nil {
			return nil, nil, fmt.Errorf("decode input: %w", err)
		}
	}
	for _, p := range pairs {
		keywords[p.key] = p.value
	}
	return keywords, args, nil
}
