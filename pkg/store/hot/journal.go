package hot

import (
	"context"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// journalRetention is how long journals are kept: well beyond the last compaction of an hour.
const journalRetention = 5 * 24 * time.Hour

// PutJournal implements usage.Writer.
func (m *Meter) PutJournal(ctx context.Context, j usage.Journal) error {
	// k and a key's id, or o and an organization's
	names := make([]string, 0, len(j.Scopes))
	for _, s := range j.Scopes {
		names = append(names, map[bool]string{false: "k", true: "o"}[s.Organization]+s.ID)
	}

	scopes := dynamo.Item{"scopes": dynamo.Texts(names)}
	return m.set(ctx, journalRow(j.Environment, j.Hour, j.Writer), scopes,
		j.Hour.Add(journalRetention), dynamo.IsNew)
}

// Journal implements usage.Hours.
func (t *Table) Journal(
	ctx context.Context, env apikey.Environment, hour time.Time,
) (scopes []usage.Scope, err error) {
	seen := map[string]bool{}

	var stuck error // a damaged row must not hide the scopes of the others
	for item, err := range t.table.All(ctx, dynamo.Range{
		Partition: journalRow(env, hour, "").Partition,
		First:     stageSort,
		Last:      "~",
	}) {
		if err != nil {
			return nil, err
		}

		f := dynamo.Read(item)
		names := f.Texts("scopes")

		if err := f.Err(); err != nil {
			stuck = lasting(dynamo.Damaged("journal "+dynamo.KeyOf(item).Sort, err))
			continue
		}

		for _, name := range names {
			if seen[name] || name == "" {
				continue
			}

			seen[name] = true
			scopes = append(scopes, usage.Scope{
				Environment:  env,
				Organization: strings.HasPrefix(name, "o"),
				ID:           name[1:],
			})
		}
	}

	return scopes, stuck
}

// Stages implements usage.Hours.
func (t *Table) Stages(
	ctx context.Context, env apikey.Environment, hours []time.Time,
) ([]usage.Stage, error) {
	keys := make([]dynamo.Key, 0, len(hours))
	for _, hour := range hours {
		keys = append(keys, journalRow(env, hour, stageSort))
	}

	found, err := t.rows.BatchGet(ctx, keys)
	if err != nil {
		return nil, err
	}

	out := make([]usage.Stage, len(hours))
	for i, key := range keys {
		f := dynamo.Read(found[key])
		out[i] = usage.Stage(f.Int("stage"))

		if err := f.Err(); err != nil {
			return nil, dynamo.Damaged("journal", err)
		}
	}

	return out, nil
}

// SetStage implements usage.Hours.
func (t *Table) SetStage(
	ctx context.Context, env apikey.Environment, hour time.Time, stage usage.Stage,
) error {
	return t.set(ctx, journalRow(env, hour, stageSort),
		dynamo.Item{"stage": dynamo.Number(int64(stage))}, hour.Add(journalRetention),
		dynamo.IsNew.Or(dynamo.Below(dynamo.Number(int64(stage)), "stage")))
}
