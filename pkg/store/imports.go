package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// importsItem records that keys of other systems were imported into an environment.
type importsItem struct {
	Version int64  `dynamodbav:"version"`
	Pepper  int    `dynamodbav:"pepper"`
	SHA256  string `dynamodbav:"sha256Since,omitempty"`
	SHA512  string `dynamodbav:"sha512Since,omitempty"`
}

// Imports reads whether keys of other systems were imported into an environment, strongly
// consistent, and checks the row's seal. It returns nil if none ever were. Errors: ErrDamaged,
// ErrUnavailable.
func (s *Store) Imports(ctx context.Context, env apikey.Environment) (*apikey.Imports, error) {
	what := "the imports of " + string(env)

	item, err := s.get(ctx, importsRow(env))
	if err != nil || item == nil {
		return nil, err
	}

	var row importsItem
	if err := s.unseal(ctx, env, item, importsRow(env), &row, what); err != nil {
		return nil, err
	}

	out := &apikey.Imports{
		Version: row.Version,
		Pepper:  row.Pepper,
		Since:   map[apikey.Algorithm]time.Time{},
	}

	times := dynamo.Times{}
	for algorithm, since := range map[apikey.Algorithm]string{
		apikey.SHA256: row.SHA256,
		apikey.SHA512: row.SHA512,
	} {
		if since != "" {
			out.Since[algorithm] = times.Read(since)
		}
	}

	if times.Err != nil {
		return nil, dynamo.Damaged(what, times.Err)
	}

	return out, nil
}

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

		item, err := sealed(p, importsRow(env), &importsItem{
			Version: after.Version,
			Pepper:  after.Pepper,
			SHA256:  dynamo.FormatTime(after.Since[apikey.SHA256]),
			SHA512:  dynamo.FormatTime(after.Since[apikey.SHA512]),
		})

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
		rows = append(rows, keyRow(env, id))
	}

	items, err := s.batch(ctx, rows)
	if err != nil {
		return nil, err
	}

	taken := make(map[string]*apikey.Key, len(items))
	for at, item := range items {
		_, id := keyAt(at.Partition)
		if taken[id], err = s.decodeKey(ctx, item, at); err != nil {
			return nil, err
		}
	}

	return taken, nil
}

// claimsItem lists the keys that wait in line for a secret of another system, because other
// organizations imported it too. It is stored with the first key that was made of the secret.
type claimsItem struct {
	Version int64    `dynamodbav:"version"`
	IDs     []string `dynamodbav:"ids"`
}

// Claims returns the ids of the keys that wait in line behind an imported key, in their order,
// strongly consistent. Errors: ErrDamaged, ErrUnavailable.
func (s *Store) Claims(ctx context.Context, env apikey.Environment, id string) ([]string, error) {
	row, err := s.claims(ctx, env, id)
	return row.IDs, err
}

func (s *Store) claims(ctx context.Context, env apikey.Environment, id string) (claimsItem, error) {
	var row claimsItem
	at := claimsRow(env, id)

	item, err := s.get(ctx, at)
	if err != nil || item == nil {
		return row, err
	}

	return row, s.unseal(ctx, env, item, at, &row, "the claims of "+id)
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

	p, err := s.ring.Ensure(ctx, env)
	if err != nil {
		return nil, dynamo.Unavailable("pepper", err)
	}

	row.Version++
	row.IDs = append(row.IDs, id)
	item, err := sealed(p, claimsRow(env, first), &row)
	return []Write{versioned(item, err, row.Version-1, apikey.ErrExists, apikey.ErrExists)}, nil
}
