package storetest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store"
)

// Shown returns the ids of the keys that a list should show, in its order. It follows the
// contract's words and not the store's code.
func Shown(keys []*apikey.Key, f store.Filter, now time.Time) []string {
	var matching []*apikey.Key
	for _, k := range keys {
		status := apikey.Active
		if !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(now) {
			status = apikey.Expired
		}

		if !k.Enabled || k.Revocation != nil || !k.DeletedAt.IsZero() {
			status = apikey.Inactive
		}

		keep := f.Status == "" || f.Status == status
		keep = keep && (f.Viewer == "" || k.Ownership != apikey.Personal || f.Viewer == k.Owner.ID)
		keep = keep && (f.Environment == "" || f.Environment == k.Environment)
		keep = keep && (f.Ownership == "" || f.Ownership == k.Ownership)
		keep = keep && (f.Owner == "" || f.Owner == k.Owner.ID)
		keep = keep && (f.Customer == "" || slices.Index(k.Customers, f.Customer) >= 0)
		keep = keep && (f.Permission == "" || slices.Index(k.Permissions, f.Permission) >= 0)
		keep = keep && (f.Tag == "" || slices.Index(k.Tags, f.Tag) >= 0)

		keep = keep &&
			(f.Text == "" || f.Text == k.ID ||
				strings.Contains(strings.ToLower(k.Name), strings.ToLower(f.Text)))
		if keep {
			matching = append(matching, k)
		}
	}

	slices.SortFunc(matching, func(a, b *apikey.Key) int { // newest first, then by id
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})

	ids := make([]string, 0, len(matching))
	for _, k := range matching {
		ids = append(ids, k.ID)
	}

	if f.OldestFirst {
		slices.Reverse(ids)
	}

	return ids
}
