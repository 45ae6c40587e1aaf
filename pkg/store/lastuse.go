package store

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/usage"
)

type lastUseItem struct {
	At        string `dynamodbav:"at"`
	SourceIP  string `dynamodbav:"sourceIp"`
	UserAgent string `dynamodbav:"userAgent"`
}

// PutLastUse implements usage.Writer.
func (t *Tables) PutLastUse(ctx context.Context, use usage.LastUse) error {
	attributes, err := attributevalue.MarshalMap(lastUseItem{
		formatTime(use.At), use.SourceIP, use.UserAgent,
	})
	if err != nil {
		return err
	}

	attributes[purgeAttribute] = purgeValue(use.At.Add(UsageRetention))
	return settled(t.set(ctx, keyPartition(use.Environment, use.KeyID), usedSort, attributes,
		isNew+" OR #at < :at", nil))
}

// LastUses returns when each of the keys was last used, by id; those that never were are left out.
// Errors: ErrDamaged, ErrUnavailable.
func (t *Tables) LastUses(
	ctx context.Context, keys ...*apikey.Key,
) (map[string]usage.LastUse, error) {
	names := make([]map[string]types.AttributeValue, 0, len(keys))
	for _, k := range keys {
		names = append(names, primaryKey(keyPartition(k.Environment, k.ID), usedSort))
	}

	found, err := t.batchOf(ctx, t.hot, names)
	if err != nil {
		return nil, err
	}

	out := make(map[string]usage.LastUse, len(found))
	for i, k := range keys {
		item := found[itemName(names[i])]
		if item == nil {
			continue
		}

		var row lastUseItem
		if err := attributevalue.UnmarshalMap(item, &row); err != nil {
			return nil, damaged("last use of "+k.ID, err)
		}

		at, err := parseTime(row.At)
		if err != nil {
			return nil, damaged("last use of "+k.ID, err)
		}

		out[k.ID] = usage.LastUse{
			Environment: k.Environment,
			KeyID:       k.ID,
			At:          at,
			SourceIP:    row.SourceIP,
			UserAgent:   row.UserAgent,
		}
	}

	return out, nil
}

// retiredRetention is how long it stays known who uses a secret that ended; a rotation runs at most
// apikey.MaxOverlap.
const retiredRetention = 60 * 24 * time.Hour

type sourceItem struct {
	SourceIP  string `dynamodbav:"sourceIp"`
	UserAgent string `dynamodbav:"userAgent"`
	Calls     int64  `dynamodbav:"calls"`
	LastAt    string `dynamodbav:"lastAt"`
}

type secretUseItem struct {
	Sequence     int64        `dynamodbav:"seq"`
	At           string       `dynamodbav:"at"`
	OldCalls     int64        `dynamodbav:"oldCalls"`
	RetiredCalls int64        `dynamodbav:"retiredCalls"`
	NewFirstAt   string       `dynamodbav:"newFirstAt"`
	Sources      []sourceItem `dynamodbav:"sources"`
}

// secretUseAttributes are those of a writer's row, but for its key.
func secretUseAttributes(use usage.SecretUse) (map[string]types.AttributeValue, error) {
	row := secretUseItem{
		Sequence:     use.Sequence,
		At:           formatTime(use.At),
		OldCalls:     use.OldCalls,
		RetiredCalls: use.RetiredCalls,
		NewFirstAt:   formatTime(use.NewFirstAt),
	}
	for s, u := range use.Sources {
		row.Sources = append(row.Sources, sourceItem{
			s.SourceIP, s.UserAgent, u.Calls, formatTime(u.LastAt),
		})
	}

	attributes, err := attributevalue.MarshalMap(row)
	if err != nil {
		return nil, err
	}

	attributes[purgeAttribute] = purgeValue(use.At.Add(retiredRetention))
	return attributes, nil
}

// PutSecretUse implements usage.Writer.
func (t *Tables) PutSecretUse(ctx context.Context, use usage.SecretUse) error {
	attributes, err := secretUseAttributes(use)
	if err != nil {
		return err
	}

	return settled(t.set(ctx, keyPartition(use.Environment, use.KeyID),
		secretsSort(use.Rotation, use.Writer), attributes, isNewer, nil))
}

// SecretUse returns who sends which secret of a key since the rotation that started then; of
// retired secrets where the key has none, by the zero time. It is the sum over all instances; where
// nothing was seen it is empty. Errors: ErrDamaged, ErrUnavailable.
func (t *Tables) SecretUse(
	ctx context.Context, env apikey.Environment, id string, rotation time.Time,
) (usage.SecretUse, error) {
	sum := usage.SecretUse{Environment: env, KeyID: id, Rotation: rotation}
	first := secretsSort(rotation, "")

	items, err := t.queryHot(ctx, keyPartition(env, id), first, first+"~", true)
	if err != nil {
		return sum, err
	}

	for _, item := range items {
		var row secretUseItem
		if err := attributevalue.UnmarshalMap(item, &row); err != nil {
			return sum, damaged("use of secrets of "+id, err)
		}

		times := timeReader{}

		use := usage.SecretUse{
			OldCalls:     row.OldCalls,
			RetiredCalls: row.RetiredCalls,
			At:           times.read(row.At),
			NewFirstAt:   times.read(row.NewFirstAt),
			Sources:      map[usage.Source]usage.SourceUse{},
		}
		for _, s := range row.Sources {
			use.Sources[usage.Source{
				SourceIP:  s.SourceIP,
				UserAgent: s.UserAgent,
			}] = usage.SourceUse{
				Calls:  s.Calls,
				LastAt: times.read(s.LastAt),
			}
		}

		if times.err != nil {
			return sum, damaged("use of secrets of "+id, times.err)
		}

		sum.Take(use)
	}

	return sum, nil
}
