package hot

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/usage"
)

type lastUseItem struct {
	At        string `dynamodbav:"at"`
	SourceIP  string `dynamodbav:"sourceIp"`
	UserAgent string `dynamodbav:"userAgent"`
}

// PutLastUse implements usage.Writer.
func (t *Table) PutLastUse(ctx context.Context, use usage.LastUse) error {
	attributes, err := attributevalue.MarshalMap(lastUseItem{
		dynamo.FormatTime(use.At), use.SourceIP, use.UserAgent,
	})
	if err != nil {
		return err
	}

	return t.set(ctx, usedRow(use.Environment, use.KeyID), attributes, use.At.Add(UsageRetention),
		dynamo.IsNew.Or(dynamo.Below("at", dynamo.FormatTime(use.At))))
}

// LastUses returns the last use of each key, by id; keys that were never used are left out. Errors:
// ErrDamaged, ErrUnavailable.
func (t *Table) LastUses(
	ctx context.Context, keys ...*apikey.Key,
) (map[string]usage.LastUse, error) {
	rows := make([]dynamo.Key, 0, len(keys))
	for _, k := range keys {
		rows = append(rows, usedRow(k.Environment, k.ID))
	}

	found, err := t.rows.BatchGet(ctx, rows)
	if err != nil {
		return nil, err
	}

	out := make(map[string]usage.LastUse, len(found))
	for i, k := range keys {
		item := found[rows[i]]
		if item == nil {
			continue
		}

		var row lastUseItem
		if err := attributevalue.UnmarshalMap(item, &row); err != nil {
			return nil, dynamo.Damaged("last use of "+k.ID, err)
		}

		at, err := dynamo.ParseTime(row.At)
		if err != nil {
			return nil, dynamo.Damaged("last use of "+k.ID, err)
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

// retiredRetention is how long the use of a secret that ended is kept; a rotation takes at most
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

// secretUseAttributes returns the attributes of a writer's row, without its key and purgeAt.
func secretUseAttributes(use usage.SecretUse) (dynamo.Item, error) {
	row := secretUseItem{
		Sequence:     use.Sequence,
		At:           dynamo.FormatTime(use.At),
		OldCalls:     use.OldCalls,
		RetiredCalls: use.RetiredCalls,
		NewFirstAt:   dynamo.FormatTime(use.NewFirstAt),
	}
	for s, u := range use.Sources {
		row.Sources = append(row.Sources, sourceItem{
			s.SourceIP, s.UserAgent, u.Calls, dynamo.FormatTime(u.LastAt),
		})
	}

	return attributevalue.MarshalMap(row)
}

// PutSecretUse implements usage.Writer.
func (t *Table) PutSecretUse(ctx context.Context, use usage.SecretUse) error {
	attributes, err := secretUseAttributes(use)
	if err != nil {
		return err
	}

	return t.set(ctx, secretsRow(use), attributes, use.At.Add(retiredRetention),
		newer(use.Sequence))
}

// SecretUse returns the use of a key's secrets since the rotation that started at rotation; of
// retired secrets, by the zero time, if there is none. It is the sum over all instances, empty if
// there was no use. Errors: ErrDamaged, ErrUnavailable.
func (t *Table) SecretUse(
	ctx context.Context, env apikey.Environment, id string, rotation time.Time,
) (usage.SecretUse, error) {
	sum := usage.SecretUse{Environment: env, KeyID: id, Rotation: rotation}
	first := secretsSort(rotation, "")

	for item, err := range t.rows.All(ctx, dynamo.Range{
		Partition: keyPartition(env, id),
		First:     first,
		Last:      first + "~",
	}) {
		if err != nil {
			return sum, err
		}

		var row secretUseItem
		if err := attributevalue.UnmarshalMap(item, &row); err != nil {
			return sum, dynamo.Damaged("use of secrets of "+id, err)
		}

		times := dynamo.Times{}

		use := usage.SecretUse{
			OldCalls:     row.OldCalls,
			RetiredCalls: row.RetiredCalls,
			At:           times.Read(row.At),
			NewFirstAt:   times.Read(row.NewFirstAt),
			Sources:      map[usage.Source]usage.SourceUse{},
		}
		for _, s := range row.Sources {
			use.Sources[usage.Source{
				SourceIP:  s.SourceIP,
				UserAgent: s.UserAgent,
			}] = usage.SourceUse{
				Calls:  s.Calls,
				LastAt: times.Read(s.LastAt),
			}
		}

		if times.Err != nil {
			return sum, dynamo.Damaged("use of secrets of "+id, times.Err)
		}

		sum.Take(use)
	}

	return sum, nil
}
