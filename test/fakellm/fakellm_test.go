package fakellm_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/runagent/runagent/test/fakellm"
)

// post sends body with a good key and returns the answer and its text.
func post(t *testing.T, server *httptest.Server, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer good")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil && !strings.Contains(body, "cut") {
		t.Fatalf("read the answer to POST %s: %v", path, err)
	}
	return res, string(text)
}

func start(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(fakellm.New())
	t.Cleanup(server.Close)
	return server
}

func TestChatAnswersFromTheLastMessage(t *testing.T) {
	t.Parallel()
	server := start(t)
	const tools = `,"tools":[{"type":"function","function":{"name":"add"}},{"type":"function","function":{"name":"sub"}}]`
	cases := []struct{ name, body, want string }{
		{"repeats", `"messages":[{"role":"user","content":"hi"}]`, `"content":"You said: hi"`},
		{"joins parts", `"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]`, `"content":"You said: ab"`},
		{"calls a named tool", `"messages":[{"role":"user","content":"use add {\"a\": 1}"}]` + tools, `"function":{"arguments":"{\"a\": 1}","name":"add"}`},
		{"calls without arguments", `"messages":[{"role":"user","content":"now use sub."}]` + tools, `"function":{"arguments":"{}","name":"sub"}`},
		{"ignores strange tools", `"messages":[{"role":"user","content":"use mul {}"}]` + tools, `"content":"You said: use mul {}"`},
		{"obeys none", `"messages":[{"role":"user","content":"use add {}"}],"tool_choice":"none"` + tools, `"content":"You said: use add {}"`},
		{"obeys a choice", `"messages":[{"role":"user","content":"x"}],"tool_choice":{"type":"function","function":{"name":"sub"}}` + tools, `"name":"sub"`},
		{"passes results on", `"messages":[{"role":"user","content":"use add {}"},{"role":"tool","content":"3"},{"role":"tool","content":"4"}]` + tools, `"content":"3\n4"`},
		{"speaks JSON", `"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_object"}`, `"content":"{\"answer\":\"You said: x\"}"`},
		{
			"fits a schema",
			`"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object","properties":` +
				`{"n":{"type":"integer"},"p":{"$ref":"#/$defs/P"},"e":{"enum":["a","b"]},"u":{"anyOf":[{"type":"null"},{"type":"string"}]}},` +
				`"$defs":{"P":{"properties":{"ok":{"type":"boolean"},"next":{"$ref":"#/$defs/Q"}}},"Q":{"type":"array","items":{"type":["string","null"]}}}}}}`,
			`{\"e\":\"a\",\"n\":1,\"p\":{\"next\":[\"You said: x\"],\"ok\":true},\"u\":null}`,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			res, text := post(t, server, "/v1/chat/completions", `{"model":"fake",`+c.body+`}`)
			if res.StatusCode != http.StatusOK || !strings.Contains(text, c.want) {
				t.Errorf("got %d %s\nwant %s", res.StatusCode, text, c.want)
			}
		})
	}
}

func TestErrorsLookLikeOpenAIs(t *testing.T) {
	t.Parallel()
	server := start(t)
	const chat, good = "/v1/chat/completions", `"messages":[{"role":"user","content":"x"}]}`
	cases := []struct {
		name, path, body string
		header           []string
		status           int
		kind, code       string
	}{
		{"no key", chat, `{}`, []string{"Authorization", ""}, 401, "invalid_request_error", ""},
		{"bad key", chat, `{}`, []string{"Authorization", "Bearer bad"}, 401, "invalid_request_error", "invalid_api_key"},
		{"no JSON", chat, `{`, nil, 400, "invalid_request_error", ""},
		{"no model", chat, `{}`, nil, 400, "invalid_request_error", ""},
		{"no messages", chat, `{"model":"fake"}`, nil, 400, "invalid_request_error", ""},
		{"bad content", chat, `{"model":"fake","messages":[{"role":"user","content":7}]}`, nil, 400, "invalid_request_error", ""},
		{"many answers", chat, `{"model":"fake","n":2,` + good, nil, 400, "invalid_request_error", "unsupported_value"},
		{"strange tool", chat, `{"model":"fake","tool_choice":{"name":"x"},` + good, nil, 400, "invalid_request_error", ""},
		{"ordered 429", chat, `{"model":"fail-429",` + good, nil, 429, "requests", "rate_limit_exceeded"},
		{"ordered 500", chat, `{"model":"gpt+fail-500",` + good, nil, 500, "server_error", ""},
		{"ordered 404", "/v1/embeddings", `{"model":"x","input":"x"}`, []string{"X-Fakellm", "fail-404"}, 404, "invalid_request_error", "model_not_found"},
		{"ordered 418", chat, `{"model":"fail-418",` + good, nil, 418, "invalid_request_error", ""},
		{"bad order", chat, `{"model":"slow-soon",` + good, nil, 400, "invalid_request_error", ""},
		{"impossible order", chat, `{"model":"fail-200",` + good, nil, 400, "invalid_request_error", ""},
		{"bad input", "/v1/responses", `{"model":"fake","input":7}`, nil, 400, "invalid_request_error", ""},
		{"forgotten response", "/v1/responses", `{"model":"fake","input":"x","previous_response_id":"x"}`, nil, 400, "invalid_request_error", "previous_response_not_found"},
		{"bad embedding", "/v1/embeddings", `{"model":"fake","input":{}}`, nil, 400, "invalid_request_error", ""},
		{"many dimensions", "/v1/embeddings", `{"model":"fake","input":"x","dimensions":5000}`, nil, 400, "invalid_request_error", ""},
		{"strange path", "/v1/edits", `{}`, nil, 404, "invalid_request_error", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			res, text := post(t, server, c.path, c.body, c.header...)
			var body struct {
				Error struct{ Message, Type, Code string }
			}
			if err := json.Unmarshal([]byte(text), &body); err != nil {
				t.Fatalf("%v in %s", err, text)
			}
			if res.StatusCode != c.status || body.Error.Type != c.kind || body.Error.Code != c.code || body.Error.Message == "" {
				t.Errorf("got %d %s\nwant %d, type %q, code %q and a message", res.StatusCode, text, c.status, c.kind, c.code)
			}
			if after := res.Header.Get("Retry-After"); (after != "") != (c.status == 429) {
				t.Errorf("Retry-After is %q with status %d", after, c.status)
			}
		})
	}
}

func TestFailuresEndWhenOrderedSo(t *testing.T) {
	t.Parallel()
	server := start(t)
	var got []int
	for range 4 {
		res, _ := post(t, server, "/v1/chat/completions", `{"model":"fail-503x2","messages":[{"role":"user","content":"x"}]}`)
		got = append(got, res.StatusCode)
	}
	if got[0] != 503 || got[1] != 503 || got[2] != 200 || got[3] != 200 {
		t.Errorf("got statuses %v, want 503 twice, then 200", got)
	}
}

func TestStreamsEndAsOpenAIs(t *testing.T) {
	t.Parallel()
	server := start(t)
	const chat = `"stream":true,"messages":[{"role":"user","content":"a b c d e f"}]}`
	_, whole := post(t, server, "/v1/chat/completions", `{"model":"slow-1ms",`+chat)
	if !strings.HasSuffix(whole, "data: [DONE]\n\n") || strings.Contains(whole, "event:") {
		t.Errorf("a chat stream ends with [DONE] and names no events:\n%s", whole)
	}
	_, half := post(t, server, "/v1/chat/completions", `{"model":"cut",`+chat)
	if events := strings.Count(half, "data: "); events == 0 || events >= strings.Count(whole, "data: ") || strings.Contains(half, "[DONE]") {
		t.Errorf("a cut stream ends half-way:\n%s", half)
	}
	_, typed := post(t, server, "/v1/responses", `{"model":"fake","stream":true,"input":"a b"}`)
	numbers := 0
	for scan := bufio.NewScanner(bytes.NewReader([]byte(typed))); scan.Scan(); {
		if raw, ok := strings.CutPrefix(scan.Text(), "data: "); ok {
			var event struct {
				Number *int `json:"sequence_number"`
			}
			if err := json.Unmarshal([]byte(raw), &event); err != nil || event.Number == nil || *event.Number != numbers {
				t.Errorf("event %d: %s (%v)", numbers, raw, err)
			}
			numbers++
		}
	}
	if !strings.HasPrefix(typed, "event: response.created\n") || strings.Contains(typed, "[DONE]") || numbers < 9 {
		t.Errorf("got %d typed events:\n%s", numbers, typed)
	}
}

func TestTheSameQuestionGetsTheSameBytes(t *testing.T) {
	t.Parallel()
	server := start(t)
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"model":"fake","messages":[{"role":"user","content":"x"}]}`,
		"/v1/responses":        `{"model":"fake","input":"x"}`,
		"/v1/embeddings":       `{"model":"fake","input":["x",[1,2]]}`,
	} {
		_, first := post(t, server, path, body)
		if _, second := post(t, server, path, body); first != second {
			t.Errorf("%s: got %s, then %s", path, first, second)
		}
		_, other := post(t, server, path, strings.Replace(body, `"x"`, `"y"`, 1))
		if first == other {
			t.Errorf("%s: another question gets the same answer %s", path, other)
		}
	}
}
