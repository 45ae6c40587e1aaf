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
	stageSort   = "#stage" // before every writer
)

// Prefixes of sort keys. What follows # ends before $, the next character.
const (
	usagePrefix   = "usage#"
	requestPrefix = "request#"
	secretsPrefix = "secrets#"
	countedPrefix = "counted#"
	afterHash     = "$"
)

// Layouts of times in sort keys, which compare as strings do.
const (
	hourLayout = "2006-01-02T15"
	slotLayout = "2006-01-02T15:04:05"
)

func keyPartition(env apikey.Environment, id string) string { return string(env) + "#" + id }

// limitsRow is apart from what else is counted of a key, since it is written the most.
func limitsRow(s limit.Subject) dynamo.Key {
	if s.KeyID == "" {
		return dynamo.At("address#"+s.Address.String(), limitsSort)
	}

	return dynamo.At(keyPartition(s.Environment, s.KeyID)+"#limits", limitsSort)
}

// firstUseRow names a key's rotation by its start.
func firstUseRow(k *apikey.Key) dynamo.Key {
	return dynamo.At(keyPartition(k.Environment, k.ID),
		"firstUse#"+dynamo.FormatTime(k.Rotation.StartedAt))
}

func usedRow(env apikey.Environment, keyID string) dynamo.Key {
	return dynamo.At(keyPartition(env, keyID), usedSort)
}

// scopePartition is where a scope is counted. Ids of keys are letters and digits, so that no
// organization's place is that of a key.
func scopePartition(s usage.Scope) string {
	if s.Organization {
		return string(s.Environment) + "#organization#" + s.ID
	}

	return keyPartition(s.Environment, s.ID)
}

// hourSort is where an hour is kept that was put together; writers' rows stand after it.
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

// secretsSort is where a writer's row stands of the rotation that started then; the zero time is
// for keys without one.
func secretsSort(rotation time.Time, writer string) string {
	return secretsPrefix + dynamo.FormatTime(rotation) + "#" + writer
}

func secretsRow(use usage.SecretUse) dynamo.Key {
	return dynamo.At(keyPartition(use.Environment, use.KeyID),
		secretsSort(use.Rotation, use.Writer))
}

// countedSlot is where the ledger of the calls of a slot of time stands, in pages.
func countedSlot(slot time.Time) string { return countedPrefix + slot.UTC().Format(slotLayout) }

func countedSort(slot time.Time, page int) string {
	return countedSlot(slot) + fmt.Sprintf("#%04d", page)
}
