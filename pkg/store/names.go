package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// The attributes that only the store sets. The keys of the indexes of keys are in index.go.
const (
	sealAttribute       = "seal"
	sealPepperAttribute = "sealPepper" // the version of the pepper that made the seal
	placeJobAttribute   = "job"
	// the pace of the row's changes; no seal covers it, since Hold writes it alone
	paceAttribute = "pace"
)

// byOrganization is the index of all lists except those of keys by owner or environment.
var byOrganization = dynamo.Index{Name: "byOrganization", Partition: "listPk", Sort: "listSk"}

// operators is the organization of operator keys, which has no row.
const operators = apikey.OperatorOrganization

// Sort keys of items that stand alone under their partition key.
const (
	keySort             = "key"
	ringSort            = "ring"
	catalogueSort       = "catalogue"
	organizationSort    = "organization"
	runtimeSettingsSort = "settings"
	importsSort         = "imports"
	claimsSort          = "claims"
	onceSort            = "once"
	bootstrapSort       = "bootstrap"
	peppersSort         = "peppers"
)

func keyPartition(env apikey.Environment, id string) string { return string(env) + "#" + id }
func organizationPartition(org string) string               { return "organization#" + org }
func memberSort(who string) string                          { return "member#" + who }
func customerSort(id string) string                         { return "customer#" + id }
func historyList(org string) string                         { return "history#" + org }

// customerKeysPartition holds an item for each key that is scoped to a customer; its sort keys are
// the partition keys of the keys.
func customerKeysPartition(org, customer string) string {
	return "customerKeys#" + org + "#" + customer
}

// keysList is the list of an organization's keys with one ownership; of those scoped to a customer,
// unless that is "". within is their environment, their owner, or both in this order: an owner's id
// may contain any character, so it comes last.
func keysList(org, customer string, ownership apikey.Ownership, within ...string) string {
	return strings.Join(append([]string{"keys", org, customer, string(ownership)}, within...), "#")
}

// expiringPartition lists the keys of an environment that will expire.
func expiringPartition(env apikey.Environment) string { return "expiring#" + string(env) }

// jobsPartition holds an organization's jobs, whose ids sort by time. openJobsList lists the open
// ones of all organizations.
func jobsPartition(org string) string { return "jobs#" + org }

const openJobsList = "jobs"

// placesPartition holds an item for each place that an open job of an organization has.
func placesPartition(org string) string { return "jobPlaces#" + org }

// ownKeysPartition holds an item for each personal key of a person in an organization; its sort
// keys are the partition keys of the keys.
func ownKeysPartition(org, owner string) string { return "ownKeys#" + org + "#" + owner }

// personList lists a person's memberships.
func personList(email string) string { return "person#" + email }

func historyPartition(org, objectType, objectID string) string {
	return "history#" + org + "#" + objectType + "#" + objectID
}

// historyPartsPartition holds the changes of a history entry that are too long for one item. No
// object has the type part.
func historyPartsPartition(org, entry string) string { return historyPartition(org, "part", entry) }

func partSort(i int) string { return fmt.Sprintf("%04d", i) }

// listSort sorts by time, then id.
func listSort(at time.Time, id string) string { return dynamo.FormatTime(at) + "#" + id }

func keyRow(env apikey.Environment, id string) dynamo.Key {
	return dynamo.At(keyPartition(env, id), keySort)
}

// keyAt parses the partition key of a key, which is also its sort key in the lists of a person or a
// customer.
func keyAt(partition string) (apikey.Environment, string) {
	env, id, _ := strings.Cut(partition, "#")
	return apikey.Environment(env), id
}

// ringRow holds the wrapped peppers of an environment.
func ringRow(env apikey.Environment) dynamo.Key { return dynamo.At("pepper#"+string(env), ringSort) }

// passRow holds the progress of upkeep's pass over the peppers.
func passRow() dynamo.Key { return dynamo.At("upkeep", peppersSort) }

func catalogueRow() dynamo.Key { return dynamo.At("catalogue", catalogueSort) }

func organizationRow(org string) dynamo.Key {
	return dynamo.At(organizationPartition(org), organizationSort)
}

func memberRow(org, email string) dynamo.Key {
	return dynamo.At(organizationPartition(org), memberSort(email))
}

func customerRow(org, id string) dynamo.Key {
	return dynamo.At(organizationPartition(org), customerSort(id))
}

// runtimeSettingsRow starts with the environment, as a key's row does, so that its authorizer may
// read it.
func runtimeSettingsRow(env apikey.Environment, org string) dynamo.Key {
	return dynamo.At(string(env)+"#organization#"+org, runtimeSettingsSort)
}

// importsRow starts with the environment, too.
func importsRow(env apikey.Environment) dynamo.Key {
	return dynamo.At(string(env)+"#imports", importsSort)
}

// claimsRow is stored with the first key of a secret of another system.
func claimsRow(env apikey.Environment, id string) dynamo.Key {
	return dynamo.At(keyPartition(env, id), claimsSort)
}

func receiptRow(id string) dynamo.Key { return dynamo.At("once#"+id, onceSort) }
