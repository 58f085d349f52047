// Package api holds what travels on the wire: the shapes of requests, answers
// and events, one file per resource. It has no behaviour. The files in
// testdata are golden messages: a change here that changes one of them is a
// change for every client.
package api
