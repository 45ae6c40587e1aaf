package admin

import (
	"context"
	"time"

	"github.com/bitting-keys/bitting/pkg/advice"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/hot"
)

// Advice lists what could be narrower, and since when calls were observed.
type Advice struct {
	ObservedSince time.Time
	Items         []AdviceItem
}

// AdviceItem is one thing that could be narrower, with the change that fixes it.
type AdviceItem struct {
	api.AdviceItem

	Mend advice.Change
}

// CheckWindow reads how long something must have been unused. Error: *InvalidError.
func CheckWindow(text string) (time.Duration, error) {
	f := &validator{}
	window := f.duration("query.window", text, time.Second, hot.UsageRetention)
	return window, f.err()
}

// KeyAdvice returns the advice on the request's key; window is 0 for the default.
func (s *ReportService) KeyAdvice(
	ctx context.Context, r *Request, window time.Duration,
) (out Advice, err error) {
	facts, err := s.facts(ctx, r, window, r.key)
	if err != nil {
		return out, err
	}

	out.ObservedSince = facts[0].ObservedSince().UTC()
	out.Items, err = s.adviceItems(ctx, r, facts[0], requestsOfKey)
	return out, err
}

const (
	// adviceChunk is how many keys are examined concurrently.
	adviceChunk = 10
	// adviceTime ends a page, regardless of its number of keys: well before the function's timeout.
	adviceTime = 5 * time.Second
)

// Advise returns advice on the keys of the request's organization after a position, and the
// position of the next page: "" at the end. A page ends after limit keys, or when it took long
// enough.
func (s *ReportService) Advise(
	ctx context.Context, r *Request, filter store.Filter, window time.Duration, after string,
	limit int,
) (out Advice, next string, err error) {
	out.ObservedSince = later(r.organization.CreatedAt, r.now.Add(-hot.UsageRetention)).UTC()

	end := r.now.Add(adviceTime)
	for keys := 0; ; {
		chunk, next, err := s.store.Keys(ctx, r.organization.ID, filter, after,
			min(adviceChunk, limit-keys), r.now)
		if err != nil {
			return out, "", err
		}

		items, err := s.adviceOn(ctx, r, window, chunk)
		if err != nil {
			return out, "", err
		}

		out.Items = append(out.Items, items...)

		keys, after = keys+len(chunk), next
		if after == "" || keys >= limit || s.now().After(end) {
			return out, after, nil
		}
	}
}

// later returns the later of two times.
func later(s, b time.Time) time.Time {
	if s.After(b) {
		return s
	}

	return b
}

// viewAdvice converts an item to its API form.
func viewAdvice(k *apikey.Key, i advice.Item, p *api.Preview) AdviceItem {
	out := api.AdviceItem{
		Code:     string(i.Code),
		Severity: string(i.Severity),
		KeyID:    k.ID,
		KeyName:  k.Name,
		Detail:   i.Detail,
		Preview:  p,
		Evidence: api.AdviceEvidence{
			ObservedSince: orNull(i.Evidence.ObservedSince.UTC()),
			Permission:    i.Evidence.Permission,
			Used:          i.Evidence.Used,
			LastUsedAt:    orNull(i.Evidence.LastUsed.UTC()),
			SecretSince:   orNull(i.Evidence.Since.UTC()),
		},
	}
	if i.Evidence.Window > 0 {
		out.Evidence.Window = formatDuration(i.Evidence.Window)
	}

	if i.Code == advice.NoLimit || i.Code == advice.RetiredSecretUsed {
		out.Evidence.Calls = &i.Evidence.Calls
	}

	return AdviceItem{out, i.Change}
}
