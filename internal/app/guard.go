package app

import "github.com/runagent/runagent/internal/sandbox/none"

// GuardCommand is the hidden command under which the program guards the
// processes that a server started.
const GuardCommand = none.GuardCommand

// Guard runs the program as a guard until its server is gone.
func Guard() error { return none.Guard(3) }
