package progress

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/runagent/runagent/internal/fault"
	"github.com/runagent/runagent/internal/instance"
)

// Reason is why a deploy failed, as its author reads it: one line, and below
// it where user code raised. Files are named as in the author's folder.
func Reason(why error, dir string) string {
	text := why.Error()
	if f := fault.As(why); f != nil && f.Suggestion != "" {
		text += "; " + f.Suggestion
	}
	var broken *instance.ImportError
	if errors.As(why, &broken) && broken.Traceback != "" {
		text += "\n" + strings.TrimRight(broken.Traceback, "\n")
	}
	return strings.ReplaceAll(text, dir+string(filepath.Separator), "")
}
