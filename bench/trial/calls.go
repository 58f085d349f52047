// Package trial holds the workloads: what is sent to a server, and what is
// read from its answers.
package trial

import (
	"fmt"
	"strings"

	"github.com/runagent/runagent/bench/peer"
)

// The inputs. Each client says its own number, so that an answer to another
// one's call is found.

func echo(client int) *peer.Call {
	text := fmt.Sprintf("hello from client %d", client)
	return &peer.Call{
		Function: "echo",
		Args:     fmt.Sprintf(`{"message":%q,"n":1,"tags":["a","b","c"]}`, text),
		Want:     fmt.Sprintf(`{"message":%q,"n":2,"tags":["a","b","c"],"ok":true}`, text),
	}
}

// chunks is how many items a stream has.
const chunks = 50

func stream(function string, client, count int) *peer.Call {
	text := fmt.Sprintf("token of client %d", client)
	c := &peer.Call{Function: function, Args: fmt.Sprintf(`{"message":%q,"count":%d}`, text, count)}
	for i := range count {
		c.Items = append(c.Items, fmt.Sprintf(`{"i":%d,"text":%q}`, i, text))
	}
	return c
}

func big(client int) *peer.Call {
	data := strings.Repeat(string(rune('a'+client)), 1<<20)
	return &peer.Call{Function: "big", Args: `{"data":"` + data + `"}`, Want: `{"data":"` + data + `"}`}
}

func sleep(function string) *peer.Call {
	return &peer.Call{Function: function, Args: `{"seconds":0.1}`, Want: `{"slept":0.1}`}
}

// graph asks the compiled graph how long the question is: the model thinks
// twice, with a tool between.
func graph(client int) *peer.Call {
	question := "how long is this" + strings.Repeat("?", client)
	return &peer.Call{
		Function: "graph",
		Args:     fmt.Sprintf(`{"question":%q}`, question),
		Want:     fmt.Sprintf(`{"answer":"The answer is %d."}`, len(question)),
	}
}

func maybe(client int, seconds string) *peer.Call {
	return &peer.Call{
		Function: "maybe",
		Args:     fmt.Sprintf(`{"message":"client %d","seconds":%s}`, client, seconds),
		Want:     fmt.Sprintf(`{"message":"client %d","slept":%s}`, client, seconds),
	}
}

// cpuRounds is about 5 ms of Python 3.11 on the machine of the first table.
const cpuRounds = 70_000

func cpu() *peer.Call {
	total := 0
	for i := range cpuRounds {
		total = (total*31 + i) % 1000003
	}
	return &peer.Call{Function: "cpu", Args: fmt.Sprintf(`{"rounds":%d}`, cpuRounds), Want: fmt.Sprintf(`{"total":%d}`, total)}
}
