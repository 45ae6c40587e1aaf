package store

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// journalRetention is how long journals stay: well beyond the last time that an hour is put
// together.
const journalRetention = 5 * 24 * time.Hour

type journalItem struct {
	SK     string   `dynamodbav:"sk"`
	Scopes []string `dynamodbav:"scopes"` // k and a key's id, or o and an organization's
	Stage  int      `dynamodbav:"stage"`
}

// PutJournal implements usage.Writer.
func (t *Tables) PutJournal(ctx context.Context, j usage.Journal) error {
	names := make([]string, 0, len(j.Scopes))
	for _, s := range j.Scopes {
		names = append(names, map[bool]string{false: "k", true: "o"}[s.Organization]+s.ID)
	}

	scopes, err := attributevalue.Marshal(names)
	if err != nil {
		return err
	}

	attributes := map[string]types.AttributeValue{
		"scopes":       scopes,
		purgeAttribute: purgeValue(j.Hour.Add(journalRetention)),
	}
	return settled(t.set(ctx, journalPartition(j.Environment, j.Hour),
		j.Writer, attributes, isNew, nil))
}

// Journal implements usage.Hours.
func (t *Tables) Journal(
	ctx context.Context, env apikey.Environment, hour time.Time,
) (scopes []usage.Scope, err error) {
	items, err := t.queryHot(ctx, journalPartition(env, hour), stageSort, "~", true)
	if err != nil {
		return nil, err
	}

	seen := map[string]bool{}

	var stuck error // one damaged row must not take the scopes of all others with it
	for _, item := range items {
		var row journalItem
		if err := attributevalue.UnmarshalMap(item, &row); err != nil {
			stuck = lasting(damaged("journal "+placeOf(item).sort, err))
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
func (t *Tables) Stages(
	ctx context.Context, env apikey.Environment, hours []time.Time,
) ([]usage.Stage, error) {
	keys := make([]map[string]types.AttributeValue, 0, len(hours))
	for _, hour := range hours {
		keys = append(keys, primaryKey(journalPartition(env, hour), stageSort))
	}

	found, err := t.batchOf(ctx, t.hot, keys)
	if err != nil {
		return nil, err
	}

	out := make([]usage.Stage, len(hours))
	for i, key := range keys {
		var row journalItem
		if err := attributevalue.UnmarshalMap(found[itemName(key)], &row); err != nil {
			return nil, damaged("journal", err)
		}

		out[i] = usage.Stage(row.Stage)
	}

	return out, nil
}

// SetStage implements usage.Hours.
func (t *Tables) SetStage(
	ctx context.Context, env apikey.Environment, hour time.Time, stage usage.Stage,
) error {
	attributes := map[string]types.AttributeValue{
		"stage":        number(int64(stage)),
		purgeAttribute: purgeValue(hour.Add(journalRetention)),
	}
	return settled(t.set(ctx, journalPartition(env, hour), stageSort, attributes,
		isNew+" OR #stage < :stage", nil))
}
