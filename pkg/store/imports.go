package store

import (
	"context"
	"errors"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// importsItem says of an environment that keys of other systems were brought into it.
type importsItem struct {
	PK      string `dynamodbav:"pk"`
	SK      string `dynamodbav:"sk"`
	Version int64  `dynamodbav:"version"`
	Pepper  int    `dynamodbav:"pepper"`
	SHA256  string `dynamodbav:"sha256Since,omitempty"`
	SHA512  string `dynamodbav:"sha512Since,omitempty"`
}

// Imports reads whether keys of other systems were brought into an environment, strongly consistent, and checks the row's seal; nil where none ever was.
// Errors: ErrDamaged, ErrUnavailable.
func (s *Store) Imports(ctx context.Context, env apikey.Environment) (*apikey.Imports, error) {
	what := "the imports of " + string(env)
	item, err := s.get(ctx, importsPartition(env), importsSort)
	if err != nil || item == nil {
		return nil, err
	}
	var row importsItem
	if err := unseal(ctx, s.ring, env, item, place{importsPartition(env), importsSort}, &row, what); err != nil {
		return nil, err
	}
	out := &apikey.Imports{Version: row.Version, Pepper: row.Pepper, Since: map[apikey.Algorithm]time.Time{}}
	times := timeReader{}
	for algorithm, since := range map[apikey.Algorithm]string{apikey.SHA256: row.SHA256, apikey.SHA512: row.SHA512} {
		if since != "" {
			out.Since[algorithm] = times.read(since)
		}
	}
	if times.err != nil {
		return nil, damaged(what, times.err)
	}
	return out, nil
}

// errImports says that the row was changed meanwhile.
var errImports = errors.New("store: the imports were changed meanwhile")

// importsAttempts is more than a row can be changed: by the first import of each algorithm.
const importsAttempts = 5

// EnsureImports sees to it that secrets of other systems are looked up in an environment by these algorithms, and returns what it is now. It comes before the
// keys themselves: what is looked up and not there does no harm. Errors: ErrConflict, ErrDamaged, ErrUnavailable.
func (s *Store) EnsureImports(ctx context.Context, env apikey.Environment, algorithms []apikey.Algorithm, now time.Time) (*apikey.Imports, error) {
	for range importsAttempts {
		before, err := s.Imports(ctx, env)
		if err != nil {
			return nil, err
		}
		p, err := s.ring.Ensure(ctx, env)
		if err != nil {
			return nil, unavailable("pepper", err)
		}
		after := &apikey.Imports{Version: 1, Pepper: p.Version(), Since: map[apikey.Algorithm]time.Time{}}
		if before != nil {
			after.Version, after.Pepper = before.Version+1, before.Pepper
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
		item, err := sealed(p, &importsItem{
			PK: importsPartition(env), SK: importsSort, Version: after.Version, Pepper: after.Pepper,
			SHA256: formatTime(after.Since[apikey.SHA256]), SHA512: formatTime(after.Since[apikey.SHA512]),
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

// TakenKeys returns those of the ids that keys of the environment have, whatever became of them, strongly consistent.
func (s *Store) TakenKeys(ctx context.Context, env apikey.Environment, ids []string) (map[string]bool, error) {
	refs := make([]keyRef, 0, len(ids))
	for _, id := range ids {
		refs = append(refs, keyRef{env, id})
	}
	items, err := s.batchGet(ctx, refs)
	if err != nil {
		return nil, err
	}
	taken := make(map[string]bool, len(items))
	for ref := range items {
		taken[ref.id] = true
	}
	return taken, nil
}
