package runagent

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"strconv"
)

// message is one server-sent event as it came.
type message struct {
	event string
	seq   int64 // of the id field; 0 without one
	data  []byte
}

// events does the request and iterates over the events of its answer. Leaving
// the loop closes the connection, and so does the end of ctx. An end of the
// answer between two events ends the loop without an error.
func (c *Client) events(ctx context.Context, r request) iter.Seq2[message, error] {
	r.accept = "text/event-stream"
	return func(yield func(message, error) bool) {
		// The body of an answer that is still coming is read to its end on
		// Close unless its context has ended.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		res, err := c.send(ctx, r)
		if err != nil {
			yield(message{}, err)
			return
		}
		defer res.Body.Close()
		if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind != r.accept {
			yield(message{}, fmt.Errorf("the server answered with %q instead of a stream", kind))
			return
		}
		reader := bufio.NewReaderSize(res.Body, 32<<10)
		for {
			msg, err := readMessage(reader)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(message{}, fmt.Errorf("read stream: %w", causeOf(ctx, err)))
				return
			}
			if !yield(msg, nil) {
				return
			}
		}
	}
}

// causeOf prefers why ctx ended to what that did to the connection.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// readMessage reads the next event that has data. Comments, which keep the
// connection alive, are skipped. An event without its final empty line was cut
// and is dropped, as the standard says.
func readMessage(r *bufio.Reader) (message, error) {
	var msg message
	seen, size := false, 0
	for {
		line, err := readLine(r, maxAnswer-size)
		if err != nil {
			return message{}, err
		}
		size += len(line)
		if len(line) == 0 {
			if seen {
				return msg, nil
			}
			msg = message{}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			msg.event = string(value)
		case "id":
			// An id that is no number is another server's business.
			msg.seq, _ = strconv.ParseInt(string(value), 10, 64)
		case "data":
			if seen {
				msg.data = append(msg.data, '\n')
			}
			msg.data = append(msg.data, value...)
			seen = true
		}
	}
}

// readLine returns the next line without its end. The line is valid until the
// next read.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var long []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(long)+len(part) > limit {
			return nil, errors.New("an event is larger than 256 MiB")
		}
		if err == nil {
			if long != nil {
				part = append(long, part...)
			}
			return bytes.TrimRight(part, "\r\n"), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		long = append(long, part...)
	}
}
