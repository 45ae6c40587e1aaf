package admin

import (
	"context"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// used adds the last use to keys. It is stored separately: a call never writes a key's row.
func (s *core) used(ctx context.Context, keys []*apikey.Key, shown []api.Key) error {
	uses, err := s.hot.LastUses(ctx, keys...)
	if err != nil {
		return err
	}

	for i := range shown {
		if use, ok := uses[shown[i].ID]; ok {
			shown[i].LastUsed = &api.LastUsed{
				At:        api.Time{Time: use.At},
				SourceIP:  use.SourceIP,
				UserAgent: use.UserAgent,
			}
		}
	}

	return nil
}

// withUsage adds to keys how often they were used on each of the last days, today last.
func (s *core) withUsage(
	ctx context.Context, r *Request, keys []*apikey.Key, shown []api.Key,
) error {
	scopes := make([]usage.Scope, 0, len(keys))
	for _, k := range keys {
		scopes = append(scopes, usage.KeyScope(k.Environment, k.ID))
	}

	to := r.now.Truncate(day).Add(day)
	from := to.Add(-usualDays * day)

	hours, err := s.hot.Usages(ctx, scopes, from, to)
	if err != nil {
		return err
	}

	for i := range shown {
		for _, p := range usage.Series(hours[i], from, to, day) {
			totals := p.Counts.Totals()
			shown[i].Usage = append(shown[i].Usage, totals.Allowed+totals.Denied)
		}
	}

	return nil
}

// usedBefore returns a filter that keeps keys that were not used since a time, or never.
func (s *core) usedBefore(since time.Time) store.PostFilter {
	return func(ctx context.Context, keys []*apikey.Key) ([]*apikey.Key, error) {
		uses, err := s.hot.LastUses(ctx, keys...)
		if err != nil {
			return nil, err
		}

		return slices.DeleteFunc(slices.Clone(keys), func(k *apikey.Key) bool {
			use, used := uses[k.ID]
			return used && !use.At.Before(since)
		}), nil
	}
}

// since reads a time, or a duration before now.
func (f *validator) since(location, text string, now time.Time) time.Time {
	if _, err := parseDuration(text); err == nil {
		return now.Add(-f.duration(location, text, 0, maxDuration))
	}

	at, message := ParseTime(text)
	if message == expectedTime {
		message += " or a duration such as 90d"
	}

	if message != "" {
		f.add(location, message, text)
	}

	return at
}
