package store

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
)

// Store reads and writes the tables.
type Store struct {
	*Tables
	ring   *pepper.Keyring
	logger *slog.Logger
}

// New returns a store over tables whose rows are sealed by ring. The logger hears of damaged rows
// that a list left out.
func New(tables *Tables, ring *pepper.Keyring, logger *slog.Logger) *Store {
	return &Store{Tables: tables, ring: ring, logger: logger}
}

// Key reads one key by one strongly consistent GetItem. Errors: apikey.ErrNotFound, ErrDamaged,
// ErrUnavailable.
func (s *Store) Key(ctx context.Context, env apikey.Environment, id string) (*apikey.Key, error) {
	item, err := s.get(ctx, keyPartition(env, id), keySort)
	if err != nil {
		return nil, err
	}

	if item == nil {
		return nil, apikey.ErrNotFound
	}

	return decodeKey(ctx, s.ring, item, env, id)
}

// FindKey reads a key whose environment is not known, strongly consistent, in one call. Errors:
// apikey.ErrNotFound, ErrDamaged, ErrUnavailable.
func (s *Store) FindKey(ctx context.Context, id string) (*apikey.Key, error) {
	var wanted []keyRef
	for _, env := range apikey.Environments() {
		wanted = append(wanted, keyRef{env, id})
	}

	items, err := s.batchGet(ctx, wanted)
	if err != nil {
		return nil, err
	}

	for _, ref := range wanted {
		if item := items[ref]; item != nil {
			return decodeKey(ctx, s.ring, item, ref.environment, ref.id)
		}
	}

	return nil, apikey.ErrNotFound
}

// keyRef names a key's row.
type keyRef struct {
	environment apikey.Environment
	id          string
}

// batchGetMost is DynamoDB's limit of items in one BatchGetItem.
const batchGetMost = 100

// batchGet reads key rows, strongly consistent.
func (s *Store) batchGet(
	ctx context.Context, refs []keyRef,
) (map[keyRef]map[string]types.AttributeValue, error) {
	keys := make([]map[string]types.AttributeValue, 0, len(refs))
	for _, ref := range refs {
		keys = append(keys, primaryKey(keyPartition(ref.environment, ref.id), keySort))
	}

	items, err := s.batch(ctx, keys)
	if err != nil {
		return nil, err
	}

	found := make(map[keyRef]map[string]types.AttributeValue, len(items))
	for i, ref := range refs {
		if item := items[itemName(keys[i])]; item != nil {
			found[ref] = item
		}
	}

	return found, nil
}

// batchOf reads items of a table by their primary keys, strongly consistent, and returns them by name.
func (t *Tables) batchOf(
	ctx context.Context, table string, keys []map[string]types.AttributeValue,
) (map[string]map[string]types.AttributeValue, error) {
	found := make(map[string]map[string]types.AttributeValue, len(keys))
	for some := range slices.Chunk(keys, batchGetMost) {
		if err := t.batchInto(ctx, found, table, some); err != nil {
			return nil, err
		}
	}

	return found, nil
}

// How often a batch is asked for, and how long it waits after the first answer that left something:
// twice as long after each other one, less a random part.
const (
	batchAttempts = 5
	batchPause    = 20 * time.Millisecond
)

// batchInto reads up to batchGetMost items. What DynamoDB leaves for later, as it does where it is
// asked for too much, is asked for again: a bounded number of times, and not at once.
func (t *Tables) batchInto(
	ctx context.Context, found map[string]map[string]types.AttributeValue, table string,
	keys []map[string]types.AttributeValue,
) error {
	strong := true

	request := map[string]types.KeysAndAttributes{table: {Keys: keys, ConsistentRead: &strong}}
	for attempt := 0; len(request) > 0; attempt++ {
		if attempt == batchAttempts {
			return unavailable("read",
				fmt.Errorf("%d items were left unprocessed", len(request[table].Keys)))
		}

		if attempt > 0 {
			if err := t.sleep(ctx, backoff(batchPause, attempt)); err != nil {
				return unavailable("read", err)
			}
		}

		out, err := t.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: request})
		if err != nil {
			return unavailable("read", err)
		}

		for _, item := range out.Responses[table] {
			found[itemName(item)] = item
		}

		request = out.UnprocessedKeys
	}

	return nil
}

// backoff is how long to wait before an attempt, the first repetition being 1: between a half and
// the whole of a time that doubles, so that those who were refused together do not come back
// together.
func backoff(first time.Duration, attempt int) time.Duration {
	most := first << (attempt - 1)
	return most/2 + time.Duration(rand.Int64N(int64(most/2)+1)) //nolint:gosec // jitter, not a secret
}
