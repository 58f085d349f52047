//go:build !linux

package faults

import "testing"

func limitMemory(t *testing.T, _ int, _ int64) {
	t.Helper()
	t.Skip("limiting the memory of a process is told for Linux only")
}

func inLimitedGroup(t *testing.T, _ int64) []string {
	t.Helper()
	t.Skip("limiting the memory of a process is told for Linux only")
	return nil
}
