package frameworks_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// lettaServer is as much of a Letta server as its client needs to ask an agent
// something: POST /v1/agents/{id}/messages, whole or as a stream. The agent
// says what fakellm's models say, and obeys the same orders.
type lettaServer struct{}

// lettaQuestion is the body of a question.
type lettaQuestion struct {
	Messages []struct {
		Content string `json:"content"`
	} `json:"messages"`
	Input     string `json:"input"`
	Streaming bool   `json:"streaming"`
	Tokens    bool   `json:"stream_tokens"`
}

func (q lettaQuestion) prompt() string {
	if len(q.Messages) > 0 {
		return q.Messages[len(q.Messages)-1].Content
	}
	return q.Input
}

// ServeHTTP implements http.Handler.
func (s lettaServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q lettaQuestion
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, `{"detail": "the body is no JSON"}`, http.StatusUnprocessableEntity)
		return
	}
	orders := lettaOrders(r.Header.Get("X-Fakellm"))
	if orders.status != 0 {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(orders.status)
		fmt.Fprintf(w, `{"detail": "Failed as ordered with status %d."}`, orders.status)
		return
	}
	messages := lettaMessages(q.prompt(), q.Tokens)
	if q.Streaming {
		s.stream(w, r, messages, orders)
		return
	}
	if !orders.wait(r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	answer := map[string]any{
		"messages": messages, "stop_reason": map[string]any{"message_type": "stop_reason", "stop_reason": "end_turn"}, "usage": lettaUsage,
	}
	_ = json.NewEncoder(w).Encode(answer) // the asker may have gone
}

func (s lettaServer) stream(w http.ResponseWriter, r *http.Request, messages []map[string]any, orders lettaOrder) {
	w.Header().Set("Content-Type", "text/event-stream")
	end := []map[string]any{{"message_type": "stop_reason", "stop_reason": "end_turn"}, lettaUsage}
	for at, message := range append(messages, end...) {
		if orders.cut && at == len(messages)/2 {
			panic(http.ErrAbortHandler)
		}
		if !orders.wait(r) {
			return
		}
		text, err := json.Marshal(message)
		if err != nil {
			panic(err) // maps of strings and numbers have JSON
		}
		fmt.Fprintf(w, "data: %s\n\n", text)
		_ = http.NewResponseController(w).Flush() // the asker may have gone
	}
	fmt.Fprint(w, "data: [DONE]\n\n")
}

var lettaUsage = map[string]any{
	"message_type": "usage_statistics", "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "step_count": 1,
}

// lettaMessages is what the agent says: a call of a tool where the prompt asks
// for one ("use add {…}"), and an answer, in pieces if they are wanted.
func lettaMessages(prompt string, pieces bool) []map[string]any {
	var out []map[string]any
	say := func(kind string, fields map[string]any) {
		fields["message_type"], fields["id"], fields["date"] = kind, fmt.Sprintf("message-%d", len(out)), "2026-01-01T00:00:00Z"
		out = append(out, fields)
	}
	say("reasoning_message", map[string]any{"reasoning": "What was said?", "source": "reasoner_model"})
	if name, args, ok := strings.Cut(strings.TrimPrefix(prompt, "use "), " "); ok && strings.HasPrefix(prompt, "use ") {
		call := map[string]any{"tool_call_id": "call-1", "name": name, "arguments": args}
		say("tool_call_message", map[string]any{"tool_call": call})
		say("tool_return_message", map[string]any{"tool_call_id": "call-1", "status": "success", "tool_return": "5"})
	}
	words := []string{"You said: " + prompt}
	if pieces {
		words = strings.SplitAfter(words[0], " ")
	}
	for _, word := range words {
		say("assistant_message", map[string]any{"content": word})
	}
	return out
}

// lettaOrder is what is to go wrong with one answer.
type lettaOrder struct {
	status int
	delay  time.Duration
	cut    bool
}

// lettaOrders reads an order of fakellm's: fail-429, slow-50ms or cut.
func lettaOrders(text string) (o lettaOrder) {
	verb, value, _ := strings.Cut(text, "-")
	switch verb {
	case "fail":
		o.status, _ = strconv.Atoi(value) // a test's typo answers well, which the test sees
	case "slow":
		o.delay, _ = time.ParseDuration(value)
	case "cut":
		o.cut = true
	}
	return o
}

// wait waits as ordered; it returns false when the asker has gone.
func (o lettaOrder) wait(r *http.Request) bool {
	if o.delay == 0 {
		return true
	}
	select {
	case <-time.After(o.delay):
		return true
	case <-r.Context().Done():
		return false
	}
}
