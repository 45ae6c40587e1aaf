package hot

import (
	"fmt"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// Sort keys of rows that stand alone under their partition key.
const (
	limitsSort  = "limits"
	usedSort    = "used"
	requestSort = "request"
	stageSort   = "#stage" // sorts before every writer
)

// Prefixes of sort keys. What follows # ends before $, the next character.
const (
	usagePrefix   = "usage#"
	requestPrefix = "request#"
	secretsPrefix = "secrets#"
	countedPrefix = "counted#"
	afterHash     = "$"
)

// Layouts of times in sort keys, which sort by time.
const (
	hourLayout = "2006-01-02T15"
	slotLayout = "2006-01-02T15:04:05"
)

func keyPartition(env apikey.Environment, id string) string { return string(env) + "#" + id }

// limitsRow has a partition of its own, since it is written the most.
func limitsRow(s limit.Subject) dynamo.Key {
	if s.KeyID == "" {
		return dynamo.At("address#"+s.Address.String(), limitsSort)
	}

	return dynamo.At(keyPartition(s.Environment, s.KeyID)+"#limits", limitsSort)
}

// firstUseRow identifies a key's rotation by its start.
func firstUseRow(k *apikey.Key) dynamo.Key {
	return dynamo.At(keyPartition(k.Environment, k.ID),
		"firstUse#"+dynamo.FormatTime(k.Rotation.StartedAt))
}

func usedRow(env apikey.Environment, keyID string) dynamo.Key {
	return dynamo.At(keyPartition(env, keyID), usedSort)
}

// scopePartition returns the partition of a scope's counts. Ids of keys are letters and digits, so
// that no organization shares a partition with a key.
func scopePartition(s usage.Scope) string {
	if s.Organization {
		return string(s.Environment) + "#organization#" + s.ID
	}

	return keyPartition(s.Environment, s.ID)
}

// hourSort is the sort key of a compacted hour; writers' rows follow it.
func hourSort(hour time.Time) string { return usagePrefix + hour.UTC().Format(hourLayout) }

func usageRow(s usage.Scope, hour time.Time, writer string) dynamo.Key {
	return dynamo.At(scopePartition(s), hourSort(hour)+"#"+writer)
}

func requestRow(env apikey.Environment, id string) dynamo.Key {
	return dynamo.At(string(env)+"#request#"+id, requestSort)
}

func requestItemSort(at time.Time, id string) string {
	return requestPrefix + dynamo.FormatTime(at) + "#" + id
}

func journalRow(env apikey.Environment, hour time.Time, writer string) dynamo.Key {
	return dynamo.At(string(env)+"#journal#"+hour.UTC().Format(hourLayout), writer)
}

// secretsSort returns the sort key of a writer's row for the rotation that started at rotation; the
// zero time is for keys without one.
func secretsSort(rotation time.Time, writer string) string {
	return secretsPrefix + dynamo.FormatTime(rotation) + "#" + writer
}

func secretsRow(use usage.SecretUse) dynamo.Key {
	return dynamo.At(keyPartition(use.Environment, use.KeyID),
		secretsSort(use.Rotation, use.Writer))
}

// countedSlot is the prefix of the ledger's pages for the calls of a slot of time.
func countedSlot(slot time.Time) string { return countedPrefix + slot.UTC().Format(slotLayout) }

func countedSort(slot time.Time, page int) string {
	return countedSlot(slot) + fmt.Sprintf("#%04d", page)
}
