package adminapi

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"net/http"
	"strings"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/proxy"
)

// answered is the output of what answers with a body and no more.
type answered[T any] struct{ Body T }

func answer[T any](body T, err error) (*answered[T], error) { return &answered[T]{body}, err }

// shows is the operation that answers with what a request is about.
func shows[I, T any](
	read func(context.Context, *admin.Request) (T, error),
) func(context.Context, *admin.Request, *I) (*answered[T], error) {
	return func(ctx context.Context, r *admin.Request, _ *I) (*answered[T], error) {
		return answer(read(ctx, r))
	}
}

// versioned is the output of what shows something that has a version.
type versioned[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

func version[T any](body T, version int64, err error) (*versioned[T], error) {
	return &versioned[T]{ETag: etag(version), Body: body}, err
}

// response is an answer on its way out: its links are made such that they lead on from where the
// caller called, what the caller has already is not sent again, and what is long is compressed for
// who takes that. Operations write links as if the API stood at the root.
type response struct {
	recorder

	to   http.ResponseWriter
	call *http.Request
}

func respond(to http.ResponseWriter, call *http.Request) *response {
	return &response{recorder{header: to.Header()}, to, call}
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.to }

// minCompressed is the length in bytes up to which compressing an answer saves nothing.
const minCompressed = 1 << 10

// send sends the answer. To HEAD it has all but the body.
func (w *response) send() {
	if to := w.header.Get("Location"); to != "" {
		w.header.Set("Location", link(w.call.Context(), to))
	}

	status, body := cmp.Or(w.status, http.StatusOK), w.body.Bytes()
	if len(body) > 0 {
		w.header.Add("Vary", "Accept-Encoding")
	}

	switch {
	case status == http.StatusOK && w.has(w.header.Get("ETag")):
		w.header.Del("Content-Type")

		status = http.StatusNotModified
		body = nil
	case len(body) > minCompressed && takesGzip(w.call.Header.Values("Accept-Encoding")):
		w.header.Set("Content-Encoding", "gzip")

		body = compressed(body)
	}

	w.to.WriteHeader(status)

	if w.call.Method != http.MethodHead {
		_, _ = w.to.Write(body) // the status is written: there is no other answer left
	}
}

func compressed(body []byte) []byte {
	var out bytes.Buffer

	w := gzip.NewWriter(&out)
	_, _ = w.Write(body) // a buffer takes everything
	_ = w.Close()

	return out.Bytes()
}

// has reports whether a read says that its caller has what the ETag names (RFC 9110 §13.1.2). The
// comparison is the weak one.
func (w *response) has(etag string) bool {
	if etag == "" || w.call.Method != http.MethodGet && w.call.Method != http.MethodHead {
		return false
	}

	for tag := range strings.SplitSeq(strings.Join(w.call.Header.Values("If-None-Match"), ","),
		",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}

	return false
}

// link makes a reference to a path of the API that leads there from what the caller called: behind
// the stage, or the base path of a custom domain, that the call came by. Where API Gateway does not
// say what that is, it leads there step by step.
func link(ctx context.Context, path string) string {
	c := proxy.CallOf(ctx)
	if c.BaseHidden {
		return strings.Repeat("../", strings.Count(c.Path, "/")-1) + strings.TrimPrefix(path, "/")
	}

	return c.Base + path
}

// root is the address that the paths of the API begin at, as one that is relative to the OpenAPI
// document's own.
func root(ctx context.Context) string {
	c := proxy.CallOf(ctx)
	switch {
	case c.BaseHidden:
		return ".."
	case c.Base == "":
		return "/"
	default:
		return c.Base
	}
}
