package fakellm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// maxKept bounds the conversations remembered for previous_response_id.
const maxKept = 1000

// responsesRequest is what POST /v1/responses reads of its body.
type responsesRequest struct {
	Input        json.RawMessage `json:"input"`
	Instructions string          `json:"instructions"`
	Previous     string          `json:"previous_response_id"`
	Tools        []struct {
		Type string `json:"type"`
		Name string `json:"name"`
	} `json:"tools"`
	ToolChoice json.RawMessage `json:"tool_choice"`
	Text       struct {
		Format struct {
			Type   string          `json:"type"`
			Schema json.RawMessage `json:"schema"`
		} `json:"format"`
	} `json:"text"`
	Stream bool `json:"stream"`
}

// inputItem is one item of the list form of input.
type inputItem struct {
	Type    string          `json:"type"`
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
	Output  json.RawMessage `json:"output"`
	Name    string          `json:"name"`
}

func (s *Server) responses(w http.ResponseWriter, r *request) error {
	var in responsesRequest
	if err := r.decode(&in); err != nil {
		return err
	}
	q, err := s.responsesQuestion(in)
	if err != nil {
		return err
	}
	said, err := answer(q)
	if err != nil {
		return err
	}
	id := r.id("resp_")
	s.keep(id, append(q.entries, entry{role: "assistant", text: said.text}))
	done := response{id: id, request: r, in: in, said: said, prompt: q.promptTokens()}
	if in.Stream {
		return r.stream(w, done.events(), false)
	}
	return r.reply(w, done.object("completed", done.output()))
}

func (s *Server) responsesQuestion(in responsesRequest) (question, error) {
	q := question{asJSON: in.Text.Format.Type == "json_object"}
	if in.Text.Format.Type == "json_schema" {
		q.schema = in.Text.Format.Schema
	}
	if in.Instructions != "" {
		q.entries = append(q.entries, entry{role: "system", text: in.Instructions})
	}
	if in.Previous != "" {
		before, ok := s.recall(in.Previous)
		if !ok {
			return q, newAPIError(http.StatusBadRequest, "Previous response with id '%s' not found.", in.Previous).
				with("previous_response_id", "previous_response_not_found")
		}
		q.entries = append(q.entries, before...)
	}
	entries, err := inputEntries(in.Input)
	if err != nil {
		return q, newAPIError(http.StatusBadRequest, "%v", err).with("input", "")
	}
	q.entries = append(q.entries, entries...)
	for _, tool := range in.Tools {
		if tool.Type == "function" {
			q.tools = append(q.tools, tool.Name)
		}
	}
	q.choice, err = choiceOf(in.ToolChoice)
	return q, err
}

// inputEntries reads input: a string, or a list of messages and tool results.
func inputEntries(input json.RawMessage) ([]entry, error) {
	var text string
	if json.Unmarshal(input, &text) == nil {
		return []entry{{role: "user", text: text}}, nil
	}
	var items []inputItem
	if err := json.Unmarshal(input, &items); err != nil {
		return nil, fmt.Errorf("input: want a string or a list: %w", err)
	}
	var entries []entry
	for i, item := range items {
		role, content := item.Role, item.Content
		switch item.Type {
		case "function_call":
			role = "assistant"
		case "function_call_output":
			role, content = "tool", item.Output
		}
		text, err := textOf(content)
		if err != nil {
			return nil, fmt.Errorf("input[%d]: %w", i, err)
		}
		entries = append(entries, entry{role: role, text: text})
	}
	return entries, nil
}

// keep remembers a conversation; beyond the bound all older ones are forgotten.
func (s *Server) keep(id string, entries []entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= maxKept {
		clear(s.kept)
	}
	s.kept[id] = slices.Clone(entries)
}

func (s *Server) recall(id string) ([]entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries, ok := s.kept[id]
	return entries, ok
}

// response is an answer on its way out.
type response struct {
	id      string
	request *request
	in      responsesRequest
	said    reply
	prompt  int
}

// object is the response in a state, with the output so far.
func (a response) object(status string, output []object) object {
	tools := []any{}
	var sent struct {
		Tools []any `json:"tools"`
	}
	if json.Unmarshal(a.request.body, &sent) == nil && sent.Tools != nil {
		tools = sent.Tools
	}
	var usage any
	if status == "completed" {
		usage = object{
			"input_tokens": a.prompt, "input_tokens_details": object{"cached_tokens": 0},
			"output_tokens": a.said.tokens(), "output_tokens_details": object{"reasoning_tokens": 0},
			"total_tokens": a.prompt + a.said.tokens(),
		}
	}
	return object{
		"id": a.id, "object": "response", "created_at": created, "status": status, "error": nil,
		"incomplete_details": nil, "instructions": orNull(a.in.Instructions), "max_output_tokens": nil,
		"model": a.request.model, "output": output, "parallel_tool_calls": true,
		"previous_response_id": orNull(a.in.Previous), "reasoning": object{"effort": nil, "summary": nil},
		"store": true, "temperature": 1.0, "text": object{"format": object{"type": "text"}},
		"tool_choice": "auto", "tools": tools, "top_p": 1.0, "truncation": "disabled", "usage": usage,
		"user": nil, "metadata": object{},
	}
}

// output is the whole output: a message, or function calls.
func (a response) output() []object {
	if len(a.said.calls) == 0 {
		return []object{a.message("completed", a.part())}
	}
	var items []object
	for i, call := range a.said.calls {
		items = append(items, a.call(i, "completed", call.arguments))
	}
	return items
}

func (a response) message(status string, parts ...object) object {
	if parts == nil {
		parts = []object{}
	}
	return object{"id": a.request.id("msg_"), "type": "message", "status": status, "role": "assistant", "content": parts}
}

func (a response) part() object { return textPart(a.said.text) }

func textPart(text string) object {
	return object{"type": "output_text", "text": text, "annotations": []any{}, "logprobs": []any{}}
}

func (a response) call(index int, status, arguments string) object {
	return object{
		"id": fmt.Sprintf("%s%d", a.request.id("fc_"), index), "type": "function_call", "status": status,
		"call_id": a.request.callID(index), "name": a.said.calls[index].name, "arguments": arguments,
	}
}
