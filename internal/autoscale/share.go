package autoscale

// Claim is what one revision asks of the machine.
type Claim struct {
	// Agent is whose it is: memory is shared between agents, not revisions.
	Agent string
	// Want is the size that its load asks for, Have the one it has; at least 1
	// where it is awake.
	Have, Want int
	// Memory is what one instance takes, as measured; 0 where that is not known.
	Memory int64
}

// Share grants sizes so that all instances together fit into budget bytes. Who
// asks for no more than its share gets what it asks for; of what is left, agents
// get the same, so that one which is busy can't keep out another that is. Each
// revision that is awake keeps an instance, even where that is more than fits.
func Share(budget int64, claims []Claim) []int {
	granted := make([]int, len(claims))
	held := map[string]int64{} // by agent
	for i, c := range claims {
		granted[i] = min(1, c.Want)
		held[c.Agent] += c.Memory * int64(granted[i])
		budget -= c.Memory * int64(granted[i])
	}
	for {
		next := -1
		for i, c := range claims {
			if granted[i] >= c.Want || c.Memory > budget {
				continue
			}
			if next < 0 || poorer(claims, granted, held, i, next) {
				next = i
			}
		}
		if next < 0 {
			return granted
		}
		granted[next]++
		held[claims[next].Agent] += claims[next].Memory
		budget -= claims[next].Memory
	}
}

// poorer reports whether claim i goes before claim j: its agent holds less, or,
// of one agent, it has got less of what it asks for.
func poorer(claims []Claim, granted []int, held map[string]int64, i, j int) bool {
	a, b := held[claims[i].Agent], held[claims[j].Agent]
	if a != b {
		return a < b
	}
	return granted[i]*claims[j].Want < granted[j]*claims[i].Want
}
