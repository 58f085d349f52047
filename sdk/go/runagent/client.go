// Package runagent is the Go client of RunAgent: it invokes agents, streams
// what they yield and reads what is recorded about them.
//
//	client, err := runagent.New("http://127.0.0.1:8450", runagent.Options{})
//	if err != nil {
//		return err
//	}
//	answer, err := client.Invoke(ctx, runagent.Call{
//		Agent: "assistant",
//		Input: map[string]any{"message": "hello"},
//	})
//
// Failures that the server reports are *Error; branch on its Code.
package runagent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/runagent/runagent/api"
)

// maxAnswer bounds what is read of one answer or one event. Servers send at
// most 10 MiB unless they are told otherwise.
const maxAnswer = 256 << 20

// Options are a Client's optional settings.
type Options struct {
	// APIKey is sent as bearer token, unless it is empty. A server on loopback
	// asks for none.
	APIKey string
	// HTTPClient does the requests; nil means one without a time limit, since
	// an invocation may take long: bound calls by their context.
	HTTPClient *http.Client
	// UserAgent names the program; "" means runagent-go.
	UserAgent string
}

// Client talks to one RunAgent server. It is safe for concurrent use.
type Client struct {
	base *url.URL
	o    Options
	wait func(time.Duration) <-chan time.Time // time.After
}

// New returns a client of the server at baseURL, such as
// "http://127.0.0.1:8450". It does not connect.
func New(baseURL string, o Options) (*Client, error) {
	base, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("parse base URL: %w", err)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("base URL %q does not look like http://host:port", baseURL)
	}
	if o.HTTPClient == nil {
		o.HTTPClient = &http.Client{}
	}
	if o.UserAgent == "" {
		o.UserAgent = "runagent-go"
	}
	return &Client{base: base, o: o, wait: time.After}, nil
}

// URL returns the address the client was made with.
func (c *Client) URL() string { return c.base.String() }

// request is one request to be: path elements are escaped, so that an agent's
// name may hold anything.
type request struct {
	method string
	path   []string
	query  url.Values
	body   any
	accept string
	// raw is a body that is no JSON, of the given size and type.
	raw     io.Reader
	rawSize int64
	rawType string
	// rawRange says which part of something it is, "" for the whole.
	rawRange string
}

// send does the request and returns the answer if it is a success; the caller
// closes its body.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	req, err := c.build(ctx, r)
	if err != nil {
		return nil, err
	}
	res, err := c.o.HTTPClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reach the server: %w", err)
	}
	if res.StatusCode >= 300 {
		defer res.Body.Close()
		return nil, readError(res)
	}
	return res, nil
}

func (c *Client) build(ctx context.Context, r request) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		raw, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.address(r), body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.raw != nil {
		req.Body, req.ContentLength = io.NopCloser(r.raw), r.rawSize
		req.Header.Set("Content-Type", r.rawType)
		if r.rawRange != "" {
			req.Header.Set("Content-Range", r.rawRange)
		}
	}
	req.Header.Set("Accept", "application/json")
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	req.Header.Set("User-Agent", c.o.UserAgent)
	if c.o.APIKey != "" {
		req.Header.Set("Authorization", "Bearer "+c.o.APIKey)
	}
	return req, nil
}

func (c *Client) address(r request) string {
	escaped := make([]string, len(r.path))
	for i, element := range r.path {
		escaped[i] = url.PathEscape(element)
	}
	address := strings.TrimSuffix(c.base.String(), "/") + "/" + strings.Join(escaped, "/")
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	return address
}

// do does a request whose answer holds nothing.
func (c *Client) do(ctx context.Context, r request) error {
	res, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// fetch does the request and decodes its answer into into. Fields it does not
// know are ignored: a newer server may send more.
func (c *Client) fetch(ctx context.Context, r request, into any) error {
	res, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if len(raw) > maxAnswer {
		return errors.New("read answer: it is larger than 256 MiB")
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

// PlatformStatus returns how the platform is.
func (c *Client) PlatformStatus(ctx context.Context) (*api.PlatformStatus, error) {
	var s api.PlatformStatus
	if err := c.fetch(ctx, request{method: http.MethodGet, path: []string{"v1", "platform"}}, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Health returns how the server is. A server that says of itself that it is
// unhealthy is an answer, not an error.
func (c *Client) Health(ctx context.Context) (*api.Health, error) {
	return c.health(ctx, "health", "ready")
}

func (c *Client) health(ctx context.Context, path ...string) (*api.Health, error) {
	var health api.Health
	err := c.fetch(ctx, request{method: http.MethodGet, path: path}, &health)
	var refused *Error
	if errors.As(err, &refused) && json.Unmarshal(refused.body, &health) == nil && health.Status != "" {
		return &health, nil
	}
	if err != nil {
		return nil, err
	}
	return &health, nil
}
