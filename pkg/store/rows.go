package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// Organization reads an organization, strongly consistent. Errors: organization.ErrNotFound, ErrDamaged, ErrUnavailable.
func (s *Store) Organization(ctx context.Context, id string) (*organization.Organization, error) {
	item, err := s.get(ctx, organizationPartition(id), organizationSort)
	if err != nil {
		return nil, err
	}
	if item == nil {
		return nil, organization.ErrNotFound
	}
	var o organization.Organization
	if err := unmarshalJSONTags(item, &o); err != nil {
		return nil, damaged("organization "+id, err)
	}
	return &o, nil
}

// ErrCatalogueStale says that the catalogue was changed meanwhile.
var ErrCatalogueStale = errors.New("store: the permission catalogue was changed meanwhile")

type catalogueItem struct {
	PK          string `dynamodbav:"pk"`
	SK          string `dynamodbav:"sk"`
	Version     int64  `dynamodbav:"version"`
	Permissions []byte `dynamodbav:"permissions"` // JSON: it is read whole and compiled
}

// Catalogue reads the permission catalogue and its version, strongly consistent. A deployment without one has no permissions and version 0.
func (s *Store) Catalogue(ctx context.Context) ([]permission.Permission, int64, error) {
	item, err := s.get(ctx, cataloguePartition(), catalogueSort)
	if err != nil || item == nil {
		return nil, 0, err
	}
	var row catalogueItem
	if err := attributevalue.UnmarshalMap(item, &row); err != nil {
		return nil, 0, damaged("catalogue", err)
	}
	var permissions []permission.Permission
	if err := json.Unmarshal(row.Permissions, &permissions); err != nil {
		return nil, 0, damaged("catalogue", err)
	}
	return permissions, row.Version, nil
}

// PutCatalogue writes the catalogue as the version after replaces. Failure: ErrCatalogueStale.
func (s *Store) PutCatalogue(permissions []permission.Permission, replaces int64) Write {
	text, err := json.Marshal(permissions)
	if err != nil {
		return Write{err: err}
	}
	item, err := attributevalue.MarshalMap(catalogueItem{cataloguePartition(), catalogueSort, replaces + 1, text})
	return versioned(item, err, replaces, ErrCatalogueStale, ErrCatalogueStale)
}

// ReceiptLife is how long an Idempotency-Key is remembered.
const ReceiptLife = 24 * time.Hour

// Receipt remembers the answer to a call that carried an Idempotency-Key. It holds no secret: the answer is kept without it.
type Receipt struct {
	ID        string `dynamodbav:"-"`    // a hash of caller, method, path and Idempotency-Key
	Body      []byte `dynamodbav:"body"` // a hash of the request's body
	Status    int    `dynamodbav:"status"`
	Answer    []byte `dynamodbav:"answer"` // JSON
	ETag      string `dynamodbav:"etag,omitempty"`
	Location  string `dynamodbav:"location,omitempty"`
	ExpiresAt int64  `dynamodbav:"purgeAt"` // Unix seconds
}

// Receipt reads a receipt that has not ended at now; nil where there is none. Errors: ErrDamaged, ErrUnavailable.
func (s *Store) Receipt(ctx context.Context, id string, now time.Time) (*Receipt, error) {
	item, err := s.get(ctx, oncePartition(id), onceSort)
	if err != nil || item == nil {
		return nil, err
	}
	r := Receipt{ID: id}
	if err := attributevalue.UnmarshalMap(item, &r); err != nil {
		return nil, damaged("receipt", err)
	}
	if now.Unix() >= r.ExpiresAt {
		return nil, nil
	}
	return &r, nil
}

// Keep writes a receipt, in place of one that has ended at now if need be. Failure: ErrReceipt.
func (s *Store) Keep(r Receipt, now time.Time) Write {
	item, err := attributevalue.MarshalMap(r)
	if err == nil {
		for name, value := range primaryKey(oncePartition(r.ID), onceSort) {
			item[name] = value
		}
	}
	return Write{
		item: item, err: err, condition: isNew + " OR purgeAt <= :now", failure: ErrReceipt,
		values: map[string]types.AttributeValue{":now": number(now.Unix())},
	}
}
