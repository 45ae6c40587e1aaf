package sealed

import (
	"strings"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// Sort keys of rows that stand alone under their partition key.
const (
	KeySort             = "key"
	RingSort            = "ring"
	RuntimeSettingsSort = "settings"
	ImportsSort         = "imports"
	ClaimsSort          = "claims"
)

// KeyPartition is the partition key of a key's row, which is also its sort key in the lists of a
// person or a customer.
func KeyPartition(env apikey.Environment, id string) string { return string(env) + "#" + id }

// KeyAt parses a partition key of KeyPartition.
func KeyAt(partition string) (apikey.Environment, string) {
	env, id, _ := strings.Cut(partition, "#")
	return apikey.Environment(env), id
}

// KeyRow is the place of a key.
func KeyRow(env apikey.Environment, id string) dynamo.Key {
	return dynamo.At(KeyPartition(env, id), KeySort)
}

// RingRow is the place of the wrapped peppers of an environment.
func RingRow(env apikey.Environment) dynamo.Key { return dynamo.At("pepper#"+string(env), RingSort) }

// CatalogueRow is the place of the permission catalogue.
func CatalogueRow() dynamo.Key { return dynamo.At("catalogue", "catalogue") }

// RuntimeSettingsRow starts with the environment, as a key's row does, so that its authorizer may
// read it.
func RuntimeSettingsRow(env apikey.Environment, org string) dynamo.Key {
	return dynamo.At(string(env)+"#organization#"+org, RuntimeSettingsSort)
}

// ImportsRow starts with the environment, too.
func ImportsRow(env apikey.Environment) dynamo.Key {
	return dynamo.At(string(env)+"#imports", ImportsSort)
}

// ClaimsRow is stored with the first key of a secret of another system.
func ClaimsRow(env apikey.Environment, id string) dynamo.Key {
	return dynamo.At(KeyPartition(env, id), ClaimsSort)
}
