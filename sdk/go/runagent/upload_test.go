package runagent

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// flaky is a platform whose connections break after some bytes of an upload,
// as often as breaks says.
type flaky struct {
	breaks, after int
	have          []byte
	refuses       string // an error's code
	ranges        []string
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, `{"uploaded_bytes":`+strconv.Itoa(len(f.have))+`}`)
		return
	}
	f.ranges = append(f.ranges, r.Header.Get("Content-Range"))
	if f.refuses != "" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":{"code":"`+f.refuses+`","message":"no"}}`)
		return
	}
	if f.breaks > 0 {
		f.breaks--
		part, _ := io.ReadAll(io.LimitReader(r.Body, int64(f.after)))
		f.have = append(f.have, part...)
		panic(http.ErrAbortHandler)
	}
	rest, _ := io.ReadAll(r.Body)
	f.have = append(f.have, rest...)
	_, _ = io.WriteString(w, `{"digest":"d","packed_bytes":`+strconv.Itoa(len(f.have))+`}`)
}

func TestAnUploadGoesOnWhereTheConnectionBroke(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("0123456789", 10)
	for name, try := range map[string]struct {
		flaky  flaky
		ranges string
		fails  string
	}{
		"never":             {flaky{}, "", ""},
		"once":              {flaky{breaks: 1, after: 30}, "; bytes 30-99/100", ""},
		"begun before":      {flaky{have: []byte(body[:42])}, "bytes 42-99/100", ""},
		"more than is long": {flaky{have: []byte(body + body)}, "", ""},
		"refused":           {flaky{refuses: CodeValidation}, "", CodeValidation},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(&try.flaky)
			defer server.Close()
			client, err := New(server.URL, Options{})
			if err != nil {
				t.Fatal(err)
			}
			b, err := client.UploadBundle(t.Context(), "d", strings.NewReader(body), int64(len(body)))
			switch {
			case try.fails != "":
				if !HasCode(err, try.fails) {
					t.Errorf("got %v", err)
				}
			case err != nil || !strings.HasSuffix(string(try.flaky.have), body):
				t.Errorf("%+v, %v, have %q", b, err, try.flaky.have)
			}
			if got := strings.Join(try.flaky.ranges, "; "); got != try.ranges {
				t.Errorf("ranges %q, want %q", got, try.ranges)
			}
		})
	}
}

func TestAnUploadThatGetsNoFurtherEnds(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"uploaded_bytes":0}`)
			return
		}
		tries.Add(1)
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	client, err := New(server.URL, Options{})
	if err != nil {
		t.Fatal(err)
	}
	client.wait = func(time.Duration) <-chan time.Time {
		now := make(chan time.Time, 1)
		now <- time.Time{}
		return now
	}
	_, err = client.UploadBundle(t.Context(), "d", strings.NewReader("body"), 4)
	if err == nil || errors.As(err, new(*Error)) || !strings.Contains(err.Error(), "without getting further") || tries.Load() != uploadTries+1 {
		t.Errorf("%d tries, %v", tries.Load(), err)
	}
}
