package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// The key attributes of the tables and of the index that lists everything but the keys of a place
// (index.go).
const (
	partitionAttribute     = "pk"
	sortAttribute          = "sk"
	indexName              = "byOrganization"
	listPartitionAttribute = "listPk"
	listSortAttribute      = "listSk"
	rankSortAttribute      = "listRankSk"
	sealAttribute          = "seal"
	sealPepperAttribute    = "sealPepper" // the version of the pepper that made the seal
	placeJobAttribute      = "job"
	// how fast the row is changed; no seal covers it, since Hold writes it alone
	paceAttribute = "pace"
)

// operators is the organization of operator keys, which has no row.
const operators = apikey.OperatorOrganization

// Sort keys of items that stand alone under their partition key.
const (
	keySort             = "key"
	ringSort            = "ring"
	catalogueSort       = "catalogue"
	organizationSort    = "organization"
	runtimeSettingsSort = "standing"
	importsSort         = "imports"
	claimsSort          = "claims"
	onceSort            = "once"
	bootstrapSort       = "bootstrap"
	peppersSort         = "peppers"
	usedSort            = "used"
	requestSort         = "request"
	stageSort           = "#stage" // before every writer
)

// Prefixes of sort keys in the table hot. What follows # ends before $, the next character.
const (
	usagePrefix   = "usage#"
	requestPrefix = "request#"
	secretsPrefix = "secrets#"
	countedPrefix = "counted#"
	afterHash     = "$"
)

// limitsSort is the sort key of the state of limits, in the table hot.
const limitsSort = "limits"

// limitsPartition is apart from what else is counted of a key, since it is written the most.
func limitsPartition(s limit.Subject) string {
	if s.KeyID == "" {
		return "address#" + s.Address.String()
	}

	return keyPartition(s.Environment, s.KeyID) + "#limits"
}

func keyPartition(env apikey.Environment, id string) string { return string(env) + "#" + id }
func pepperPartition(env apikey.Environment) string         { return "pepper#" + string(env) }

// runtimeSettingsPartition starts with the environment, as a key's does, so that its authorizer may read
// it.
func runtimeSettingsPartition(env apikey.Environment, org string) string {
	return string(env) + "#organization#" + org
}

// importsPartition starts with the environment too.
func importsPartition(env apikey.Environment) string { return string(env) + "#imports" }

// upkeepPartition holds how far upkeep is.
const upkeepPartition = "upkeep"

func cataloguePartition() string              { return "catalogue" }
func organizationPartition(org string) string { return "organization#" + org }
func memberSort(who string) string            { return "member#" + who }
func customerSort(id string) string           { return "customer#" + id }
func oncePartition(receipt string) string     { return "once#" + receipt }
func historyList(org string) string           { return "history#" + org }

// customerKeysPartition holds an item for each key that is scoped to a customer; its sort keys are
// the partition keys of the keys.
func customerKeysPartition(org, customer string) string {
	return "customerKeys#" + org + "#" + customer
}

// keysList is a list of the keys of an organization with one ownership; of those scoped to a
// customer, unless that is "". within is their environment, their owner, or both in this order; an
// owner's id may hold any character, so it stands last.
func keysList(org, customer string, ownership apikey.Ownership, within ...string) string {
	return strings.Join(append([]string{"keys", org, customer, string(ownership)}, within...), "#")
}

// expiringPartition lists the keys of an environment that are to expire.
func expiringPartition(env apikey.Environment) string { return "expiring#" + string(env) }

// jobsPartition holds an organization's jobs, whose ids sort by time. openJobsList lists those of
// all organizations that are not over.
func jobsPartition(org string) string { return "jobs#" + org }

const openJobsList = "jobs"

// placesPartition holds an item for each place that an open job of an organization takes.
func placesPartition(org string) string { return "jobPlaces#" + org }

// ownKeysPartition holds an item for each personal key of a person in an organization; its sort
// keys are the partition keys of the keys.
func ownKeysPartition(org, owner string) string { return "ownKeys#" + org + "#" + owner }

// personList is the list of what a person is a member of.
func personList(email string) string { return "person#" + email }

func historyPartition(org, objectType, objectID string) string {
	return "history#" + org + "#" + objectType + "#" + objectID
}

// historyPartsPartition holds the changes of a history entry that are too long for one item; no
// object has the type part.
func historyPartsPartition(org, entry string) string { return historyPartition(org, "part", entry) }

func partSort(i int) string { return fmt.Sprintf("%04d", i) }

// firstUseSort names a rotation by its start. It stands in the table hot, under the key's
// partition.
func firstUseSort(rotation time.Time) string { return "firstUse#" + formatTime(rotation) }

// scopePartition is where a scope is counted. Ids of keys are letters and digits, so that no
// organization's place is that of a key.
func scopePartition(s usage.Scope) string {
	if s.Organization {
		return string(s.Environment) + "#organization#" + s.ID
	}

	return keyPartition(s.Environment, s.ID)
}

func requestPartition(env apikey.Environment, id string) string {
	return string(env) + "#request#" + id
}

func journalPartition(env apikey.Environment, hour time.Time) string {
	return string(env) + "#journal#" + formatHour(hour)
}

// hourSort is where an hour is kept that was put together; writers' rows stand after it.
func hourSort(hour time.Time) string { return usagePrefix + formatHour(hour) }

func usageSort(hour time.Time, writer string) string { return hourSort(hour) + "#" + writer }

func requestItemSort(at time.Time, id string) string {
	return requestPrefix + formatTime(at) + "#" + id
}

// secretsSort is where a writer's row stands of the rotation that started then; the zero time is
// for keys without one.
func secretsSort(rotation time.Time, writer string) string {
	return secretsPrefix + formatTime(rotation) + "#" + writer
}

// countedSlot is where the ledger of the calls of a slot of time stands, in pages.
func countedSlot(slot time.Time) string { return countedPrefix + slot.UTC().Format(slotLayout) }

func countedSort(slot time.Time, page int) string {
	return countedSlot(slot) + fmt.Sprintf("#%04d", page)
}

// slotLayout is that of slots, which compare as strings do.
const slotLayout = "2006-01-02T15:04:05"

// hourLayout is that of hours, which compare as strings do.
const hourLayout = "2006-01-02T15"

func formatHour(t time.Time) string { return t.UTC().Format(hourLayout) }

// listSort orders by time, then id.
func listSort(at time.Time, id string) string { return formatTime(at) + "#" + id }

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}

	return apikey.FormatTime(t) // of a fixed width, so that times compare as strings do
}

// parseTime is the inverse of formatTime; a text that is no time is an error, since rows are only
// written by formatTime.
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}

	return time.Parse(apikey.TimeLayout, s)
}

func primaryKey(partition, sort string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		partitionAttribute: textValue(partition),
		sortAttribute:      textValue(sort),
	}
}
