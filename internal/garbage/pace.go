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
// holds. What a load took is given back to the system when it is over. One Pace
// is enough for a process.
func Pace(ctx context.Context) error {
	if percent() != usual {
		return nil
	}
	defer debug.SetGCPercent(usual)
	cycles := make(chan struct{}, 1)
	follow(ctx, cycles)
	over := time.NewTimer(calm)
	over.Stop()
	var lately time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-cycles:
			now := time.Now()
			if now.Sub(lately) < busy {
				debug.SetGCPercent(allowed(read("/gc/heap/live:bytes")))
				over.Reset(calm)
			}
			lately = now
		case <-over.C:
			if since := time.Since(lately); since < calm {
				over.Reset(calm - since)
			} else {
				debug.SetGCPercent(usual)
				debug.FreeOSMemory() // what the load took, the next one may take a while to come
			}
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
