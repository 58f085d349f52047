// Package frameworks serves agents of every framework, with its real and
// pinned packages, by the real binary against a fake model. It holds tests
// only; `make test-frameworks` runs all of them, `go test` a representative few.
package frameworks
