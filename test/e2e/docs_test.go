package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// fenced finds the shell blocks of a page.
var fenced = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// TestDocsAreToldByStories holds that each command a newcomer is told to type
// is typed by a story.
func TestDocsAreToldByStories(t *testing.T) {
	t.Parallel()
	for page, storyFile := range map[string]string{
		"../../README.md": "quickstart.txtar", "../../docs/quickstart.md": "quickstart.txtar", "../../docs/deploy.md": "platform_docs.txtar",
	} {
		story, err := os.ReadFile(storyFile)
		if err != nil {
			t.Fatal(err)
		}
		told := strings.Split(string(story), "\n")
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		commands := 0
		for _, block := range fenced.FindAllStringSubmatch(string(text), -1) {
			for _, line := range strings.Split(block[1], "\n") {
				command, _, _ := strings.Cut(line, " #")
				command, _, _ = strings.Cut(command, " <") // a story has stdin for that
				command = strings.TrimSpace(command)
				if !strings.HasPrefix(command, "runagent ") {
					continue
				}
				commands++
				if !typed(told, command) {
					t.Errorf("%s tells to type %q, which %s does not do", page, command, storyFile)
				}
			}
		}
		if commands == 0 {
			t.Errorf("%s holds no commands", page)
		}
	}
}

// typed reports whether one of the story's lines runs the command.
func typed(story []string, command string) bool {
	for _, line := range story {
		if line == "exec "+command || "runagent "+line == command {
			return true
		}
	}
	return false
}
