package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// MaxPage is the most keys that one page of a list holds.
const MaxPage = 200

// Filter says which keys of an organization a list shows. The zero value of each field means any.
type Filter struct {
	Status      apikey.Status // "" for any
	Environment apikey.Environment
	Ownership   apikey.Ownership
	Owner       string
	Customer    string
	Permission  string
	Tag         string
	Text        string // part of the name in any case, or the id
	OldestFirst bool   // how the list is ordered
	Viewer      string // a person who sees no personal keys but their own; "" for who sees all
}

// matches is the one predicate of lists, over what the index projects. A row that the index brought is asked again, since an index lags.
func (f Filter) matches(k *apikey.Key, now time.Time) bool {
	return (f.Viewer == "" || k.Ownership == apikey.Organization || k.Owner.ID == f.Viewer) &&
		(f.Status == "" || k.Status(now) == f.Status) &&
		(f.Environment == "" || k.Environment == f.Environment) &&
		(f.Ownership == "" || k.Ownership == f.Ownership) &&
		(f.Owner == "" || k.Owner.ID == f.Owner) &&
		(f.Customer == "" || slices.Contains(k.Customers, f.Customer)) &&
		(f.Permission == "" || slices.Contains(k.Permissions, f.Permission)) &&
		(f.Tag == "" || slices.Contains(k.Tags, f.Tag)) &&
		(f.Text == "" || k.ID == f.Text || strings.Contains(strings.ToLower(k.Name), strings.ToLower(f.Text)))
}

// maxQueries bounds the index reads of one page; with the reads of the rows a page costs at most ten reads.
const maxQueries = 8

// Keys returns a page of an organization's keys, newest first, and the position after it: "" where the list ends. after is a position that an
// earlier page ended with. A page may be short, with a position to go on, when few keys match. Errors: ErrUnavailable.
func (s *Store) Keys(ctx context.Context, org string, f Filter, after string, limit int, now time.Time) (page []*apikey.Key, next string, err error) {
	refs, next, err := s.queryKeys(ctx, org, f, after, min(limit, MaxPage), now)
	if err != nil {
		return nil, "", err
	}
	rows, err := s.batchGet(ctx, refs)
	if err != nil {
		return nil, "", err
	}
	for _, ref := range refs {
		item := rows[ref]
		if item == nil {
			continue // removed since the index was written
		}
		k, err := decodeKey(ctx, s.ring, item, ref.environment, ref.id)
		switch {
		case errors.Is(err, ErrDamaged):
			s.logger.ErrorContext(ctx, "a damaged row is left out of a list", "key_id", ref.id, "error", err)
			continue
		case err != nil:
			return nil, "", err
		}
		if k.OrganizationID == org && f.matches(k, now) {
			page = append(page, k)
		}
	}
	return page, next, nil
}

// queryKeys walks the index until limit keys match, the list ends or maxQueries reads are spent. The more keys it had to pass over, the more
// it reads at once.
func (s *Store) queryKeys(ctx context.Context, org string, f Filter, after string, limit int, now time.Time) (refs []keyRef, next string, err error) {
	size := limit + 1 // one more than the page, to know whether the list goes on
	for range maxQueries {
		entries, more, err := s.queryIndex(ctx, keysList(org), after, size, f.OldestFirst)
		if err != nil {
			return nil, "", err
		}
		for _, e := range entries {
			k, err := fromKeyItem(&e.keyItem)
			if !e.damaged && err == nil && !f.matches(k, now) {
				after = e.ListSK
				continue
			}
			if len(refs) == limit {
				return refs, after, nil
			}
			refs, after = append(refs, e.ref()), e.ListSK // a damaged entry's row is reported where it is read
		}
		if !more {
			return refs, "", nil
		}
		size = min(size*4, 4000)
	}
	return refs, after, nil
}

// entry is an entry of the index.
type entry struct {
	keyItem
	damaged bool // nothing but the row's place is known
}

// ref names the row that the entry is of by the place where it stands, whatever the row says of itself.
func (e *entry) ref() keyRef {
	env, id, _ := strings.Cut(e.PK, "#")
	return keyRef{apikey.Environment(env), id}
}

// queryIndex reads up to size entries of a list, newest first unless forwards, that stand after a position.
func (s *Store) queryIndex(ctx context.Context, list, after string, size int, forwards bool) (entries []entry, more bool, err error) {
	index, limit := indexName, int32(size)
	condition := "listPk = :list"
	values := map[string]types.AttributeValue{":list": &types.AttributeValueMemberS{Value: list}}
	if after != "" {
		condition += map[bool]string{false: " AND listSk < :after", true: " AND listSk > :after"}[forwards]
		values[":after"] = &types.AttributeValueMemberS{Value: after}
	}
	out, err := s.client.Query(ctx, &dynamodb.QueryInput{
		TableName: &s.core, IndexName: &index, ScanIndexForward: &forwards, Limit: &limit,
		KeyConditionExpression: &condition, ExpressionAttributeValues: values,
	})
	if err != nil {
		return nil, false, unavailable("list", err)
	}
	for _, item := range out.Items {
		var e entry
		if attributevalue.UnmarshalMap(item, &e.keyItem) != nil {
			// One damaged row must not take the list of all others with it. The keys of table and index are texts, or DynamoDB would refuse them.
			e = entry{keyItem: keyItem{PK: text(item[partitionAttribute]), ListSK: text(item[listSortAttribute])}, damaged: true}
		}
		entries = append(entries, e)
	}
	return entries, len(out.LastEvaluatedKey) > 0, nil
}

func text(value types.AttributeValue) string {
	s, _ := value.(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}
