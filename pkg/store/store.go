package store

import (
	"context"
	"log/slog"
	"strings"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store/core"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// The errors of the store itself, as opposed to those of its objects.
var (
	// ErrUnavailable wraps every failure of DynamoDB or KMS. The caller must refuse the call, and
	// never guess.
	ErrUnavailable = dynamo.ErrUnavailable
	// ErrDamaged means that a row is not as the store wrote it. It wraps ErrUnavailable.
	ErrDamaged = dynamo.ErrDamaged
	// ErrRefused means that DynamoDB rejects a request as invalid. That is a bug and not an outage:
	// retrying does not help.
	ErrRefused = dynamo.ErrRefused
	// ErrTooLarge means that an item would be larger than DynamoDB accepts. Nothing was written.
	ErrTooLarge = dynamo.ErrTooLarge
	// ErrConflict means that other transactions kept interfering; retrying later helps.
	ErrConflict = dynamo.ErrConflict
)

// Client makes the store's calls of DynamoDB on a request's path, as Connection does.
type Client = dynamo.AdminClient

// Store reads and writes the table core.
type Store struct {
	*core.Reader

	core    *dynamo.Table
	peppers *Peppers
	ring    *pepper.Keyring
	logger  *slog.Logger
}

// New returns a store over the table of the peppers, whose rows are sealed by ring. Damaged rows
// that a list leaves out are logged to logger.
func New(peppers *Peppers, ring *pepper.Keyring, logger *slog.Logger) *Store {
	s := &Store{
		core:    peppers.core,
		peppers: peppers,
		ring:    ring,
		logger:  logger,
	}
	s.Reader = core.ReaderOf(&s.core.Rows, ring)
	return s
}

// FindKey reads a key whose environment is unknown, strongly consistent, in one call. Errors:
// apikey.ErrNotFound, ErrDamaged, ErrUnavailable.
func (s *Store) FindKey(ctx context.Context, id string) (*apikey.Key, error) {
	var wanted []dynamo.Key
	for _, env := range apikey.Environments() {
		wanted = append(wanted, sealed.KeyRow(env, id))
	}

	items, err := s.core.BatchGet(ctx, wanted)
	if err != nil {
		return nil, err
	}

	for _, at := range wanted {
		if item := items[at]; item != nil {
			return sealed.DecodeKey(ctx, s.ring, item, at)
		}
	}

	return nil, apikey.ErrNotFound
}

// page reads up to limit rows of a range, and returns the sort key of the last one: "" if the range
// ends there.
func (s *Store) page(
	ctx context.Context, r dynamo.Range, limit int, what string,
) (items []dynamo.Item, next string, err error) {
	r.Limit = int32(limit) + 1 // one more, to see whether the range continues

	items, more, err := s.core.Query(ctx, r, what)
	if err != nil {
		return nil, "", err
	}

	if len(items) > limit {
		items, more = items[:limit], true
	}

	if more && len(items) > 0 {
		next = dynamo.KeyOf(items[len(items)-1]).Sort
	}

	return items, next, nil
}

// inOrder returns the bounds of the sort keys with a prefix, which ends in #, after a position.
func inOrder(prefix, after string) (first, last string) {
	return prefix + after + "\x01", strings.TrimSuffix(prefix, "#") + "$"
}
