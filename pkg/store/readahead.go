package store

import (
	"context"
	"maps"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Ahead names rows that are about to be read. The zero value of a field names none.
type Ahead struct {
	Catalogue    bool
	Environment  apikey.Environment // of Key
	Key          string             // the id of a key whose environment is known
	FindKey      string             // the id of a key whose environment is not
	Organization string             // its id
	Member       string             // the address of a member of Organization
}

// ReadAhead reads rows in one strongly consistent call, in place of one call for each. With the
// context that it returns, the first read of each of them is answered from what it read; any other
// read asks the table. Error: ErrUnavailable.
func (s *Store) ReadAhead(ctx context.Context, a Ahead) (context.Context, error) {
	var rows []map[string]types.AttributeValue
	if a.Catalogue {
		rows = append(rows, primaryKey(cataloguePartition(), catalogueSort))
	}

	for _, env := range apikey.Environments() {
		if a.FindKey != "" {
			rows = append(rows, primaryKey(keyPartition(env, a.FindKey), keySort))
		}
	}

	// DynamoDB refuses to read a row twice
	if a.Key != "" && a.Key != a.FindKey {
		rows = append(rows, primaryKey(keyPartition(a.Environment, a.Key), keySort))
	}

	if a.Organization != "" {
		rows = append(rows, primaryKey(organizationPartition(a.Organization), organizationSort))
	}

	if a.Organization != "" && a.Member != "" {
		rows = append(rows, primaryKey(organizationPartition(a.Organization), memberSort(a.Member)))
	}

	read := &ahead{items: make(map[string]map[string]types.AttributeValue, len(rows))}
	for _, row := range rows {
		read.items[itemName(row)] = nil // for those that are not there
	}

	items, err := s.batch(ctx, rows)
	if err != nil {
		return ctx, err
	}

	maps.Copy(read.items, items)
	return context.WithValue(ctx, aheadKey{}, read), nil
}

type aheadKey struct{}

// ahead is what was read ahead, by name; nil for a row that is not there.
type ahead struct {
	guard sync.Mutex
	items map[string]map[string]types.AttributeValue
}

// get reads one row of the table core, strongly consistent; nil where there is none.
func (s *Store) get(
	ctx context.Context, partition, sort string,
) (map[string]types.AttributeValue, error) {
	if read, _ := ctx.Value(aheadKey{}).(*ahead); read != nil {
		if item, ok := read.take(primaryKey(partition, sort)); ok {
			return item, nil
		}
	}

	return s.Tables.get(ctx, partition, sort)
}

// batch reads rows of the table core by their primary keys, strongly consistent, and returns those
// that are there by name.
func (s *Store) batch(
	ctx context.Context, rows []map[string]types.AttributeValue,
) (map[string]map[string]types.AttributeValue, error) {
	read, _ := ctx.Value(aheadKey{}).(*ahead)
	if read == nil {
		return s.batchOf(ctx, s.core, rows)
	}

	found := make(map[string]map[string]types.AttributeValue, len(rows))

	var rest []map[string]types.AttributeValue
	for _, row := range rows {
		switch item, ok := read.take(row); {
		case !ok:
			rest = append(rest, row)
		case item != nil:
			found[itemName(row)] = item
		}
	}

	items, err := s.batchOf(ctx, s.core, rest)
	maps.Copy(found, items)
	return found, err
}

// take returns a row that was read ahead, once: whoever reads a row a second time wants to know what
// became of it.
func (a *ahead) take(row map[string]types.AttributeValue) (map[string]types.AttributeValue, bool) {
	a.guard.Lock()
	defer a.guard.Unlock()

	item, read := a.items[itemName(row)]
	delete(a.items, itemName(row))
	return item, read
}
