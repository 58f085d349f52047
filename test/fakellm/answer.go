package fakellm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// entry is one message of a conversation, in whichever form it came.
type entry struct {
	role string // system, user, assistant or tool
	text string
}

// question is all that an answer depends on.
type question struct {
	entries []entry
	tools   []string
	// choice is auto, none, required or the name of a tool.
	choice string
	// schema is a JSON Schema that the answer must fit; asJSON asks for any object.
	schema json.RawMessage
	asJSON bool
}

// toolCall is a wish to call a tool.
type toolCall struct {
	name      string
	arguments string // a JSON object
}

// reply is what the assistant says: a text, or tool calls.
type reply struct {
	text  string
	calls []toolCall
}

// answer decides what to say. A tool's results are passed on; a tool that the
// user names is called; all else is repeated. JSON mode wraps the text.
func answer(q question) (reply, error) {
	if len(q.entries) == 0 {
		return reply{}, newAPIError(http.StatusBadRequest, "there must be at least one message").with("messages", "")
	}
	if results := lastResults(q.entries); len(results) > 0 {
		return reply{text: q.dress(strings.Join(results, "\n"))}, nil
	}
	said := lastOf(q.entries, "user")
	calls, err := q.calls(said)
	if err != nil || len(calls) > 0 {
		return reply{calls: calls}, err
	}
	return reply{text: q.dress("You said: " + said)}, nil
}

// lastResults returns what tools answered since anybody else spoke.
func lastResults(entries []entry) []string {
	var results []string
	for _, e := range slices.Backward(entries) {
		if e.role != "tool" {
			break
		}
		results = append(results, e.text)
	}
	slices.Reverse(results)
	return results
}

func lastOf(entries []entry, role string) string {
	for _, e := range slices.Backward(entries) {
		if e.role == role {
			return e.text
		}
	}
	return ""
}

// calls finds the tools that the text names, in its order, each followed by
// its arguments or nothing. A choice that demands a tool gets one anyway.
func (q question) calls(text string) ([]toolCall, error) {
	if q.choice == "none" {
		return nil, nil
	}
	if !slices.Contains([]string{"", "auto", "required"}, q.choice) {
		if !slices.Contains(q.tools, q.choice) {
			return nil, newAPIError(http.StatusBadRequest, "Tool choice %q is not among the tools.", q.choice).with("tool_choice", "")
		}
		return []toolCall{{name: q.choice, arguments: argumentsAfter(text, q.choice)}}, nil
	}
	var found []toolCall
	for rest := text; ; {
		_, after, ok := strings.Cut(rest, "use ")
		if !ok {
			break
		}
		name, _, _ := strings.Cut(strings.TrimLeft(after, " "), " ")
		if name = strings.TrimRight(name, ".,;:!?\n"); slices.Contains(q.tools, name) {
			found = append(found, toolCall{name: name, arguments: argumentsAfter(after, name)})
		}
		rest = after
	}
	if len(found) == 0 && q.choice == "required" && len(q.tools) > 0 {
		found = []toolCall{{name: q.tools[0], arguments: argumentsAfter(text, q.tools[0])}}
	}
	return found, nil
}

// argumentsAfter returns the JSON object that stands behind name in text.
func argumentsAfter(text, name string) string {
	_, after, _ := strings.Cut(text, name)
	after = strings.TrimSpace(after)
	var object json.RawMessage
	if !strings.HasPrefix(after, "{") || json.NewDecoder(strings.NewReader(after)).Decode(&object) != nil {
		return "{}"
	}
	return string(object)
}

// dress puts text into the form that was asked for.
func (q question) dress(text string) string {
	var shaped any
	switch {
	case q.schema != nil:
		shaped = fill(q.schema, text)
	case q.asJSON:
		shaped = map[string]any{"answer": text}
	default:
		return text
	}
	body, err := json.Marshal(shaped)
	if err != nil {
		return fmt.Sprintf("%q", text)
	}
	return string(body)
}

// tokens counts as this model does: by words.
func tokens(texts ...string) int {
	count := 0
	for _, text := range texts {
		count += len(strings.Fields(text))
	}
	return count
}

// pieces cuts text into what a stream sends one by one: words with the blank
// that follows.
func pieces(text string) []string { return strings.SplitAfter(text, " ") }

// fragments cuts arguments without regard to their meaning, as models do.
func fragments(text string) []string {
	const size = 5
	var cut []string
	for runes := range slices.Chunk([]rune(text), size) {
		cut = append(cut, string(runes))
	}
	return cut
}

// promptTokens counts what came in.
func (q question) promptTokens() int {
	count := 0
	for _, e := range q.entries {
		count += tokens(e.text)
	}
	return count
}

// tokens counts what goes out.
func (r reply) tokens() int {
	count := tokens(r.text)
	for _, call := range r.calls {
		count += tokens(call.name, call.arguments)
	}
	return count
}
