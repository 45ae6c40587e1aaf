package store

import (
	"context"
	"fmt"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// Organization reads an organization, strongly consistent. Errors: organization.ErrNotFound,
// ErrDamaged, ErrUnavailable.
func (s *Store) Organization(ctx context.Context, id string) (*organization.Organization, error) {
	return object[organization.Organization](ctx, s, organizationRow(id), "organization "+id,
		organization.ErrNotFound)
}

// ErrCatalogueStale is returned if the catalogue has changed meanwhile.
var ErrCatalogueStale = fmt.Errorf("store: the permission catalogue: %w", apikey.ErrStale)

// PutCatalogue writes the catalogue as the version after replaces. Failure: ErrCatalogueStale.
func (s *Store) PutCatalogue(
	ctx context.Context, permissions []permission.Permission, replaces int64,
) Write {
	text, err := permission.Encode(permissions)
	if err != nil {
		return Write{err: fmt.Errorf("store: encode catalogue: %w", err)}
	}

	c := &sealed.Catalogue{
		Version:     replaces + 1,
		Permissions: text,
		Seals:       map[apikey.Environment]sealed.Seal{},
	}
	for _, env := range apikey.Environments() {
		p, err := s.ring.Ensure(ctx, env)
		if err != nil {
			return Write{err: dynamo.Unavailable("pepper", err)}
		}

		c.Put(p, env)
	}

	return versioned(c.Encode(), nil, replaces, ErrCatalogueStale, ErrCatalogueStale)
}

// ReceiptLife is how long an Idempotency-Key is remembered.
const ReceiptLife = 24 * time.Hour

// Receipt is the answer to a call with an Idempotency-Key, without its secret.
type Receipt struct {
	ID        string // a hash of caller, method, path and Idempotency-Key
	Body      []byte // a hash of the request's body
	Status    int
	Answer    []byte // JSON
	ETag      string
	Location  string
	ExpiresAt int64 // Unix seconds
}

// Receipt reads a receipt that has not ended at now. It returns nil if there is none. Errors:
// ErrDamaged, ErrUnavailable.
func (s *Store) Receipt(ctx context.Context, id string, now time.Time) (*Receipt, error) {
	item, err := s.core.Get(ctx, receiptRow(id))
	if err != nil || item == nil {
		return nil, err
	}

	if err := sealed.Check(ctx, s.ring, administration, item, receiptRow(id),
		"a receipt"); err != nil {
		return nil, err
	}

	f := dynamo.Read(item)

	r := &Receipt{
		ID:        id,
		Body:      f.Binary("body"),
		Status:    int(f.Int("status")),
		Answer:    f.Binary("answer"),
		ETag:      f.Text("etag"),
		Location:  f.Text("location"),
		ExpiresAt: f.Int(dynamo.PurgeAttribute),
	}
	if err := f.Err(); err != nil {
		return nil, dynamo.Damaged("a receipt", err)
	}

	if now.Unix() >= r.ExpiresAt {
		return nil, nil
	}

	return r, nil
}

// Keep writes a receipt. It may replace one that has ended at now. Failure: ErrReceipt.
func (s *Store) Keep(r Receipt, now time.Time) Write {
	item := receiptRow(r.ID).Item()
	item.PutBinary("body", r.Body)
	item.PutInt("status", int64(r.Status))
	item.PutBinary("answer", r.Answer)
	item.PutText("etag", r.ETag)
	item.PutText("location", r.Location)
	item[dynamo.PurgeAttribute] = dynamo.Number(r.ExpiresAt)

	w := fresh(item, nil, ErrReceipt).underSeal()
	w.row.Condition = dynamo.IsNew.Or(
		dynamo.AtMost(dynamo.Number(now.Unix()), dynamo.PurgeAttribute))
	return w
}
