//go:build !linux

package faults

import "testing"

func fullDisk(t *testing.T) string {
	t.Helper()
	t.Skip("mounting a small disk is told for Linux only")
	return ""
}

func fill(*testing.T, string) string { return "" }
