package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
)

func TestRunServesUntilStdinEnds(t *testing.T) {
	t.Parallel()
	stdin, closeStdin := io.Pipe()
	lines, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(t.Context(), nil, stdin, stdout) }()

	line, err := bufio.NewReader(lines).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var said struct{ URL string }
	if err := json.Unmarshal(line, &said); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	res, err := http.Get(said.URL + "/models")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a key: got %s", res.Status)
	}
	closeStdin.Close()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stdin, _ := io.Pipe()
	if err := run(ctx, nil, stdin, io.Discard); err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestRunSaysThatAnAddressIsBad(t *testing.T) {
	t.Parallel()
	if err := run(t.Context(), []string{"nowhere:x"}, nil, io.Discard); err == nil {
		t.Error("got no error for the address nowhere:x")
	}
}
