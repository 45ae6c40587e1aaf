package store

import (
	"context"
	"log/slog"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// What the store answers when it has no answer.
var (
	// ErrUnavailable wraps every failure of DynamoDB or KMS. The caller refuses the call and never
	// guesses.
	ErrUnavailable = dynamo.ErrUnavailable
	// ErrDamaged says that a row is not as the store wrote it. It is an ErrUnavailable too.
	ErrDamaged = dynamo.ErrDamaged
	// ErrRefused says that DynamoDB takes a request for wrong. That is a fault of ours and no
	// outage: asking again does not help.
	ErrRefused = dynamo.ErrRefused
	// ErrTooLarge says that an item would be larger than DynamoDB takes. Nothing was written.
	ErrTooLarge = dynamo.ErrTooLarge
	// ErrConflict says that other transactions kept getting in the way; trying again later helps.
	ErrConflict = dynamo.ErrConflict
)

// Client is the part of *dynamodb.Client that the store uses on a request's path.
type Client = dynamo.Client

// Connection is a client of DynamoDB, as Connect makes it.
type Connection = dynamodb.Client

// Connect returns a client for the tables. It calls nobody.
func Connect(config aws.Config) *Connection { return dynamodb.NewFromConfig(config) }

// Store reads and writes the table core.
type Store struct {
	core    *dynamo.Table
	peppers *Peppers
	ring    *pepper.Keyring
	logger  *slog.Logger
}

// New returns a store over the table of the peppers, whose rows are sealed by ring. The logger
// hears of damaged rows that a list left out.
func New(peppers *Peppers, ring *pepper.Keyring, logger *slog.Logger) *Store {
	return &Store{
		core:    peppers.core,
		peppers: peppers,
		ring:    ring,
		logger:  logger,
	}
}

// Key reads one key by one strongly consistent GetItem. Errors: apikey.ErrNotFound, ErrDamaged,
// ErrUnavailable.
func (s *Store) Key(ctx context.Context, env apikey.Environment, id string) (*apikey.Key, error) {
	at := keyRow(env, id)

	item, err := s.get(ctx, at)
	if err != nil {
		return nil, err
	}

	if item == nil {
		return nil, apikey.ErrNotFound
	}

	return s.decodeKey(ctx, item, at)
}

// FindKey reads a key whose environment is not known, strongly consistent, in one call. Errors:
// apikey.ErrNotFound, ErrDamaged, ErrUnavailable.
func (s *Store) FindKey(ctx context.Context, id string) (*apikey.Key, error) {
	var wanted []dynamo.Key
	for _, env := range apikey.Environments() {
		wanted = append(wanted, keyRow(env, id))
	}

	items, err := s.batch(ctx, wanted)
	if err != nil {
		return nil, err
	}

	for _, at := range wanted {
		if item := items[at]; item != nil {
			return s.decodeKey(ctx, item, at)
		}
	}

	return nil, apikey.ErrNotFound
}

// page reads up to limit rows of a range, and returns the sort key of the last of them: "" where
// the range ends with them.
func (s *Store) page(
	ctx context.Context, r dynamo.Range, limit int, what string,
) (items []dynamo.Item, next string, err error) {
	r.Limit = int32(limit) + 1 // one more, to know whether the range continues

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

// inOrder are the bounds of what has a prefix, which ends in #, and follows a position.
func inOrder(prefix, after string) (first, last string) {
	return prefix + after + "\x01", strings.TrimSuffix(prefix, "#") + "$"
}
