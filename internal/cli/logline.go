package cli

import "fmt"

// logPrefix says whose line it is, in eight characters: the invocation's or,
// when it has none, the agent's or ours.
func logPrefix(invocationID, stream string) string {
	switch {
	case invocationID != "":
		return fmt.Sprintf("%8s", shortID(invocationID))
	case stream == "system":
		return "runagent"
	}
	return "   agent"
}

// logText is a line's text in the colour of its weight. A terminal must not be
// driven by what an agent prints, so control characters become spaces.
func logText(colours palette, stream, level, text string) string {
	text = oneLine(text)
	switch {
	case level == "error" || level == "critical":
		return colours.red(text)
	case level == "warning":
		return colours.yellow(text)
	case stream == "system" || level == "debug":
		return colours.dim(text)
	}
	return text
}
