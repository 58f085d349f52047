package api

import "time"

// TrafficRequest says which revisions get an agent's calls.
type TrafficRequest struct {
	Traffic []TrafficWish `json:"traffic" doc:"The percents add up to 100; who is left out gets no more calls."`
}

// TrafficWish is how many percent of the calls a revision is to get.
type TrafficWish struct {
	Revision string `json:"revision" doc:"Its number or ID."`
	Percent  int    `json:"percent"`
}

// Traffic is which revisions get an agent's calls: those of one session go to
// one revision, the others by chance.
type Traffic struct {
	Traffic []TrafficShare `json:"traffic"`
}

// TrafficShare is how many percent of the calls a revision gets.
type TrafficShare struct {
	Revision string `json:"revision"`
	Number   int    `json:"number"`
	Percent  int    `json:"percent"`
	// CanaryUntil is when it is decided whether it gets all calls or none.
	CanaryUntil *time.Time `json:"canary_until,omitempty" doc:"When it is decided whether it gets all calls or none."`
}

// Canary asks for a trial of a new revision.
type Canary struct {
	Percent    int     `json:"percent" doc:"1 to 99: the part of the calls that it gets during the trial."`
	ForSeconds float64 `json:"for_seconds" doc:"How long the trial is."`
}
