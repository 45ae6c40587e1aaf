package store

import (
	"context"
	"errors"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// administration is the environment whose pepper seals the rows that belong to no environment:
// organizations, members, customers, jobs and receipts.
const administration = apikey.Production

// seal sets the place of an item, and seals it with the current pepper of an environment.
func (s *Store) seal(
	ctx context.Context, env apikey.Environment, at dynamo.Key, item dynamo.Item,
) (dynamo.Item, error) {
	p, err := s.ring.Ensure(ctx, env)
	if err != nil {
		return nil, dynamo.Unavailable("pepper", err)
	}

	return sealed.PutAt(p, at, item)
}

// sealWrites seals the items of writes that asked for it.
func (s *Store) sealWrites(ctx context.Context, writes []Write) error {
	for _, w := range writes {
		if !w.sealed {
			continue
		}

		p, err := s.ring.Ensure(ctx, administration)
		if err != nil {
			return dynamo.Unavailable("pepper", err)
		}

		if err := sealed.Put(p, w.row.Item); err != nil {
			return err
		}
	}

	return nil
}

// object reads an item that encode encoded and Commit sealed, strongly consistent. It
// returns missing if there is none.
func object[T any](
	ctx context.Context, s *Store, at dynamo.Key, what string, missing error,
) (*T, error) {
	item, err := s.core.Get(ctx, at)
	if err != nil {
		return nil, err
	}

	if item == nil {
		return nil, missing
	}

	return decode[T](ctx, s, item, at, what)
}

// decode checks the seal of an item that encode encoded, and only then decodes it.
func decode[T any](
	ctx context.Context, s *Store, item dynamo.Item, at dynamo.Key, what string,
) (*T, error) {
	if err := sealed.Check(ctx, s.ring, administration, item, at, what); err != nil {
		return nil, err
	}

	out := new(T)
	if err := parse(item, out); err != nil {
		return nil, dynamo.Damaged(what, err)
	}

	return out, nil
}

// decodeAll decodes the items of a list, all of one partition. A damaged one is logged and left
// out: it must not hide all others. left is its error.
func decodeAll[T any](
	ctx context.Context, s *Store, items []dynamo.Item, partition, what string,
) (out []T, left, err error) {
	for _, item := range items {
		row, err := decode[T](ctx, s, item, dynamo.At(partition, dynamo.KeyOf(item).Sort), what)
		switch {
		case errors.Is(err, ErrDamaged):
			s.logger.ErrorContext(ctx, "a damaged row is left out of a list",
				"row", what, "error", err)
			left = err
		case err != nil:
			return nil, nil, err
		default:
			out = append(out, *row)
		}
	}

	return out, left, nil
}
