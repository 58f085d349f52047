package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/runagent/runagent/bench/load"
)

// deployOne deploys an agent that is one file.
func (h *host) deployOne(ctx context.Context, name, source string) error {
	dir, err := h.agent(name, map[string]string{"main.py": source})
	if err != nil {
		return err
	}
	_, err = h.deploy(ctx, name, dir)
	return err
}

func (h *host) addr() string { return strings.TrimPrefix(h.client.URL(), "http://") }

// shot is a call of an agent of the platform; its answer must hold want.
func (h *host) shot(agent, input, want string) *load.Shot {
	return shotAt(h.addr(), agent, input, want, "Authorization: Bearer "+h.key)
}

// shotAt is a call of an agent of the server at addr.
func shotAt(addr, agent, input, want string, header ...string) *load.Shot {
	return &load.Shot{
		Wire: load.Post(addr, "/v1/agents/"+agent+"/invoke", fmt.Appendf(nil, `{"entrypoint":"main","input":%s}`, input), header...),
		Check: func(body []byte) error {
			if !strings.Contains(string(body), want) {
				return fmt.Errorf("the answer lacks %s: %.200s", want, body)
			}
			return nil
		},
	}
}

func always(s *load.Shot) func() *load.Shot { return func() *load.Shot { return s } }

// closedLoop is a load of the platform by clients that call again as soon as
// they have their answers.
func (h *host) closedLoop(clients int, window time.Duration, shot func() *load.Shot) load.Options {
	return closedLoop(h.addr(), clients, window, shot)
}

func closedLoop(addr string, clients int, window time.Duration, shot func() *load.Shot) load.Options {
	return load.Options{
		Clients: clients, Window: window,
		Caller: func(int) load.Caller { return load.NewHTTP(addr) },
		Shot:   func(int, int) *load.Shot { return shot() },
	}
}
