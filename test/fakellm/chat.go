package fakellm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// object is any JSON object on its way out.
type object = map[string]any

// chatRequest is what POST /v1/chat/completions reads of its body.
type chatRequest struct {
	Messages []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	Tools []struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	} `json:"tools"`
	ToolChoice     json.RawMessage `json:"tool_choice"`
	ResponseFormat struct {
		Type       string `json:"type"`
		JSONSchema struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`
	Stream        bool `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	N *int `json:"n"`
}

func (s *Server) chat(w http.ResponseWriter, r *request) error {
	var in chatRequest
	if err := r.decode(&in); err != nil {
		return err
	}
	if in.N != nil && *in.N != 1 {
		return newAPIError(http.StatusBadRequest, "only n = 1 is supported").with("n", "unsupported_value")
	}
	q, err := in.question()
	if err != nil {
		return err
	}
	said, err := answer(q)
	if err != nil {
		return err
	}
	usage := object{"prompt_tokens": q.promptTokens(), "completion_tokens": said.tokens(), "total_tokens": q.promptTokens() + said.tokens()}
	if in.Stream {
		return r.stream(w, chatChunks(r, said, usage, in.StreamOptions.IncludeUsage), true)
	}
	return r.reply(w, object{
		"id": r.id("chatcmpl-"), "object": "chat.completion", "created": created, "model": r.model,
		"choices":            []object{{"index": 0, "message": chatMessage(r, said), "logprobs": nil, "finish_reason": said.finish()}},
		"usage":              usage,
		"system_fingerprint": "fp_fakellm",
	})
}

func (in chatRequest) question() (question, error) {
	q := question{asJSON: in.ResponseFormat.Type == "json_object"}
	if in.ResponseFormat.Type == "json_schema" {
		q.schema = in.ResponseFormat.JSONSchema.Schema
	}
	for i, message := range in.Messages {
		text, err := textOf(message.Content)
		if err != nil {
			return q, newAPIError(http.StatusBadRequest, "messages[%d].content: %v", i, err).with("messages", "")
		}
		q.entries = append(q.entries, entry{role: message.Role, text: text})
	}
	for _, tool := range in.Tools {
		q.tools = append(q.tools, tool.Function.Name)
	}
	var err error
	q.choice, err = choiceOf(in.ToolChoice)
	return q, err
}

// textOf reads content: a string, a list of parts, or null.
func textOf(content json.RawMessage) (string, error) {
	if len(content) == 0 || string(content) == "null" {
		return "", nil
	}
	var text string
	if json.Unmarshal(content, &text) == nil {
		return text, nil
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(content, &parts); err != nil {
		return "", fmt.Errorf("want a string or a list of parts: %w", err)
	}
	var whole strings.Builder
	for _, part := range parts {
		whole.WriteString(part.Text)
	}
	return whole.String(), nil
}

// choiceOf reads tool_choice: a word, or an object that names a function,
// directly or one level down.
func choiceOf(raw json.RawMessage) (string, error) {
	if len(raw) == 0 {
		return "", nil
	}
	var word string
	if json.Unmarshal(raw, &word) == nil {
		return word, nil
	}
	var named struct {
		Name     string `json:"name"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if err := json.Unmarshal(raw, &named); err != nil {
		return "", newAPIError(http.StatusBadRequest, "tool_choice: %v", err).with("tool_choice", "")
	}
	return named.Name + named.Function.Name, nil
}

func (said reply) finish() string {
	if len(said.calls) > 0 {
		return "tool_calls"
	}
	return "stop"
}

func chatMessage(r *request, said reply) object {
	message := object{"role": "assistant", "content": said.text, "refusal": nil}
	if len(said.calls) == 0 {
		return message
	}
	var calls []object
	for i, call := range said.calls {
		calls = append(calls, object{"id": r.callID(i), "type": "function", "function": object{"name": call.name, "arguments": call.arguments}})
	}
	message["content"], message["tool_calls"] = nil, calls
	return message
}

func (r *request) callID(index int) string { return fmt.Sprintf("%s%d", r.id("call_"), index) }

// chatChunks returns the chunks of a streamed answer.
func chatChunks(r *request, said reply, usage object, includeUsage bool) []object {
	var chunks []object
	add := func(choices []object, counted any) {
		chunk := object{
			"id": r.id("chatcmpl-"), "object": "chat.completion.chunk", "created": created, "model": r.model,
			"system_fingerprint": "fp_fakellm", "choices": choices,
		}
		if includeUsage {
			chunk["usage"] = counted
		}
		chunks = append(chunks, chunk)
	}
	delta := func(delta object) {
		add([]object{{"index": 0, "delta": delta, "logprobs": nil, "finish_reason": nil}}, nil)
	}
	delta(object{"role": "assistant", "content": "", "refusal": nil})
	if said.text != "" {
		for _, piece := range pieces(said.text) {
			delta(object{"content": piece})
		}
	}
	for i, call := range said.calls {
		delta(object{"tool_calls": []object{{"index": i, "id": r.callID(i), "type": "function", "function": object{"name": call.name, "arguments": ""}}}})
		for _, part := range fragments(call.arguments) {
			delta(object{"tool_calls": []object{{"index": i, "function": object{"arguments": part}}}})
		}
	}
	add([]object{{"index": 0, "delta": object{}, "logprobs": nil, "finish_reason": said.finish()}}, nil)
	if includeUsage {
		add([]object{}, usage)
	}
	return chunks
}
