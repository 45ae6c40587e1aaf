// Package accesslog counts calls by the access logs of APIs, since with API Gateway's cache an
// authorizer sees only some of them.
//
// It promises that a call is counted once, regardless of how often its line comes, in which
// batches, and to how many instances, as long as it comes within the hours in which counts may
// still change (see usage.Deduplicator); that a caller cannot make a call count for another key;
// and that a batch that could not be counted is an error, so that it comes again. It does not count
// calls whose key was not recognised: API Gateway logs no authorizer's context for a 401.
package accesslog

import (
	"context"
	"crypto/rand"
	"log/slog"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// Counter counts calls that may be reported more than once.
type Counter interface {
	// Record counts the entries that were not counted before. After an error, all of them can be
	// recorded again.
	Record(ctx context.Context, entries []usage.Entry) error
}

// Handler processes the batches of a log subscription. It implements lambda.Handler.
type Handler struct {
	Brand     apikey.Brand
	Catalogue *check.Catalogue
	Counter   Counter
	Logger    *slog.Logger
}

// Invoke implements lambda.Handler: it takes a batch and returns null or an error.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	lines, err := unpack(payload)
	if err != nil {
		h.Logger.ErrorContext(ctx, "batch of access log lines cannot be read", "error", err)
		return nil, err
	}

	catalogue, err := h.Catalogue.Current(ctx)
	if err != nil {
		h.Logger.ErrorContext(ctx, "unavailable", "error", err)
		return nil, err
	}

	var entries []usage.Entry

	malformed := 0
	for _, event := range lines {
		l, err := parse(event.Message)
		switch {
		case err != nil:
			// not an error: the line would fail each repetition of the batch
			malformed++
		case l.keyID != "":
			entries = append(entries, usage.Entry{
				ID:   l.id,
				Call: l.call(catalogue, h.Brand),
			})
		}
	}

	if malformed > 0 {
		h.Logger.WarnContext(ctx, "access log lines are malformed", "lines", malformed)
	}

	if err := h.Counter.Record(ctx, entries); err != nil {
		h.Logger.ErrorContext(ctx, "unavailable", "error", err)
		return nil, err
	}

	return []byte("null"), nil
}

// Function returns the Lambda function that counts by access logs.
func Function(d *full.Deployment) *Handler {
	return &Handler{
		Brand:     d.Brand,
		Catalogue: d.Catalogue,
		Counter:   usage.NewDeduplicator(d.Hot, rand.Text(), d.Now, d.Logger),
		Logger:    d.Logger,
	}
}
