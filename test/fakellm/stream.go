package fakellm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
)

// stream sends events one by one, as server-sent events. Those that have a
// type are named by it; done adds the closing [DONE].
func (r *request) stream(w http.ResponseWriter, events []object, done bool) error {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	out := http.NewResponseController(w)
	for i, event := range events {
		if r.orders.cut && i >= len(events)/2 {
			r.hangUp(w)
		}
		if err := r.pause(r.orders.delay); err != nil {
			return fmt.Errorf("%w: %w", errSent, err)
		}
		if _, err := w.Write(encodeEvent(event)); err != nil {
			return fmt.Errorf("%w: %w", errSent, err)
		}
		if err := out.Flush(); err != nil {
			return fmt.Errorf("%w: %w", errSent, err)
		}
	}
	if done {
		_, _ = fmt.Fprint(w, "data: [DONE]\n\n") // nobody is left to hear of a failure
	}
	return nil
}

func encodeEvent(event object) []byte {
	var out bytes.Buffer
	if kind, ok := event["type"].(string); ok {
		fmt.Fprintf(&out, "event: %s\n", kind)
	}
	body, err := json.Marshal(event)
	if err != nil {
		panic(err) //nolint:forbidigo // impossible: events hold strings, numbers and objects of ours
	}
	fmt.Fprintf(&out, "data: %s\n\n", body)
	return out.Bytes()
}
