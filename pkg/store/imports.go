package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// errImports means that the row has changed since it was read.
var errImports = errors.New("store: the imports were changed meanwhile")

// importsAttempts is more than the possible changes of a row: the first import of each algorithm.
const importsAttempts = 5

// EnsureImports records that an environment has secrets hashed with these algorithms, and returns
// the record. It comes before the keys themselves: looking up a key that does not exist yet does no
// harm. Errors: ErrConflict, ErrDamaged, ErrUnavailable.
func (s *Store) EnsureImports(
	ctx context.Context, env apikey.Environment, algorithms []apikey.Algorithm, now time.Time,
) (*apikey.Imports, error) {
	for range importsAttempts {
		before, err := s.Imports(ctx, env)
		if err != nil {
			return nil, err
		}

		p, err := s.ring.Ensure(ctx, env)
		if err != nil {
			return nil, dynamo.Unavailable("pepper", err)
		}

		after := &apikey.Imports{
			Version: 1,
			Pepper:  p.Version(),
			Since:   map[apikey.Algorithm]time.Time{},
		}
		// The ids of imported keys depend on this pepper: it never changes.
		if before != nil {
			after.Version = before.Version + 1
			after.Pepper = before.Pepper
		}

		for _, algorithm := range before.By() {
			after.Since[algorithm] = before.Since[algorithm]
		}

		for _, algorithm := range algorithms {
			if after.Since[algorithm].IsZero() {
				after.Since[algorithm] = now
			}
		}

		if len(after.Since) == len(before.By()) {
			return before, nil
		}

		item, err := sealed.PutAt(p, sealed.ImportsRow(env), sealed.EncodeImports(after))

		err = s.Commit(ctx, versioned(item, err, after.Version-1, errImports, errImports))
		if err == nil {
			return after, nil
		}

		if !errors.Is(err, errImports) {
			return nil, err
		}
	}

	return nil, ErrConflict
}

// TakenKeys returns the keys of the environment that have one of the ids, deleted ones too,
// strongly consistent. Errors: ErrDamaged, ErrUnavailable.
func (s *Store) TakenKeys(
	ctx context.Context, env apikey.Environment, ids []string,
) (map[string]*apikey.Key, error) {
	rows := make([]dynamo.Key, 0, len(ids))
	for _, id := range ids {
		rows = append(rows, sealed.KeyRow(env, id))
	}

	items, err := s.core.BatchGet(ctx, rows)
	if err != nil {
		return nil, err
	}

	taken := make(map[string]*apikey.Key, len(items))
	for at, item := range items {
		_, id := sealed.KeyAt(at.Partition)
		if taken[id], err = sealed.DecodeKey(ctx, s.ring, item, at); err != nil {
			return nil, err
		}
	}

	return taken, nil
}

func (s *Store) claims(
	ctx context.Context, env apikey.Environment, id string,
) (sealed.Claims, error) {
	item, err := s.core.Get(ctx, sealed.ClaimsRow(env, id))
	if err != nil {
		return sealed.Claims{}, err
	}

	return sealed.DecodeClaims(ctx, s.ring, env, id, item)
}

// MaxClaims is how many keys may wait in line for one secret of another system.
const MaxClaims = 20

// Claim adds a key to the end of the line behind an imported key. Deleted keys leave a line that is
// full; if it is still full, there is no write. The write fails with apikey.ErrExists if the line
// has changed meanwhile. Errors: ErrDamaged, ErrUnavailable.
func (s *Store) Claim(
	ctx context.Context, env apikey.Environment, first, id string,
) ([]Write, error) {
	row, err := s.claims(ctx, env, first)
	if err != nil {
		return nil, err
	}

	// Only if there is no room, since it reads every key in the line.
	if len(row.IDs) >= MaxClaims {
		keys, err := s.TakenKeys(ctx, env, row.IDs)
		if err != nil {
			return nil, err
		}

		row.IDs = slices.DeleteFunc(row.IDs, func(id string) bool {
			return keys[id] == nil || !keys[id].DeletedAt.IsZero()
		})
	}

	if len(row.IDs) >= MaxClaims || slices.Contains(row.IDs, id) {
		return nil, nil
	}

	row.Version++
	row.IDs = append(row.IDs, id)
	item, err := s.seal(ctx, env, sealed.ClaimsRow(env, first), row.Encode())
	return []Write{versioned(item, err, row.Version-1, apikey.ErrExists, apikey.ErrExists)}, nil
}
