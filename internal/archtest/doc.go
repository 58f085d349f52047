// Package archtest holds the house together: its tests fail when a package
// opens a door that ARCHITECTURE.md keeps shut, or outgrows its room. It has
// no code of its own.
package archtest
