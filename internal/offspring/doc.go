// Package offspring finds the processes that a process has started, with all
// that those have started, and ends them. It works on Linux alone.
package offspring
