package store

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// Organization reads an organization, strongly consistent. Errors: organization.ErrNotFound,
// ErrDamaged, ErrUnavailable.
func (s *Store) Organization(ctx context.Context, id string) (*organization.Organization, error) {
	return object[organization.Organization](ctx, s, organizationRow(id), "organization "+id,
		organization.ErrNotFound)
}

// ErrCatalogueStale is returned if the catalogue has changed meanwhile.
var ErrCatalogueStale = fmt.Errorf("store: the permission catalogue: %w", apikey.ErrStale)

type catalogueItem struct {
	Version     int64  `dynamodbav:"version"`
	Permissions []byte `dynamodbav:"permissions"` // JSON: it is read whole and compiled
	// by environment, since an authorizer has only the pepper of its own
	Seals map[string]sealItem `dynamodbav:"seals"`
}

type sealItem struct {
	Pepper int    `dynamodbav:"pepper"`
	Seal   []byte `dynamodbav:"seal"`
}

// sealed returns the bytes that the seals of a catalogue cover.
func (c *catalogueItem) sealed() []byte {
	return append(fmt.Appendf(nil, "catalogue|%d|", c.Version), c.Permissions...)
}

// Catalogue reads the permission catalogue and its version, strongly consistent, and checks its
// seal of one environment, so that an edit of the table by hand opens no route. A deployment
// without a catalogue has no permissions and version 0. Errors: ErrDamaged, ErrUnavailable.
func (s *Store) Catalogue(
	ctx context.Context, env apikey.Environment,
) ([]permission.Permission, int64, error) {
	item, err := s.get(ctx, catalogueRow())
	if err != nil || item == nil {
		return nil, 0, err
	}

	var row catalogueItem
	if err := attributevalue.UnmarshalMap(item, &row); err != nil {
		return nil, 0, dynamo.Damaged("catalogue", err)
	}

	if err := s.genuineCatalogue(ctx, env, &row); err != nil {
		return nil, 0, err
	}

	var permissions []permission.Permission
	if err := json.Unmarshal(row.Permissions, &permissions); err != nil {
		return nil, 0, dynamo.Damaged("catalogue", err)
	}

	return permissions, row.Version, nil
}

// genuineCatalogue checks an environment's seal of the catalogue. Errors: ErrDamaged,
// ErrUnavailable.
func (s *Store) genuineCatalogue(
	ctx context.Context, env apikey.Environment, row *catalogueItem,
) error {
	seal := row.Seals[string(env)]

	p, err := s.ring.Version(ctx, env, seal.Pepper)
	switch {
	case errors.Is(err, pepper.ErrNotFound):
		return dynamo.Damaged("catalogue", err)
	case err != nil:
		return dynamo.Unavailable("pepper", err)
	case !hmac.Equal(p.Seal(row.sealed()), seal.Seal):
		return dynamo.Damaged("the seal of the catalogue is broken", nil)
	}

	return nil
}

// CatalogueReader returns Catalogue for one environment, in the form that check.Catalogue needs.
func (s *Store) CatalogueReader(
	env apikey.Environment,
) func(context.Context) ([]permission.Permission, int64, error) {
	return func(ctx context.Context) ([]permission.Permission, int64, error) {
		return s.Catalogue(ctx, env)
	}
}

// PutCatalogue writes the catalogue as the version after replaces. Failure: ErrCatalogueStale.
func (s *Store) PutCatalogue(
	ctx context.Context, permissions []permission.Permission, replaces int64,
) Write {
	text, err := permission.Encode(permissions)
	if err != nil {
		return Write{err: fmt.Errorf("store: encode catalogue: %w", err)}
	}

	row := &catalogueItem{
		Version:     replaces + 1,
		Permissions: text,
		Seals:       map[string]sealItem{},
	}
	for _, env := range apikey.Environments() {
		p, err := s.ring.Ensure(ctx, env)
		if err != nil {
			return Write{err: dynamo.Unavailable("pepper", err)}
		}

		row.Seals[string(env)] = sealItem{Pepper: p.Version(), Seal: p.Seal(row.sealed())}
	}

	item, err := attributevalue.MarshalMap(row)
	return versioned(catalogueRow().Of(item), err, replaces, ErrCatalogueStale, ErrCatalogueStale)
}

// ReceiptLife is how long an Idempotency-Key is remembered.
const ReceiptLife = 24 * time.Hour

// Receipt is the answer to a call with an Idempotency-Key, without its secret.
type Receipt struct {
	ID        string `dynamodbav:"-"`    // a hash of caller, method, path and Idempotency-Key
	Body      []byte `dynamodbav:"body"` // a hash of the request's body
	Status    int    `dynamodbav:"status"`
	Answer    []byte `dynamodbav:"answer"` // JSON
	ETag      string `dynamodbav:"etag,omitempty"`
	Location  string `dynamodbav:"location,omitempty"`
	ExpiresAt int64  `dynamodbav:"purgeAt"` // Unix seconds
}

// Receipt reads a receipt that has not ended at now. It returns nil if there is none. Errors:
// ErrDamaged, ErrUnavailable.
func (s *Store) Receipt(ctx context.Context, id string, now time.Time) (*Receipt, error) {
	item, err := s.get(ctx, receiptRow(id))
	if err != nil || item == nil {
		return nil, err
	}

	r := Receipt{ID: id}
	if err := s.unseal(ctx, administration, item, receiptRow(id), &r, "a receipt"); err != nil {
		return nil, err
	}

	if now.Unix() >= r.ExpiresAt {
		return nil, nil
	}

	return &r, nil
}

// Keep writes a receipt. It may replace one that has ended at now. Failure: ErrReceipt.
func (s *Store) Keep(r Receipt, now time.Time) Write {
	item, err := attributevalue.MarshalMap(r)

	w := fresh(receiptRow(r.ID).Of(item), err, ErrReceipt).underSeal()
	w.row.Condition = dynamo.IsNew.Or(
		expression.Name(dynamo.PurgeAttribute).LessThanEqual(expression.Value(now.Unix())),
	)
	return w
}
