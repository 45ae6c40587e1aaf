package adminapi

import (
	"context"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/meter"
)

// used adds to shown keys when they were last used, which is read beside the keys: a call never touches a key's row.
func (a *API) used(ctx context.Context, keys []*apikey.Key, shown []Key) error {
	uses, err := a.store.LastUses(ctx, keys...)
	if err != nil {
		return err
	}
	for i := range shown {
		if use, ok := uses[shown[i].ID]; ok {
			shown[i].LastUsed = &LastUsed{At: use.At, SourceIP: use.SourceIP, UserAgent: use.UserAgent}
		}
	}
	return nil
}

// withUsage adds to shown keys how often they were used on each of the last days, today last.
func (a *API) withUsage(ctx context.Context, s *session, keys []*apikey.Key, shown []Key) error {
	scopes := make([]meter.Scope, 0, len(keys))
	for _, k := range keys {
		scopes = append(scopes, meter.KeyScope(k.Environment, k.ID))
	}
	to := s.now.Truncate(day).Add(day)
	from := to.Add(-usualDays * day)
	hours, err := a.store.Usages(ctx, scopes, from, to)
	if err != nil {
		return err
	}
	for i := range shown {
		for _, p := range meter.Series(hours[i], from, to, day) {
			totals := p.Counts.Totals()
			shown[i].Usage = append(shown[i].Usage, totals.Allowed+totals.Denied)
		}
	}
	return nil
}
