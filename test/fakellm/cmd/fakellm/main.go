// Command fakellm serves package fakellm on a free port of the loopback
// interface. It prints one JSON line, {"url":"http://127.0.0.1:…/v1"}, and
// ends when its standard input does, or on a signal.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/runagent/runagent/test/fakellm"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fakellm:", err)
		os.Exit(1)
	}
}

// run serves until ctx or stdin ends. The only argument, an address, is optional.
func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	address := "127.0.0.1:0"
	if len(args) > 0 {
		address = args[0]
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &http.Server{Handler: fakellm.New(), ReadHeaderTimeout: 10 * time.Second}
	go func() { // ends with the process: a read of stdin can't be interrupted
		defer cancel()
		_, _ = io.Copy(io.Discard, stdin)
	}()
	failed := make(chan error, 1) // Serve's one result
	go func() { failed <- server.Serve(listener) }()

	if err := json.NewEncoder(stdout).Encode(map[string]string{"url": "http://" + listener.Addr().String() + "/v1"}); err != nil {
		return fmt.Errorf("print the URL: %w", err)
	}
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	_ = server.Close() // whoever is still being answered is cut off
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
