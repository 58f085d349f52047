package control

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/runagent/runagent/internal/bundle"
	"github.com/runagent/runagent/internal/fault"
)

// uploadStall is how long an upload may make no progress.
const uploadStall = 30 * time.Second

// Upload takes a bundle in, or what is left of one.
func (d *Door) Upload(w http.ResponseWriter, r *http.Request) error {
	if got := r.Header.Get("Content-Type"); got != bundle.MediaType {
		return fault.New(fault.UnsupportedMedia, "a bundle is %s, not %q", bundle.MediaType, got)
	}
	from, err := beginning(r)
	if err != nil {
		return err
	}
	body := &steady{r: r.Body, control: http.NewResponseController(w)}
	b, err := d.platform.StoreBundle(r.Context(), r.PathValue("digest"), from, body)
	if err != nil {
		w.Header().Set("Connection", "close") // what is left of the body is not worth reading
		return err
	}
	return d.door.AnswerJSON(w, r, b)
}

// contentRange is the header of a body that is the end of something.
var contentRange = regexp.MustCompile(`^bytes (\d{1,18})-(\d{1,18})/(\d{1,18})$`)

// beginning is the byte of the bundle that the body begins with.
func beginning(r *http.Request) (int64, error) {
	text := r.Header.Get("Content-Range")
	if text == "" {
		return 0, nil
	}
	m := contentRange.FindStringSubmatch(text)
	if m == nil {
		return 0, fault.New(fault.Validation, "the Content-Range %q is not like bytes 100-199/200", text)
	}
	var n [3]int64
	for i := range n {
		n[i], _ = strconv.ParseInt(m[i+1], 10, 64) // digits, and not too many
	}
	if n[0] > n[1] || n[1] != n[2]-1 || r.ContentLength >= 0 && r.ContentLength != n[2]-n[0] {
		return 0, fault.New(fault.Validation, "the Content-Range %q is not that of a body of %d bytes which reaches the bundle's end", text, r.ContentLength)
	}
	return n[0], nil
}

// Uploaded tells where an upload that broke off may go on.
func (d *Door) Uploaded(w http.ResponseWriter, r *http.Request) error {
	u, err := d.platform.Uploaded(r.Context(), r.PathValue("digest"))
	if err != nil {
		return err
	}
	return d.door.AnswerJSON(w, r, u)
}

// Limits tells what is let in.
func (d *Door) Limits(w http.ResponseWriter, r *http.Request) error {
	return d.door.AnswerJSON(w, r, d.platform.Limits())
}

// steady is a body that may take long, but must not stand still.
type steady struct {
	r       io.Reader
	control *http.ResponseController
}

// Read implements io.Reader.
func (s *steady) Read(b []byte) (int, error) {
	_ = s.control.SetReadDeadline(time.Now().Add(uploadStall)) // a test's recorder has none
	return s.r.Read(b)
}
