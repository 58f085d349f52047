package runagent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/runagent/runagent/api"
)

// bundleType is the media type of a bundle.
const bundleType = "application/zstd"

// An upload that breaks off goes on up to uploadTries times, after waits that
// begin with uploadPause and double; each time it got further counts anew.
const (
	uploadTries = 6
	uploadPause = 250 * time.Millisecond
)

// Limits returns what the platform lets in.
func (c *Client) Limits(ctx context.Context) (*api.Limits, error) {
	return one[api.Limits](ctx, c, request{method: http.MethodGet, path: []string{"v1", "limits"}})
}

// UploadBundle hands the platform a bundle of the given size, which has the
// given digest. When the connection breaks it goes on where that was, and it
// begins where an upload before has broken off.
func (c *Client) UploadBundle(ctx context.Context, digest string, body io.ReaderAt, size int64) (*api.Bundle, error) {
	reached := int64(-1)
	for try, pause := 0, uploadPause; ; try++ {
		from, err := c.uploaded(ctx, digest, size)
		var done *api.Bundle
		if err == nil {
			if from > reached {
				reached, try, pause = from, 0, uploadPause
			}
			done, err = c.uploadFrom(ctx, digest, body, from, size)
		}
		var refused *Error
		switch {
		case err == nil:
			return done, nil
		case ctx.Err() != nil:
			return nil, err
		case errors.As(err, &refused) && (refused.Code != CodeConflict || try > 0):
			return nil, err
		case try == uploadTries:
			return nil, fmt.Errorf("%w, %d times in a row without getting further", err, try)
		}
		select {
		case <-c.wait(pause):
			pause *= 2
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// uploaded asks how much there is of a bundle.
func (c *Client) uploaded(ctx context.Context, digest string, size int64) (int64, error) {
	up, err := one[api.Upload](ctx, c, request{method: http.MethodGet, path: []string{"v1", "bundles", digest, "upload"}})
	if HasCode(err, CodeNotFound) {
		return 0, nil // a platform that knows no such uploads
	}
	if err != nil {
		return 0, err
	}
	if up.Bytes >= size {
		return 0, nil // not of this bundle, or its end was lost
	}
	return up.Bytes, nil
}

func (c *Client) uploadFrom(ctx context.Context, digest string, body io.ReaderAt, from, size int64) (*api.Bundle, error) {
	r := request{
		method: http.MethodPost, path: []string{"v1", "bundles", digest},
		raw: io.NewSectionReader(body, from, size-from), rawSize: size - from, rawType: bundleType,
	}
	if from > 0 {
		r.rawRange = fmt.Sprintf("bytes %d-%d/%d", from, size-1, size)
	}
	return one[api.Bundle](ctx, c, r)
}
