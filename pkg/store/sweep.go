package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// SweepExpired moves up to most keys that have expired at now from among the live entries of lists
// to the rest, and returns how many it moved: fewer than most where none is left. Lists are right
// without it, but pass over what it has not moved yet. A key keeps its version, and no history is
// made, since nothing of it changes but where lists find it. It may run twice at once, and beside
// changes of the same keys. What fails by itself is passed over. Errors: ErrUnavailable, and those
// of what was passed over; what it moved stays moved.
func (s *Store) SweepExpired(ctx context.Context, now time.Time, most int) (moved int, err error) {
	var passed []error
	for _, env := range apikey.Environments() {
		var start map[string]types.AttributeValue
		for more := true; more && moved < most; more = len(start) > 0 {
			var refs []keyRef
			if refs, start, err = s.expired(ctx, env, now, most-moved, start); err != nil {
				return moved, errors.Join(append(passed, err)...)
			}

			for _, ref := range refs {
				done, err := s.sweep(ctx, ref, now)
				switch {
				case errors.Is(err, ErrUnavailable):
					return moved, errors.Join(append(passed, err)...)
				case err != nil: // it keeps no other from being moved
					passed = append(passed, fmt.Errorf("key %s: %w", ref.id, err))
				case done:
					moved++
				}
			}
		}
	}

	return moved, errors.Join(passed...)
}

// expired names up to most keys of an environment that have expired and were not swept since.
func (s *Store) expired(
	ctx context.Context, env apikey.Environment, now time.Time, most int,
	start map[string]types.AttributeValue,
) (refs []keyRef, next map[string]types.AttributeValue, err error) {
	index := "byExpiry"
	limit := int32(min(most, maxEntries))
	condition := "listExpiringPk = :expiring AND listExpiringSk < :later"

	out, err := s.client.Query(ctx, &dynamodb.QueryInput{
		TableName:              &s.core,
		IndexName:              &index,
		Limit:                  &limit,
		KeyConditionExpression: &condition,
		ExclusiveStartKey:      start,
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":expiring": textValue(expiringPartition(env)),
			":later":    textValue(listSort(now, "~")),
		},
	})
	if err != nil {
		return nil, nil, unavailable("expired keys", err)
	}

	for _, item := range out.Items {
		e := entry{keyItem: keyItem{PK: text(item[partitionAttribute]), SK: keySort}}
		refs = append(refs, e.ref())
	}

	return refs, out.LastEvaluatedKey, nil
}

// sweep writes one key again as it is, but for where lists find it. A key that was changed or
// removed meanwhile is left alone, and a damaged one is told of.
func (s *Store) sweep(ctx context.Context, ref keyRef, now time.Time) (moved bool, err error) {
	k, err := s.Key(ctx, ref.environment, ref.id)
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return false, nil
	case errors.Is(err, ErrDamaged):
		s.logger.ErrorContext(ctx, "a damaged row is left out of a list",
			"key_id", ref.id, "error", err)
		return false, nil
	case err != nil:
		return false, err
	case k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt):
		return false, nil // it was given more time since the index was written
	}

	err = s.Commit(ctx, s.putKeyAt(ctx, k, k.Version, now))
	if errors.Is(err, apikey.ErrStale) || errors.Is(err, ErrConflict) {
		return false, nil
	}

	return err == nil, err
}
