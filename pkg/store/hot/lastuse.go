package hot

import (
	"context"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// PutLastUse implements usage.Writer.
func (m *Meter) PutLastUse(ctx context.Context, use usage.LastUse) error {
	at := dynamo.Text(dynamo.FormatTime(use.At))

	return m.set(ctx, usedRow(use.Environment, use.KeyID), dynamo.Item{
		"at":        at,
		"sourceIp":  dynamo.Text(use.SourceIP),
		"userAgent": dynamo.Text(use.UserAgent),
	}, use.At.Add(UsageRetention), dynamo.IsNew.Or(dynamo.Below(at, "at")))
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

		f := dynamo.Read(item)
		out[k.ID] = usage.LastUse{
			Environment: k.Environment,
			KeyID:       k.ID,
			At:          f.Time("at"),
			SourceIP:    f.Text("sourceIp"),
			UserAgent:   f.Text("userAgent"),
		}

		if err := f.Err(); err != nil {
			return nil, dynamo.Damaged("last use of "+k.ID, err)
		}
	}

	return out, nil
}

// retiredRetention is how long the use of a secret that ended is kept; a rotation takes at most
// apikey.MaxOverlap.
const retiredRetention = 60 * 24 * time.Hour

// secretUseAttributes returns the attributes of a writer's row, without its key and purgeAt.
func secretUseAttributes(use usage.SecretUse) dynamo.Item {
	item := dynamo.Item{
		sequenceAttribute: dynamo.Number(use.Sequence),
		"at":              dynamo.Text(dynamo.FormatTime(use.At)),
		"oldCalls":        dynamo.Number(use.OldCalls),
		"retiredCalls":    dynamo.Number(use.RetiredCalls),
		"newFirstAt":      dynamo.Text(dynamo.FormatTime(use.NewFirstAt)),
	}

	var sources []dynamo.Value
	for s, u := range use.Sources {
		source := dynamo.Item{}
		source.PutText("sourceIp", s.SourceIP)
		source.PutText("userAgent", s.UserAgent)
		source.PutInt("calls", u.Calls)
		source.PutTime("lastAt", u.LastAt)
		sources = append(sources, dynamo.Map(source))
	}

	item["sources"] = dynamo.List(sources...)
	return item
}

// PutSecretUse implements usage.Writer.
func (m *Meter) PutSecretUse(ctx context.Context, use usage.SecretUse) error {
	return m.set(ctx, secretsRow(use), secretUseAttributes(use), use.At.Add(retiredRetention),
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

	for item, err := range t.table.All(ctx, dynamo.Range{
		Partition: keyPartition(env, id),
		First:     first,
		Last:      first + "~",
	}) {
		if err != nil {
			return sum, err
		}

		f := dynamo.Read(item)

		use := usage.SecretUse{
			OldCalls:     f.Int("oldCalls"),
			RetiredCalls: f.Int("retiredCalls"),
			At:           f.Time("at"),
			NewFirstAt:   f.Time("newFirstAt"),
			Sources:      map[usage.Source]usage.SourceUse{},
		}
		for _, s := range f.Maps("sources") {
			use.Sources[usage.Source{
				SourceIP:  s.Text("sourceIp"),
				UserAgent: s.Text("userAgent"),
			}] = usage.SourceUse{
				Calls:  s.Int("calls"),
				LastAt: s.Time("lastAt"),
			}
		}

		if err := f.Err(); err != nil {
			return sum, dynamo.Damaged("use of secrets of "+id, err)
		}

		sum.Take(use)
	}

	return sum, nil
}
