//go:build !linux

package unload

// Pages does nothing here.
func Pages() error { return nil }
