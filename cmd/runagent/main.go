// Command runagent serves folders of agent code and calls what is served.
package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/runagent/runagent/internal/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(cli.Main(os.Args[1:], cli.Program{
		Version: version, In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Signals: signals,
	}))
}
