package store

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/meter"
)

// The key attributes of the tables and of the index.
const (
	partitionAttribute     = "pk"
	sortAttribute          = "sk"
	indexName              = "byOrganization"
	listPartitionAttribute = "listPk"
	listSortAttribute      = "listSk"
	sealAttribute          = "seal"
	sealPepperAttribute    = "sealPepper" // the version of the pepper that made the seal
)

// operators is the organization of operator keys, which has no row.
const operators = apikey.OperatorOrganization

// Sort keys of items that stand alone under their partition key.
const (
	keySort          = "key"
	ringSort         = "ring"
	catalogueSort    = "catalogue"
	organizationSort = "organization"
	standingSort     = "standing"
	onceSort         = "once"
	bootstrapSort    = "bootstrap"
)

// limitsSort is the sort key of the state of limits, in the table hot.
const limitsSort = "limits"

// limitsPartition is apart from what else is counted of a key, since it is written the most.
func limitsPartition(s meter.Subject) string {
	if s.KeyID == "" {
		return "address#" + s.Address.String()
	}
	return keyPartition(s.Environment, s.KeyID) + "#limits"
}

func keyPartition(env apikey.Environment, id string) string { return string(env) + "#" + id }
func pepperPartition(env apikey.Environment) string         { return "pepper#" + string(env) }

// standingPartition starts with the environment, as a key's does, so that its authorizer may read it.
func standingPartition(env apikey.Environment, org string) string {
	return string(env) + "#organization#" + org
}

func cataloguePartition() string              { return "catalogue" }
func organizationPartition(org string) string { return "organization#" + org }
func memberSort(who string) string            { return "member#" + who }
func customerSort(id string) string           { return "customer#" + id }
func oncePartition(receipt string) string     { return "once#" + receipt }
func keysList(org string) string              { return "keys#" + org }
func historyList(org string) string           { return "history#" + org }

// personList is the list of what a person is a member of.
func personList(email string) string { return "person#" + email }

func historyPartition(org, objectType, objectID string) string {
	return "history#" + org + "#" + objectType + "#" + objectID
}

// firstUseSort names a rotation by its start. It stands in the table hot, under the key's partition.
func firstUseSort(rotation time.Time) string { return "firstUse#" + formatTime(rotation) }

// listSort orders by time, then id.
func listSort(at time.Time, id string) string { return formatTime(at) + "#" + id }

// timeLayout has a fixed width, so that times compare as strings do. Milliseconds are what a key's times have.
const timeLayout = "2006-01-02T15:04:05.000Z"

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeLayout)
}

// parseTime is the inverse of formatTime; a text that is no time is an error, since rows are only written by formatTime.
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(timeLayout, s)
}

func primaryKey(partition, sort string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		partitionAttribute: &types.AttributeValueMemberS{Value: partition},
		sortAttribute:      &types.AttributeValueMemberS{Value: sort},
	}
}
