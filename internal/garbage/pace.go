// Package garbage collects less often while there is much of it, and as often
// as Go does while there is not.
package garbage

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/runagent/runagent/internal/unload"
)

const (
	// usual is how much garbage there may be, in percent of the live heap, while
	// little is going on, and most while much is.
	usual, most = 100, 400
	// room bounds the garbage of more than the usual percent.
	room = 64 << 20
	// busy is how soon collections follow each other under load, and calm how
	// long none comes once it is over.
	busy, calm = 250 * time.Millisecond, time.Second
)

// Pace sets how often garbage is collected by how often that was needed: a
// server that answers thousands of short calls a second makes little garbage
// with each, and would look through its heap many times a second for it. It
// returns when ctx ends. Where the environment says what is wanted (GOGC), that
// holds. What the start or a load took is given back to the system when it is
// over, the pages of the program's own file included. One Pace is enough for a
// process.
func Pace(ctx context.Context) error { return pace(ctx, unload.Pages) }

// pace is Pace, where letGo lets go of the program's pages.
func pace(ctx context.Context, letGo func() error) error {
	ours := percent() == usual
	if ours {
		defer debug.SetGCPercent(usual)
	}
	cycles := make(chan struct{}, 1)
	follow(ctx, cycles)
	over := time.NewTimer(calm)
	defer over.Stop()
	loaded := true // by the start
	var lately time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-cycles:
			now := time.Now()
			if now.Sub(lately) < busy {
				loaded = true
				if ours {
					debug.SetGCPercent(allowed(read("/gc/heap/live:bytes")))
				}
			}
			lately = now
			over.Reset(calm)
		case <-over.C:
			if loaded {
				loaded = false
				if ours {
					debug.SetGCPercent(usual)
				}
				debug.FreeOSMemory()
			}
			_ = letGo() // nothing depends on it; a collection looks things up in them
		}
	}
}

// allowed is the percentage for a heap of so many live bytes.
func allowed(live uint64) int {
	return min(most, max(usual, int(room*100/max(live, 1))))
}

// follow signals on cycles after each collection, until ctx ends.
func follow(ctx context.Context, cycles chan<- struct{}) {
	sentinel := new(*byte)
	runtime.AddCleanup(sentinel, func(struct{}) {
		if ctx.Err() != nil {
			return
		}
		select {
		case cycles <- struct{}{}:
		default:
		}
		follow(ctx, cycles)
	}, struct{}{})
}

// percent is what is set now; "off" is beyond all numbers.
func percent() int { return int(min(read("/gc/gogc:percent"), math.MaxInt32)) }

func read(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
