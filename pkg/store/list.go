package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// MaxPage is the most keys in one page of a list.
const MaxPage = 200

// Filter selects the keys of an organization that a list shows. Zero fields select all.
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
	Viewer      string // who sees only their own personal keys; "" for a caller who sees all
	// not in JSON: what it asks for needs a field of its own there
	PostFilter PostFilter `json:"-"`
	Living     bool       // leaves deleted keys out
}

// PostFilter returns those of at most 100 keys that match by what is in another table, such as
// their last use, in their order. It costs one read.
type PostFilter func(ctx context.Context, keys []*apikey.Key) ([]*apikey.Key, error)

// Finds reports whether a list with this filter would contain a key of its organization.
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

// matches is the only predicate of lists.
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

// hinted reports whether a text is what people see of a secret with the hint: all of it, the part
// before the ellipsis, or the last characters. The part before it identifies the key, so the hint
// of an earlier secret of the key matches too.
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

// mayMatch reports whether the row of an entry may match, by the entry's attributes. What its
// partition implies is not checked again. A damaged entry may match: its row is reported when it is
// read.
func (f Filter) mayMatch(e entry, now time.Time) bool {
	if e.damaged {
		return true
	}

	k := e.key
	_, k.ID = sealed.KeyAt(e.row.Partition)
	f.Viewer = ""
	f.Environment = ""
	f.Ownership = ""
	f.Owner = ""
	f.Customer = ""
	return f.matches(k, now)
}

// selective reports whether the list skips keys that are in its partitions.
func (f Filter) selective() bool {
	return f.Status == apikey.Expired || f.Permission != "" || f.Tag != "" || f.Text != "" ||
		f.PostFilter != nil
}

// Keys returns a page of an organization's keys, newest first, and the position of the next page:
// "" at the end. after is a position that an earlier page ended with. A page costs at most maxReads
// reads. It is full unless the filter skips many keys by what no index knows: permission, tag,
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
