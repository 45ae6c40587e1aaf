package adminapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/store"
)

// PostHeaders are the headers of a POST that changes something.
type PostHeaders struct {
	IdempotencyHeader
	MatchHeader
}

// IdempotencyHeader makes a call happen once however often it is sent.
type IdempotencyHeader struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"200" doc:"The same key and body get the same response for 24 hours, without the secret"`
}

// MatchHeader makes a call conditional (RFC 9110 §13.1.1).
type MatchHeader struct {
	IfMatch string `header:"If-Match" maxLength:"1000" example:"\"3\"" pattern:"^(\\*|(W/)?\"[^\"]*\"( *, *(W/)?\"[^\"]*\")*)$" patternDescription:"an ETag in its quotes, such as \"3\", or *" doc:"The ETag of the version that the change is based on; if it is no longer current, 412"`
}

// matches reports whether the ETag of a version is among those of If-Match.
func (h MatchHeader) matches(version int64) bool {
	if h.IfMatch == "" {
		return true
	}

	for _, tag := range strings.Split(h.IfMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == etag(version) {
			return true
		}
	}

	return false
}

func etag(version int64) string { return fmt.Sprintf(`"%d"`, version) }

// posted is the output of a POST.
type posted[T any] struct {
	Status   int
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     T
}

// post makes the output of a POST, of what its work returns: now, and in the receipt of the call.
func post[T any](
	r *admin.Request, output func(T) posted[T], work func() (T, error),
) (*posted[T], error) {
	r.Describe(func(answer any, to *store.Receipt) {
		if of, ok := answer.(T); ok {
			told := output(of)
			to.Status = told.Status
			to.ETag = told.ETag
			to.Location = told.Location
		}
	})

	done, err := work()
	if err != nil {
		return nil, err
	}

	out := output(done)
	return &out, nil
}

// idempotentCall is a call with an Idempotency-Key.
type idempotentCall struct {
	key     string
	body    [sha256.Size]byte
	request *admin.Request // set by the gate
	kept    *store.Receipt // what was kept of an earlier call; nil for none
}

type idempotentCallKey struct{}

func idempotentCallOf(ctx context.Context) *idempotentCall {
	o, _ := ctx.Value(idempotentCallKey{}).(*idempotentCall)
	return o
}

// maxIdempotencyKey is the longest Idempotency-Key; a longer one is refused where headers are read.
const maxIdempotencyKey = 200

// serveIdempotent serves a POST with an Idempotency-Key. An earlier call's answer is told again
// before anything of this one is judged, since what was true then need not be now; and once more
// before an error is told, since another call with the same key may have been at work.
func (a *API) serveIdempotent(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxImportBody+1))
	if err != nil {
		a.write(w, gatewayContextOf(r.Context()).RequestID,
			admin.Refuse(api.CodeMalformed, "The body could not be read."))
		return
	}

	o := &idempotentCall{key: r.Header.Get("Idempotency-Key"), body: sha256.Sum256(body)}
	ctx := context.WithValue(r.Context(), idempotentCallKey{}, o)
	r = r.WithContext(ctx)
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))

	answer := &recorder{header: http.Header{}}
	a.mux.ServeHTTP(answer, r)

	if answer.status >= http.StatusBadRequest && o.request != nil && o.kept == nil {
		if kept, err := a.admin.Kept(ctx, o.request); err == nil {
			o.kept = kept
		}
	}

	if o.kept != nil {
		replay(w, o.kept)
		return
	}

	answer.copyTo(w)
}

// kept looks for the answer of an earlier call with the same Idempotency-Key.
func (a *API) kept(ctx context.Context, r *admin.Request) (err error) {
	o := idempotentCallOf(ctx)
	if o == nil {
		return nil
	}

	r.Once(o.key, o.body)
	o.request = r
	o.kept, err = a.admin.Kept(ctx, r)
	return err
}

// replay tells an answer again.
func replay(w http.ResponseWriter, kept *store.Receipt) {
	header := w.Header()
	header.Set("Content-Type", "application/json")

	if kept.ETag != "" {
		header.Set("ETag", kept.ETag)
	}

	if kept.Location != "" {
		header.Set("Location", kept.Location)
	}

	w.WriteHeader(kept.Status)
	_, _ = w.Write(kept.Answer) // the status is written: there is no other answer left
}

// recorder keeps an answer until it is known that it is the one to give.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) { r.status = cmp.Or(r.status, status) }

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}

func (r *recorder) copyTo(w http.ResponseWriter) {
	maps.Copy(w.Header(), r.header)
	w.WriteHeader(cmp.Or(r.status, http.StatusOK))
	_, _ = w.Write(r.body.Bytes()) // the status is written: there is no other answer left
}
