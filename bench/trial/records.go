package trial

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/runagent/runagent/api"
	"github.com/runagent/runagent/bench/load"
	"github.com/runagent/runagent/bench/peer"
)

// records kills the server a second after a run at full speed, and compares
// what the next one finds on the disk with what was answered.
func records() *Workload {
	const clients, grace = 64, time.Second
	return &Workload{
		Name: peer.Records, About: "64 clients at full speed, a second of rest, kill -9: records on the disk of calls that were answered", Short: true, Alone: true, Steady: true,
		Columns: []Column{{"kept", "records: kept", 0, false}, {"missing", "missing", 0, true}},
		Solo: func(ctx context.Context, launch Launch, window time.Duration) (Metrics, error) {
			s, err := launch()
			if err != nil {
				return nil, err
			}
			defer s.Stop()
			shots, example := shotsOf(s, clients, echo)
			out := load.Run(load.Options{
				Clients: clients, Window: window, Shot: func(client, _ int) *load.Shot { return shots[client] },
				Caller: func(int) load.Caller { return s.Row.Dialect.Caller(s.Addr(), example) },
			})
			if out.Errors > 0 {
				return nil, fmt.Errorf("%d wrong or missing answers, the first: %w", out.Errors, out.Err)
			}
			if err := pause(ctx, grace); err != nil {
				return nil, err
			}
			if err := s.Revive(); err != nil {
				return nil, err
			}
			kept, err := keptRecords(ctx, s)
			if err != nil {
				return nil, err
			}
			return Metrics{"kept": float64(kept), "missing": float64(out.Calls - kept)}, nil
		},
	}
}

// keptRecords counts the records of calls that went well, each of them once.
func keptRecords(ctx context.Context, s *peer.Server) (int, error) {
	seen := map[string]bool{}
	for cursor := ""; ; {
		page, err := getRecords(ctx, s, cursor)
		if err != nil {
			return 0, err
		}
		for _, inv := range page.Invocations {
			if inv.Status == "succeeded" {
				seen[inv.ID] = true
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			return len(seen), nil
		}
	}
}

func getRecords(ctx context.Context, s *peer.Server, cursor string) (*api.InvocationList, error) {
	q := url.Values{"limit": {"1000"}}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr()+"/v1/invocations?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	defer resp.Body.Close()
	var page api.InvocationList
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("list records: status %d, %w", resp.StatusCode, err)
	}
	return &page, nil
}
