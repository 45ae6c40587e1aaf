package admin

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bitting-keys/bitting/pkg/advice"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/hot"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// Bounds on how much of a key's past is read, so that a page of advice takes bounded time. What is
// not read counts as unknown.
const (
	historyPages  = 5
	requestsOfKey = 1000 // recorded calls that changes are tried on
	requestsOfOne = 200  // the same, for each key of a page
)

// adviceOn returns the advice on several keys, in their order.
func (s *ReportService) adviceOn(
	ctx context.Context, r *Request, window time.Duration, keys []*apikey.Key,
) ([]AdviceItem, error) {
	facts, err := s.facts(ctx, r, window, keys...)
	if err != nil {
		return nil, err
	}

	found := make([][]AdviceItem, len(keys))

	g, ctx := errgroup.WithContext(ctx)
	for i := range facts {
		g.Go(func() (err error) {
			found[i], err = s.adviceItems(ctx, r, facts[i], requestsOfOne)
			return err
		})
	}

	if err := g.Wait(); err != nil {
		return nil, err
	}

	var out []AdviceItem
	for _, items := range found {
		out = append(out, items...)
	}

	return out, nil
}

// adviceItems returns the advice that follows from the facts of a key, with previews.
func (s *ReportService) adviceItems(
	ctx context.Context, r *Request, f *advice.Facts, requests int,
) ([]AdviceItem, error) {
	items := advice.Of(*f)
	if len(items) == 0 {
		return nil, nil
	}

	try, err := s.trial(ctx, r, f.Key, requests)
	if err != nil {
		return nil, err
	}

	var out []AdviceItem
	for _, i := range items {
		p, err := try.preview(ctx, i.Change)
		if err != nil {
			return nil, err
		}

		out = append(out, viewAdvice(f.Key, i, p))
	}

	return out, nil
}

// facts gathers the facts about keys.
func (s *ReportService) facts(
	ctx context.Context, r *Request, window time.Duration, keys ...*apikey.Key,
) ([]*advice.Facts, error) {
	uses, err := s.hot.LastUses(ctx, keys...)
	if err != nil {
		return nil, err
	}

	out := make([]*advice.Facts, len(keys))

	g, ctx := errgroup.WithContext(ctx)
	for i, k := range keys {
		out[i] = &advice.Facts{
			Key:         k,
			Catalogue:   r.catalogue,
			Now:         r.now,
			Window:      window,
			KeptSince:   r.now.Add(-hot.UsageRetention),
			SecretSince: k.SecretSince(),
			LongestLife: r.organization.Settings.LongestLife[k.Environment],
			LimitsOff:   r.limitsOff,
			LastUsed:    uses[k.ID].At,
		}
		g.Go(func() error { return s.remember(ctx, out[i]) })
	}

	return out, g.Wait()
}

// remember reads the key's past into the facts, as far back as a window reaches.
func (s *ReportService) remember(ctx context.Context, f *advice.Facts) error {
	since := later(f.Key.CreatedAt, f.Now.Add(-max(f.Window, advice.LongWindow)))

	hours, err := s.hot.Usage(ctx, usage.KeyScope(f.Key.Environment, f.Key.ID),
		since.Truncate(time.Hour), f.Now.Add(time.Hour))
	if err != nil {
		return err
	}

	for hour, counts := range hours {
		f.Count(hour, counts)
	}

	// The history is read only if the key has changed in the window: most keys have not.
	if f.Key.UpdatedAt.Before(since) || f.Key.Version == 1 {
		return nil // no change in the window
	}

	after := ""
	for range historyPages {
		entries, next, err := s.store.History(ctx, f.Key.OrganizationID, "key", f.Key.ID, after,
			store.MaxPage)
		if err != nil {
			return err
		}

		for _, e := range entries {
			if e.At.Before(since) {
				return nil
			}

			f.Recall(e)
		}

		if after = next; after == "" {
			return nil
		}

		// if the next page is not read, nothing before this is known
		f.KeptSince = entries[len(entries)-1].At
	}

	return nil
}
