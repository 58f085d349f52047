// Package server is the two HTTP doors to an Executor: /v1, ours, and
// /api/v1, that of the published clients. It owns wire shapes, statuses and
// the life of connections, and no rule of what an invocation is.
package server
