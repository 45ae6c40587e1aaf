package store

import (
	"context"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// OwnKey adds a new personal key to OwnKeys. A key keeps its ownership and its owner, so the item
// is written once. Failure: apikey.ErrExists.
func (s *Store) OwnKey(k *apikey.Key) Write {
	return fresh(dynamo.At(ownKeysPartition(k.OrganizationID, k.Owner.ID),
		sealed.KeyPartition(k.Environment, k.ID)).Item(), nil, apikey.ErrExists)
}

// OwnKeys returns a page of the personal keys that a person ever had in an organization, in no
// particular order, with the position after each. It is strongly consistent, unlike Keys: for work
// that must miss none. Deleted keys are included; damaged rows are logged and left out. Errors:
// ErrUnavailable.
func (s *Store) OwnKeys(
	ctx context.Context, org, owner, after string, limit int,
) (page []KeyAt, next string, err error) {
	rows, next, err := s.keysIn(ctx, ownKeysPartition(org, owner), after, limit, "own keys")
	if err != nil {
		return nil, "", err
	}

	keys, err := s.keysOf(ctx, rows)
	for _, k := range keys { // TTL removed the others
		if k.OrganizationID == org && k.Ownership == apikey.Personal && k.Owner.ID == owner {
			page = append(page, KeyAt{k, sealed.KeyPartition(k.Environment, k.ID)})
		}
	}

	return page, next, err
}

// keysIn returns a page of the rows of keys that are the sort keys of a partition, strongly
// consistent, and the position of the next page: "" at the end.
func (s *Store) keysIn(
	ctx context.Context, partition, after string, limit int, what string,
) (rows []dynamo.Key, next string, err error) {
	items, more, err := s.core.Query(ctx, dynamo.Range{
		Partition: partition,
		After:     after,
		Limit:     int32(min(limit, MaxPage)),
	}, what)
	for _, item := range items {
		next = dynamo.KeyOf(item).Sort
		rows = append(rows, dynamo.At(next, sealed.KeySort))
	}

	if !more {
		next = ""
	}

	return rows, next, err
}

// KeyAt is a key in a list, and the position after it.
type KeyAt struct {
	Key   *apikey.Key
	After string
}

// KeysAtOfCustomer is KeysOfCustomer with the position after each key.
func (s *Store) KeysAtOfCustomer(
	ctx context.Context, org, customer, after string, limit int,
) (page []KeyAt, next string, err error) {
	keys, next, err := s.KeysOfCustomer(ctx, org, customer, after, limit)
	for _, k := range keys {
		page = append(page, KeyAt{k, sealed.KeyPartition(k.Environment, k.ID)})
	}

	return page, next, err
}

// KeysAt is Keys with the position after each key.
func (s *Store) KeysAt(
	ctx context.Context, org string, f Filter, after string, limit int, now time.Time,
) (page []KeyAt, next string, err error) {
	keys, next, err := s.Keys(ctx, org, f, after, limit, now)
	for _, k := range keys {
		page = append(page, KeyAt{k, listSort(k.CreatedAt, k.ID)})
	}

	return page, next, err
}
