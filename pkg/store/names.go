package store

import (
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// placeJobAttribute names the job that has a place. The keys of the indexes of keys are in index.go.
const placeJobAttribute = "job"

// byOrganization is the index of all lists except those of keys by owner or environment.
var byOrganization = dynamo.Index{Name: "byOrganization", Partition: "listPk", Sort: "listSk"}

// operators is the organization of operator keys, which has no row.
const operators = apikey.OperatorOrganization

// Sort keys of items that stand alone under their partition key; those that checks read are in
// package sealed.
const (
	organizationSort = "organization"
	onceSort         = "once"
	bootstrapSort    = "bootstrap"
	peppersSort      = "peppers"
)

func organizationPartition(org string) string { return "organization#" + org }
func memberSort(who string) string            { return "member#" + who }
func customerSort(id string) string           { return "customer#" + id }
func historyList(org string) string           { return "history#" + org }

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

// expiringPartitions is the number of partitions of an index that list the keys of an environment
// that will expire. An import writes thousands a second, and a partition takes 1,000: one that
// throttles holds up every write of the table.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations
const expiringPartitions = 10

// expiringPartition is one of them.
func expiringPartition(env apikey.Environment, n uint32) string {
	return "expiring#" + string(env) + "#" + strconv.FormatUint(uint64(n), 10)
}

// expiringPartitionOf lists a key, together with a tenth of all keys.
func expiringPartitionOf(k *apikey.Key) string {
	return expiringPartition(k.Environment, crc32.ChecksumIEEE([]byte(k.ID))%expiringPartitions)
}

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

// passRow holds the progress of upkeep's pass over the peppers.
func passRow() dynamo.Key { return dynamo.At("upkeep", peppersSort) }

func organizationRow(org string) dynamo.Key {
	return dynamo.At(organizationPartition(org), organizationSort)
}

func memberRow(org, email string) dynamo.Key {
	return dynamo.At(organizationPartition(org), memberSort(email))
}

func customerRow(org, id string) dynamo.Key {
	return dynamo.At(organizationPartition(org), customerSort(id))
}

func receiptRow(id string) dynamo.Key { return dynamo.At("once#"+id, onceSort) }
