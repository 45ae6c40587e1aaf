package storetest

import (
	"context"
	"strings"

	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// Behind returns the store with indexes that lag so far behind that no list of keys has an entry
// yet.
func (k *Kit) Behind() *store.Store {
	return store.New(store.NewPeppers(behind{k.Connection}, k.CoreTable), k.Keyring,
		k.Log.Logger())
}

type behind struct{ store.Client }

// Query implements store.Client.
func (b behind) Query(
	ctx context.Context, q dynamo.Query,
) (items []dynamo.Item, next dynamo.Item, err error) {
	for _, v := range q.Values {
		if q.Index != "" && strings.HasPrefix(v.Text(), "keys#") {
			return nil, nil, nil
		}
	}

	return b.Client.Query(ctx, q)
}
