package agent

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/joho/godotenv"
)

// ReadDotEnv returns the variables of a .env file. The error wraps
// fs.ErrNotExist when there is no such file, and is Problems with file and
// line when it can't be read as one.
func ReadDotEnv(path string) (map[string]string, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read variables: %w", err)
	}
	if at := bytes.IndexByte(src, 0); at >= 0 || len(src) > maxManifestSize {
		return nil, Problems{{File: path, Line: 1, Column: 1, Message: "is no text file of NAME=value lines"}}
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	vars, err := godotenv.UnmarshalBytes(src)
	if err == nil {
		delete(vars, "") // of a line that is a bare =
		return vars, nil
	}
	line, text := badStatement(string(src))
	message := "is no NAME=value line"
	if text != nil && strings.Contains(text.Error(), "unterminated") {
		message = "a quoted value has no end"
	}
	return nil, Problems{{File: path, Line: line, Column: 1, Message: message}}
}

// badStatement returns the line, from 1, of the first statement that can't be
// read, and why. The parser's errors have no place: statements are given to it
// one by one, each grown by a line until it can be read.
func badStatement(src string) (int, error) {
	lines := strings.SplitAfter(src, "\n")
	for start := 0; start < len(lines); {
		_, first := godotenv.Unmarshal(lines[start])
		end, err := start+1, first
		// Only a value in quotes goes on in the next line.
		for err != nil && strings.Contains(err.Error(), "unterminated") && end < len(lines) {
			end++
			_, err = godotenv.Unmarshal(strings.Join(lines[start:end], ""))
		}
		if err != nil {
			return start + 1, first
		}
		start = end
	}
	return 1, nil
}
