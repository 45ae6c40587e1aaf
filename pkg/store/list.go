package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// MaxPage is the most keys that one page of a list holds.
const MaxPage = 200

// Filter says which keys of an organization a list shows. The zero value of each field means any.
type Filter struct {
	Status      apikey.Status // "" for any
	Environment apikey.Environment
	Ownership   apikey.Ownership
	Owner       string
	Customer    string
	Permission  string
	Tag         string
	Text        string // part of the name in any case, the id, or the hint or its last characters
	OldestFirst bool   // how the list is ordered
	Viewer      string // a person who sees no personal keys but their own; "" for who sees all
	// what it asks for belongs into a field of its own: a list's query is known by the others
	PostFilter PostFilter `json:"-"`
	Living     bool       // leaves deleted keys out
}

// PostFilter narrows keys, at most 100 at a time, by what stands in another table, such as their
// last use. It costs one read, and returns those that stay, in their order.
type PostFilter func(ctx context.Context, keys []*apikey.Key) ([]*apikey.Key, error)

// Finds reports whether a list by this filter has a key of its organization.
func (f Filter) Finds(ctx context.Context, k *apikey.Key, now time.Time) (bool, error) {
	if !f.matches(k, now) {
		return false, nil
	}

	if f.PostFilter == nil {
		return true, nil
	}

	left, err := f.PostFilter(ctx, []*apikey.Key{k})
	return len(left) > 0, err
}

// matches is the one predicate of lists.
func (f Filter) matches(k *apikey.Key, now time.Time) bool {
	return (f.Viewer == "" || k.Ownership == apikey.Organization || k.Owner.ID == f.Viewer) &&
		(!f.Living || k.DeletedAt.IsZero()) &&
		(f.Status == "" || k.Status(now) == f.Status) &&
		(f.Environment == "" || k.Environment == f.Environment) &&
		(f.Ownership == "" || k.Ownership == f.Ownership) &&
		(f.Owner == "" || k.Owner.ID == f.Owner) &&
		(f.Customer == "" || slices.Contains(k.Customers, f.Customer)) &&
		(f.Permission == "" || slices.Contains(k.Permissions, f.Permission)) &&
		(f.Tag == "" || slices.Contains(k.Tags, f.Tag)) &&
		(f.Text == "" || k.ID == f.Text ||
			strings.Contains(strings.ToLower(k.Name), strings.ToLower(f.Text)) ||
			hinted(k.Hint, f.Text))
}

// hinted reports whether a text is what somebody sees of a secret with the hint: all of it, what
// stands before the ellipsis, or the last characters. What stands before names the key, so that the
// hint of an earlier secret of the key is found too.
func hinted(hint, text string) bool {
	front, last, _ := strings.Cut(hint, "…")

	before, after, whole := strings.Cut(strings.ReplaceAll(text, "...", "…"), "…")
	switch {
	case front == "":
		return false
	case !whole:
		return text == front || text == strings.TrimSuffix(front, "_") || text == last
	case before == "":
		return after == last && last != ""
	default:
		return before == front
	}
}

// mayMatch is the predicate over what an entry of an index says; what its partition says already is
// not asked again. The row of a damaged entry is reported where it is read.
func (f Filter) mayMatch(e entry, now time.Time) bool {
	k, err := fromKeyItem(&e.keyItem)
	if e.damaged || err != nil {
		return true
	}

	_, k.ID = keyAt(e.row().Partition)
	f.Viewer = ""
	f.Environment = ""
	f.Ownership = ""
	f.Owner = ""
	f.Customer = ""
	return f.matches(k, now)
}

// selective reports whether the list passes over keys that its partitions hold.
func (f Filter) selective() bool {
	return f.Status == apikey.Expired || f.Permission != "" || f.Tag != "" || f.Text != "" ||
		f.PostFilter != nil
}

// Keys returns a page of an organization's keys, newest first, and the position after it: "" where
// the list ends. after is a position that an earlier page ended with. A page costs at most maxReads
// reads. It is full unless a filter passes over many keys that only it can tell: permission, tag,
// text, the status expired, a PostFilter. Errors: ErrUnavailable, those of the PostFilter.
func (s *Store) Keys(
	ctx context.Context, org string, f Filter, after string, limit int, now time.Time,
) (page []*apikey.Key, next string, err error) {
	l := &listing{
		Store:   s,
		org:     org,
		filter:  f,
		now:     now,
		streams: f.streams(org),
		left:    maxReads,
	}
	return l.page(ctx, after, min(limit, MaxPage))
}
