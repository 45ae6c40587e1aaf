package store

import (
	"context"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// Retention is how long a key's row remains after the end of the key's life, so that its history
// and usage have a name.
const Retention = 400 * 24 * time.Hour

// encodeKey encodes the row of a key, with its place in lists as of a time, and seals it with the
// current pepper of its environment.
func (s *Store) encodeKey(ctx context.Context, k *apikey.Key, at time.Time) (dynamo.Item, error) {
	current, err := s.ring.Current(ctx, k.Environment)
	if err != nil {
		return nil, dynamo.Unavailable("pepper", err)
	}

	item := sealed.EncodeKey(k)
	item.PutInt(dynamo.PurgeAttribute, purgeAt(k))
	listsOf(k, "", at).putIn(item)
	return sealed.PutAt(current, sealed.KeyRow(k.Environment, k.ID), item)
}

// purgeAt returns when TTL may remove the row, in Unix seconds: long after the end of the key's
// life; 0, which means never, if it has none.
func purgeAt(k *apikey.Key) int64 {
	end := k.DeletedAt
	if end.IsZero() {
		end = k.ExpiresAt
	}

	if end.IsZero() {
		return 0
	}

	return end.Add(Retention).Unix()
}
