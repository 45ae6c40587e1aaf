package hot

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// journalRetention is how long journals are kept: well beyond the last compaction of an hour.
const journalRetention = 5 * 24 * time.Hour

type journalItem struct {
	SK     string   `dynamodbav:"sk"`
	Scopes []string `dynamodbav:"scopes"` // k and a key's id, or o and an organization's
	Stage  int      `dynamodbav:"stage"`
}

// PutJournal implements usage.Writer.
func (t *Table) PutJournal(ctx context.Context, j usage.Journal) error {
	names := make([]string, 0, len(j.Scopes))
	for _, s := range j.Scopes {
		names = append(names, map[bool]string{false: "k", true: "o"}[s.Organization]+s.ID)
	}

	scopes, err := attributevalue.Marshal(names)
	if err != nil {
		return err
	}

	return t.set(ctx, journalRow(j.Environment, j.Hour, j.Writer), dynamo.Item{"scopes": scopes},
		j.Hour.Add(journalRetention), dynamo.IsNew)
}

// Journal implements usage.Hours.
func (t *Table) Journal(
	ctx context.Context, env apikey.Environment, hour time.Time,
) (scopes []usage.Scope, err error) {
	seen := map[string]bool{}

	var stuck error // a damaged row must not hide the scopes of the others
	for item, err := range t.rows.All(ctx, dynamo.Range{
		Partition: journalRow(env, hour, "").Partition,
		First:     stageSort,
		Last:      "~",
	}) {
		if err != nil {
			return nil, err
		}

		var row journalItem
		if err := attributevalue.UnmarshalMap(item, &row); err != nil {
			stuck = lasting(dynamo.Damaged("journal "+dynamo.KeyOf(item).Sort, err))
			continue
		}

		for _, name := range row.Scopes {
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
		var row journalItem
		if err := attributevalue.UnmarshalMap(found[key], &row); err != nil {
			return nil, dynamo.Damaged("journal", err)
		}

		out[i] = usage.Stage(row.Stage)
	}

	return out, nil
}

// SetStage implements usage.Hours.
func (t *Table) SetStage(
	ctx context.Context, env apikey.Environment, hour time.Time, stage usage.Stage,
) error {
	return t.set(ctx, journalRow(env, hour, stageSort),
		dynamo.Item{"stage": dynamo.Number(int64(stage))}, hour.Add(journalRetention),
		dynamo.IsNew.Or(dynamo.Below("stage", stage)))
}
