package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// kind is one way to call, and what its answer holds.
type kind struct {
	share      int // of the calls, in percent
	entrypoint string
	input      string
	stream     bool
	wants      string
	// leaves: the client goes after the first chunk.
	leaves bool
	// fails: the function raises.
	fails bool
}

var kinds = []kind{
	{share: 50, entrypoint: "echo", input: `{"n":7}`, wants: `"result":{"n":7}`},
	{share: 15, entrypoint: "chunks_stream", input: `{"count":20}`, stream: true, wants: `{"i":19}`},
	{share: 10, entrypoint: "wait", input: `{"seconds":0.05}`, wants: `"result":"waited"`},
	{share: 10, entrypoint: "awaits", input: `{"seconds":0.05}`, wants: `"result":"waited"`},
	{share: 5, entrypoint: "talks", input: `{"lines":5}`, wants: `"result":"said"`},
	{share: 5, entrypoint: "fails", input: `{"why":"on purpose"}`, wants: `on purpose`, fails: true},
	{share: 5, entrypoint: "slow_chunks_stream", input: `{"count":50}`, stream: true, leaves: true},
}

// pick returns a kind by its share; at is from 0 to 99.
func pick(at int) kind {
	for _, k := range kinds {
		if at -= k.share; at < 0 {
			return k
		}
	}
	return kinds[0]
}

// crowd is many clients of one server.
type crowd struct {
	url    string
	client *http.Client
	ledger *ledger
	// think is what a client waits between calls.
	think time.Duration
}

func newCrowd(addr string, l *ledger) *crowd {
	return &crowd{
		url:    "http://" + addr + "/v1/agents/soak/invoke",
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 256}},
		ledger: l,
	}
}

// run lets n clients call until ctx ends; calls in flight come to their end.
func (c *crowd) run(ctx context.Context, n int, name string) {
	var wg sync.WaitGroup
	for client := range n {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				c.call(pick(rand.IntN(100)), fmt.Sprintf("%s-%d-%d", name, client, i))
				pause(ctx, c.think)
			}
		})
	}
	wg.Wait()
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// call makes one call and enters in the ledger what became of it.
func (c *crowd) call(k kind, id string) {
	c.ledger.sent(id)
	body, status, err := c.post(k, id)
	switch {
	case k.leaves && err == nil && status == http.StatusOK && !failed(body):
		c.ledger.ended(id, left)
	case err != nil:
		c.ledger.wrong(id, fmt.Errorf("no answer: %w", err))
	case k.fails && bytes.Contains(body, []byte(k.wants)):
		c.ledger.ended(id, refused)
	case status != http.StatusOK || failed(body):
		c.ledger.broken(id, string(body))
	case !bytes.Contains(body, []byte(k.wants)):
		c.ledger.wrong(id, fmt.Errorf("status %d, %s: %.300s", status, k.entrypoint, body))
	default:
		c.ledger.ended(id, answered)
	}
}

// failed tells whether a stream ended with an error.
func failed(body []byte) bool { return bytes.Contains(body, []byte("event: error")) }

func (c *crowd) post(k kind, id string) (body []byte, status int, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	text := fmt.Sprintf(`{"entrypoint":%q,"input":%s}`, k.entrypoint, k.input)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(text))
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Request-ID", id)
	if k.stream {
		req.Header.Set("Accept", "text/event-stream")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	if k.leaves {
		line, err := firstChunk(resp.Body)
		return line, resp.StatusCode, err
	}
	body, err = io.ReadAll(resp.Body)
	return body, resp.StatusCode, err
}

// firstChunk reads up to the first chunk or the error there is instead.
func firstChunk(r io.Reader) ([]byte, error) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil || bytes.Contains(line, []byte(`"content"`)) || failed(line) {
			return line, err
		}
	}
}

// resultNumber returns the result of an answer that is a number.
func resultNumber(body []byte) (int, error) {
	var answer struct {
		Result int `json:"result"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, fmt.Errorf("the answer's result is no number: %w: %.200s", err, body)
	}
	return answer.Result, nil
}
