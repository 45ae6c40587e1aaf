package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// SweepExpired moves up to most keys that have expired at now from the live entries of lists to the
// rest, and returns how many it moved: fewer than most if none are left. Lists are correct without
// it, but must skip the keys that it has not moved yet. A key keeps its version and gets no history
// entry, since only its place in lists changes. It may run concurrently with itself and with
// changes of the same keys. A row that fails is skipped. Errors: ErrUnavailable, and those of
// skipped rows; what was moved stays moved.
func (s *Store) SweepExpired(ctx context.Context, now time.Time, most int) (moved int, err error) {
	var passed []error
	for _, env := range apikey.Environments() {
		for n := range uint32(expiringPartitions) {
			done, failed, err := s.sweepPartition(ctx, expiringPartition(env, n), now, most-moved)
			moved += done

			if passed = append(passed, failed...); err != nil {
				return moved, errors.Join(append(passed, err)...)
			}
		}
	}

	return moved, errors.Join(passed...)
}

// sweepPartition is SweepExpired for one partition of the index. passed are the errors of rows that
// were skipped.
func (s *Store) sweepPartition(
	ctx context.Context, partition string, now time.Time, most int,
) (moved int, passed []error, err error) {
	after, more := "", true
	for more && moved < most {
		var rows []dynamo.Key
		if rows, after, more, err = s.expired(ctx, partition, now, most-moved, after); err != nil {
			return moved, passed, err
		}

		for _, at := range rows {
			done, err := s.sweep(ctx, at, now)
			switch {
			case errors.Is(err, ErrUnavailable):
				return moved, passed, err
			case err != nil: // it must not keep the others from being moved
				passed = append(passed, fmt.Errorf("row %s: %w", at.Partition, err))
			case done:
				moved++
			}
		}
	}

	return moved, passed, nil
}

// byExpiry lists the keys that will expire.
var byExpiry = dynamo.Index{Name: "byExpiry", Partition: "listExpiringPk", Sort: "listExpiringSk"}

// expired returns up to most rows of a partition's keys that have expired and are still live in
// lists, and the position after them.
func (s *Store) expired(
	ctx context.Context, partition string, now time.Time, most int, after string,
) (rows []dynamo.Key, next string, more bool, err error) {
	items, more, err := s.core.Query(ctx, dynamo.Range{
		Index:     byExpiry,
		Partition: partition,
		First:     after + "\x01",
		Last:      listSort(now, "~"),
		Limit:     int32(min(most, maxEntries)),
	}, "expired keys")
	for _, item := range items {
		next = item[byExpiry.Sort].Text()
		rows = append(rows, dynamo.At(dynamo.KeyOf(item).Partition, sealed.KeySort))
	}

	return rows, next, more, err
}

// sweep rewrites one key with its new place in lists. A key that was changed or removed meanwhile
// is left alone, and a damaged one is logged.
func (s *Store) sweep(ctx context.Context, at dynamo.Key, now time.Time) (moved bool, err error) {
	env, id := sealed.KeyAt(at.Partition)

	k, err := s.Key(ctx, env, id)
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return false, nil
	case errors.Is(err, ErrDamaged):
		s.logger.ErrorContext(ctx, "a damaged row is left out of a list",
			"key_id", id, "error", err)
		return false, nil
	case err != nil:
		return false, err
	case k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt):
		return false, nil // its life was extended since the index was written
	}

	err = s.Commit(ctx, s.putKeyAt(ctx, k, k.Version, now))
	if errors.Is(err, apikey.ErrStale) || errors.Is(err, ErrConflict) {
		return false, nil
	}

	return err == nil, err
}
