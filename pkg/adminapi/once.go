package adminapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store"
)

// PostHeaders are the headers of a POST that changes something.
type PostHeaders struct {
	OnceHeader
	MatchHeader
}

// OnceHeader makes a call happen once however often it is sent.
type OnceHeader struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"200" doc:"The same key and body get the same answer for 24 hours, without the secret"`
}

// MatchHeader makes a call conditional (RFC 9110 §13.1.1).
type MatchHeader struct {
	IfMatch string `header:"If-Match" maxLength:"1000" pattern:"^(\\*|(W/)?\"[^\"]*\"( *, *(W/)?\"[^\"]*\")*)$" patternDescription:"an ETag in its quotes, such as \"3\", or *" doc:"The ETag that the change starts from; another one now is 412"`
}

// matches tells whether the ETag of a version is among those of If-Match.
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
type replayable[T any] interface{ replay() T }

// result is what an attempt of a change wants to write and answer.
type result[T any] struct {
	posted[T]
	writes []store.Write
}

// changeAttempts is how often a change is tried anew when another change of the same row came first.
const changeAttempts = 5

// once does the work of a POST once. With an Idempotency-Key the answer is kept, without its secret, in the transaction of the change itself, so
// there is never one without the other. work is called again, with fresh set, when another change of the row came between; not with If-Match, where
// the caller wanted to know.
func once[T replayable[T]](ctx context.Context, a *API, s *session, h PostHeaders, where string, body []byte, work func(fresh bool) (*result[T], error)) (*posted[T], error) {
	receipt := newReceipt(s, h.IdempotencyKey, where, body)
	if answer, err := replay[T](ctx, a, s, receipt); answer != nil || err != nil {
		return answer, err
	}
	for attempt := 1; ; attempt++ {
		r, err := work(attempt > 1)
		if err != nil {
			return nil, err
		}
		writes := r.writes
		if receipt != nil {
			if err := receipt.fill(r.Status, r.ETag, r.Location, r.Body.replay()); err != nil {
				return nil, err
			}
			writes = append(writes, a.store.Keep(receipt.Receipt, s.now))
		}
		if len(writes) == 0 {
			return &r.posted, nil
		}
		err = a.store.Commit(ctx, writes...)
		switch {
		case err == nil:
			return &r.posted, nil
		case errors.Is(err, store.ErrReceipt):
			if answer, err := replay[T](ctx, a, s, receipt); answer != nil || err != nil {
				return answer, err
			}
			return nil, store.ErrReceipt
		case !errors.Is(err, apikey.ErrStale) || h.IfMatch != "":
			return nil, err
		case attempt == changeAttempts:
			return nil, store.ErrConflict // the caller set no condition that could have failed
		}
	}
}

// pending is a receipt that is being made.
type pending struct{ store.Receipt }

// newReceipt names the receipt of a call: per caller, method and path. nil where the call has no Idempotency-Key.
func newReceipt(s *session, idempotencyKey, where string, body []byte) *pending {
	if idempotencyKey == "" {
		return nil
	}
	name := sha256.New()
	for _, part := range []string{s.caller.ID(), where, idempotencyKey} {
		_, _ = fmt.Fprintf(name, "%d:%s", len(part), part) // a hash takes everything
	}
	sum := sha256.Sum256(body)
	return &pending{store.Receipt{ID: hex.EncodeToString(name.Sum(nil)), Body: sum[:], ExpiresAt: s.now.Add(store.ReceiptLife).Unix()}}
}

func (p *pending) fill(status int, tag, location string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode receipt: %w", err)
	}
	p.Status, p.ETag, p.Location, p.Answer = status, tag, location, text
	return nil
}

// replay returns the answer that was kept; nil where there is none.
func replay[T any](ctx context.Context, a *API, s *session, receipt *pending) (*posted[T], error) {
	if receipt == nil {
		return nil, nil
	}
	kept, err := a.store.Receipt(ctx, receipt.ID, s.now)
	if err != nil || kept == nil {
		return nil, err
	}
	if !bytes.Equal(kept.Body, receipt.Body) {
		return nil, mismatch.with("This Idempotency-Key came with another body before: use a new one.")
	}
	out := &posted[T]{Status: kept.Status, ETag: kept.ETag, Location: kept.Location}
	if err := json.Unmarshal(kept.Answer, &out.Body); err != nil {
		return nil, fmt.Errorf("decode receipt: %w", err)
	}
	return out, nil
}
