// Package templates does with every template of `runagent init` what its
// README tells a newcomer to do: the real binary writes and serves it, with
// its real packages, and the README's calls are pasted into a shell. It holds
// tests only; `make test-frameworks` runs all of them, `go test` a
// representative few.
package templates
