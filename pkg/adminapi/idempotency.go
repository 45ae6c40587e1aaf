package adminapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// PostHeaders are the headers of a POST that changes something.
type PostHeaders struct {
	IdempotencyHeader
	MatchHeader
}

// IdempotencyHeader makes a call happen once however often it is sent.
type IdempotencyHeader struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"200" doc:"The same key and body get the same answer for 24 hours, without the secret"`
}

// MatchHeader makes a call conditional (RFC 9110 §13.1.1).
type MatchHeader struct {
	IfMatch string `header:"If-Match" maxLength:"1000" pattern:"^(\\*|(W/)?\"[^\"]*\"( *, *(W/)?\"[^\"]*\")*)$" patternDescription:"an ETag in its quotes, such as \"3\", or *" doc:"The ETag that the change starts from; another one now is 412"`
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

// replayable is a body that can be told again without its secret.
type replayable[T any] interface{ Replay() T }

// idempotent makes a change once however often it is sent with one Idempotency-Key: its answer is
// kept, without its secret, in the transaction of the change itself, so there is never one without
// the other. Whoever sends the call again is answered by serveIdempotent.
func idempotent[T replayable[T]](
	ctx context.Context, a *API, s *request, try func(s *request) (attempt[posted[T]], error),
) (*posted[T], error) {
	answer, err := change(ctx, a, s, func(s *request) (attempt[posted[T]], error) {
		got, err := try(s)
		if err != nil || s.receipt == nil {
			return got, err
		}

		receipt := *s.receipt
		if receipt.Answer, err = json.Marshal(got.answer.Body.Replay()); err != nil {
			return got, fmt.Errorf("encode receipt: %w", err)
		}

		receipt.Status = got.answer.Status
		receipt.ETag = got.answer.ETag
		receipt.Location = got.answer.Location
		// first: what else failed is no news
		got.writes = append([]store.Write{a.store.Keep(receipt, s.now)}, got.writes...)
		return got, nil
	})
	if err != nil {
		return nil, err
	}

	return &answer, nil
}

// idempotentCall is a call with an Idempotency-Key.
type idempotentCall struct {
	key     string
	body    [sha256.Size]byte
	receipt *store.Receipt // set by the gate, when it is known whose call it is
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
		a.write(w, gatewayContextOf(r.Context()).requestID,
			malformed.with("The body could not be read."))
		return
	}

	o := &idempotentCall{key: r.Header.Get("Idempotency-Key"), body: sha256.Sum256(body)}
	ctx := context.WithValue(r.Context(), idempotentCallKey{}, o)
	r = r.WithContext(ctx)
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))

	answer := &recorder{header: http.Header{}}
	a.mux.ServeHTTP(answer, r)

	if answer.status >= http.StatusBadRequest && o.receipt != nil && o.kept == nil {
		kept, err := a.store.Receipt(ctx, o.receipt.ID, a.now())
		if err == nil && kept != nil && bytes.Equal(kept.Body, o.receipt.Body) {
			o.kept = kept
		}
	}

	if o.kept != nil {
		replay(w, o.kept)
		return
	}

	answer.copyTo(w)
}

// kept looks for the answer of an earlier call with the same Idempotency-Key by the same caller,
// and names the receipt of this one. Errors: a problem, where that call had another body; those of
// the store.
func (a *API) kept(ctx context.Context, s *request) error {
	o := idempotentCallOf(ctx)
	if o == nil {
		return nil
	}

	name := sha256.New()
	for _, part := range []string{
		s.caller.ID(), string(s.operation), s.organizationID, s.keyID, o.key,
	} {
		_, _ = fmt.Fprintf(name, "%d:%s", len(part), part) // a hash takes everything
	}

	o.receipt = &store.Receipt{
		ID:        hex.EncodeToString(name.Sum(nil)),
		Body:      o.body[:],
		ExpiresAt: s.now.Add(store.ReceiptLife).Unix(),
	}
	s.receipt = o.receipt

	kept, err := a.store.Receipt(ctx, o.receipt.ID, s.now)
	if err != nil || kept == nil {
		return err
	}

	if !bytes.Equal(kept.Body, o.receipt.Body) {
		return errOtherBody()
	}

	if s.operation == organization.BulkKeys {
		a.refresh(ctx, s, kept)
	}

	o.kept = kept
	return nil
}

func errOtherBody() *Problem {
	return mismatch.with("This Idempotency-Key came with another body before: use a new one.")
}

// refresh makes the answer of a bulk change that is told again say how far its job is by now, if
// that can be read.
func (a *API) refresh(ctx context.Context, s *request, kept *store.Receipt) {
	var answer api.BulkAnswer
	if json.Unmarshal(kept.Answer, &answer) != nil || answer.Job == nil {
		return
	}

	j, err := a.store.Job(ctx, s.organizationID, answer.Job.ID)
	if err != nil {
		return
	}

	shown := viewJob(j, s.caller)

	answer.Job = &shown
	if text, err := json.Marshal(answer); err == nil {
		kept.Answer = text
	}
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
