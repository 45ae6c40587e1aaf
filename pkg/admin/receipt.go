package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// replayable is an answer that can be repeated without its secret.
type replayable[T any] interface{ Replay() T }

// idempotent makes a change once, however often it is sent with one Idempotency-Key. Its answer,
// without the secret, is stored in the transaction of the change itself, so there is never one
// without the other.
func idempotent[T replayable[T]](
	ctx context.Context, s *core, r *Request, try func(r *Request) (attempt[T], error),
) (T, error) {
	return change(ctx, s, r, func(r *Request) (attempt[T], error) {
		got, err := try(r)
		if err != nil || r.receipt == nil {
			return got, err
		}

		receipt := *r.receipt
		if receipt.Answer, err = json.Marshal(got.answer.Replay()); err != nil {
			return got, fmt.Errorf("encode receipt: %w", err)
		}

		r.describe(got.answer, &receipt)
		// first: if the receipt exists, other failures do not matter
		got.writes = append([]store.Write{s.store.Keep(receipt, r.now)}, got.writes...)
		return got, nil
	})
}

// Once makes the request idempotent under an Idempotency-Key and the hash of its body. The same key
// with another body is an error.
func (r *Request) Once(key string, body [sha256.Size]byte) {
	name := sha256.New()
	for _, part := range []string{
		r.caller.ID(), string(r.call.Operation), r.call.Organization, r.call.KeyID, key,
	} {
		_, _ = fmt.Fprintf(name, "%d:%s", len(part), part) // a hash accepts everything
	}

	r.receipt = &store.Receipt{
		ID:        hex.EncodeToString(name.Sum(nil)),
		Body:      body[:],
		ExpiresAt: r.now.Add(store.ReceiptLife).Unix(),
	}
}

// Describe sets the function that adds the answer's status and headers to the receipt of the
// request.
func (r *Request) Describe(add func(answer any, to *store.Receipt)) { r.describe = add }

// Kept returns the receipt of an earlier call with the same Idempotency-Key by the same caller; nil
// if there is none. Errors: *Error if that call had another body; those of the store.
func (s *core) Kept(ctx context.Context, r *Request) (*store.Receipt, error) {
	kept, err := s.store.Receipt(ctx, r.receipt.ID, s.now())
	if err != nil || kept == nil {
		return nil, err
	}

	if !bytes.Equal(kept.Body, r.receipt.Body) {
		return nil, errOtherBody()
	}

	if r.call.Operation == organization.BulkKeys {
		s.refresh(ctx, r, kept)
	}

	return kept, nil
}

func errOtherBody() *Error {
	return Refuse(api.CodeIdempotencyMismatch,
		"This Idempotency-Key was already used with another body: use a new one.")
}

// refresh updates the progress of the job in the repeated answer of a bulk change, if that can be
// read.
func (s *core) refresh(ctx context.Context, r *Request, kept *store.Receipt) {
	var answer api.BulkAnswer
	if json.Unmarshal(kept.Answer, &answer) != nil || answer.Job == nil {
		return
	}

	j, err := s.store.Job(ctx, r.call.Organization, answer.Job.ID)
	if err != nil {
		return
	}

	shown := viewJob(j, r.caller)

	answer.Job = &shown
	if text, err := json.Marshal(answer); err == nil {
		kept.Answer = text
	}
}
