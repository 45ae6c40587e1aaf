package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// OwnKey makes a new personal key one of its owner's, for OwnKeys. A key keeps its ownership and
// its owner, so it is written once. Failure: apikey.ErrExists.
func (s *Store) OwnKey(k *apikey.Key) Write {
	return Write{
		item: primaryKey(ownKeysPartition(k.OrganizationID, k.Owner.ID),
			keyPartition(k.Environment, k.ID)),
		condition: isNew,
		failure:   apikey.ErrExists,
	}
}

// OwnKeys returns a page of the personal keys that a person ever had in an organization, in no
// telling order, and the position after each. It is strongly consistent, where Keys lags: for what
// must miss none. Deleted keys are among them; damaged rows are told of and left out. Errors:
// ErrUnavailable.
func (s *Store) OwnKeys(
	ctx context.Context, org, owner, after string, limit int,
) (page []KeyAt, next string, err error) {
	strong := true
	most := int32(min(limit, MaxPage))
	condition := "pk = :own"

	in := &dynamodb.QueryInput{
		TableName:              &s.core,
		ConsistentRead:         &strong,
		Limit:                  &most,
		KeyConditionExpression: &condition,
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":own": textValue(ownKeysPartition(org, owner)),
		},
	}
	if after != "" {
		condition += " AND sk > :after"
		in.ExpressionAttributeValues[":after"] = textValue(after)
	}

	out, err := s.client.Query(ctx, in)
	if err != nil {
		return nil, "", unavailable("own keys", err)
	}

	var refs []keyRef
	for _, item := range out.Items {
		after = text(item[sortAttribute])
		env, id, _ := strings.Cut(after, "#")
		refs = append(refs, keyRef{apikey.Environment(env), id})
	}

	rows, err := s.batchGet(ctx, refs)
	if err != nil {
		return nil, "", err
	}

	for _, ref := range refs {
		if rows[ref] == nil {
			continue // TTL removed it
		}

		k, err := decodeKey(ctx, s.ring, rows[ref], ref.environment, ref.id)
		switch {
		case errors.Is(err, ErrDamaged):
			s.logger.ErrorContext(ctx, "a damaged row is left out of a list", "key_id", ref.id,
				"error", err)
		case err != nil:
			return nil, "", err
		case k.OrganizationID == org && k.Ownership == apikey.Personal && k.Owner.ID == owner:
			page = append(page, KeyAt{k, keyPartition(ref.environment, ref.id)})
		}
	}

	if len(out.LastEvaluatedKey) == 0 {
		after = ""
	}

	return page, after, nil
}

// KeyAt is a key of a list, and the position after it there.
type KeyAt struct {
	Key   *apikey.Key
	After string
}

// KeysAtOfCustomer is KeysOfCustomer with the position after each key.
func (s *Store) KeysAtOfCustomer(
	ctx context.Context, org, customer, after string, limit int,
) (page []KeyAt, next string, err error) {
	keys, next, err := s.KeysOfCustomer(ctx, org, customer, after, limit)
	for _, k := range keys {
		page = append(page, KeyAt{k, keyPartition(k.Environment, k.ID)})
	}

	return page, next, err
}

// KeysAt is Keys with the position after each key, to go on from any of them.
func (s *Store) KeysAt(
	ctx context.Context, org string, f Filter, after string, limit int, now time.Time,
) (page []KeyAt, next string, err error) {
	keys, next, err := s.Keys(ctx, org, f, after, limit, now)
	for _, k := range keys {
		page = append(page, KeyAt{k, listSort(k.CreatedAt, k.ID)})
	}

	return page, next, err
}
