package store

import (
	"context"
	"maps"
	"sync"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// Ahead lists rows that are about to be read. Zero fields list none.
type Ahead struct {
	Catalogue    bool
	Environment  apikey.Environment // of Key
	Key          string             // the id of a key whose environment is known
	FindKey      string             // the id of a key whose environment is unknown
	Organization string             // its id
	Member       string             // the e-mail of a member of Organization
}

// ReadAhead reads rows in one strongly consistent call, in place of one call each. With the
// returned context, the first read of each of them is answered from memory; any other read asks the
// table. Error: ErrUnavailable.
func (s *Store) ReadAhead(ctx context.Context, a Ahead) (context.Context, error) {
	var rows []dynamo.Key
	if a.Catalogue {
		rows = append(rows, sealed.CatalogueRow())
	}

	for _, env := range apikey.Environments() {
		if a.FindKey != "" {
			rows = append(rows, sealed.KeyRow(env, a.FindKey))
		}
	}

	// DynamoDB refuses to read a row twice in one call
	if a.Key != "" && a.Key != a.FindKey {
		rows = append(rows, sealed.KeyRow(a.Environment, a.Key))
	}

	if a.Organization != "" {
		rows = append(rows, organizationRow(a.Organization))
	}

	if a.Organization != "" && a.Member != "" {
		rows = append(rows, memberRow(a.Organization, a.Member))
	}

	read := &ahead{items: make(map[dynamo.Key]dynamo.Item, len(rows))}
	for _, at := range rows {
		read.items[at] = nil // remember those that do not exist, too
	}

	items, err := s.batch(ctx, rows)
	if err != nil {
		return ctx, err
	}

	maps.Copy(read.items, items)
	return context.WithValue(ctx, aheadKey{}, read), nil
}

type aheadKey struct{}

// ahead holds what was read ahead; nil for a row that does not exist.
type ahead struct {
	guard sync.Mutex
	items map[dynamo.Key]dynamo.Item
}

// get reads one row, strongly consistent. It returns nil if there is none.
func (s *Store) get(ctx context.Context, at dynamo.Key) (dynamo.Item, error) {
	if read, _ := ctx.Value(aheadKey{}).(*ahead); read != nil {
		if item, ok := read.take(at); ok {
			return item, nil
		}
	}

	return s.core.Get(ctx, at)
}

// batch reads rows, strongly consistent, and returns those that exist.
func (s *Store) batch(
	ctx context.Context, rows []dynamo.Key,
) (map[dynamo.Key]dynamo.Item, error) {
	read, _ := ctx.Value(aheadKey{}).(*ahead)
	if read == nil {
		return s.core.BatchGet(ctx, rows)
	}

	found := make(map[dynamo.Key]dynamo.Item, len(rows))

	var rest []dynamo.Key
	for _, at := range rows {
		switch item, ok := read.take(at); {
		case !ok:
			rest = append(rest, at)
		case item != nil:
			found[at] = item
		}
	}

	items, err := s.core.BatchGet(ctx, rest)
	maps.Copy(found, items)
	return found, err
}

// take returns a row that was read ahead, once: a caller that reads it a second time wants its
// current state.
func (a *ahead) take(at dynamo.Key) (dynamo.Item, bool) {
	a.guard.Lock()
	defer a.guard.Unlock()

	item, read := a.items[at]
	delete(a.items, at)
	return item, read
}
