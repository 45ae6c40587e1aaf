// Package hot is the table hot: the state of limits, and the counts and records of calls. Calls
// write it, and admins never do; TTL removes what has ended.
//
// It promises that every write carries a condition, and that a write which arrives twice or late
// changes nothing. It implements the tables of limit and usage, and check.FirstUses. Its rows have
// no seal; docs/security.md explains why. Its errors are those of package store.
//
// The items, each with the calls that use it:
//
//	pk                            sk             is                     read by                         written by
//	<environment>#<keyId>#limits  limits         the state of limits    ReadLimits: GetItem, strong     ChargeLimits, ReplaceLimits: on the state before
//	address#<network>             limits         likewise, of callers without a key
//	<environment>#<keyId>         firstUse#<at>  that of a rotation     FirstUse: GetItem, strong       PutFirstUse: new only
//	                                                                    ObserveFirstUses: BatchGetItem
//	                              usage#<hour>#<writer> an instance's counts Usage, Usages: Query        PutUsage: on a lower sequence
//	                              usage#<hour>   an hour put together   likewise                        CompactUsage: on its version
//	                              used           the last use           LastUses: BatchGetItem          PutLastUse: on an earlier one
//	                              request#<at>#<id> a call              Requests: Query, strong         PutRequest: new only
//	                              secrets#<rotation>#<writer> who sends which SecretUse: Query, strong  PutSecretUse: on a lower sequence
//	                              counted#<slot>#<page> ids of counted calls Pages: Query, strong       Count: on its version, with usage# and secrets#
//	<environment>#organization#<org> usage#...   as of a key            Usage, Usages: Query            PutUsage, Count, CompactUsage
//	<environment>#request#<id>    request        a call                 Request: BatchGetItem of 3      PutRequest: new only
//	<environment>#journal#<hour>  <writer>       scopes with counts     Journal: Query, strong          PutJournal: new only
//	                              #stage         how far it is put together Stages: BatchGetItem        SetStage: on a lower one
package hot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// UsageRetention is how long usage is kept.
const UsageRetention = 400 * 24 * time.Hour

// Meter reads and writes what a check and what follows it need of the table hot: limits, counts,
// records of calls, and the first uses of new secrets.
type Meter struct{ rows *dynamo.Rows }

// Client makes a meter's calls of DynamoDB.
type Client = dynamo.Client

// NewMeter returns the meter on the table hot, given its name.
func NewMeter(client Client, name string) *Meter {
	return &Meter{rows: dynamo.NewRows(client, name)}
}

// Table is the table hot, with all that administration reads and puts together.
type Table struct {
	*Meter

	table *dynamo.Table
}

// New returns the table hot, given its name.
func New(client dynamo.AdminClient, name string) *Table {
	return &Table{Meter: NewMeter(client, name), table: dynamo.NewTable(client, name)}
}

// set writes attributes of a row if the condition holds, keeps its other attributes, and lets TTL
// remove the row after purgeAt. A condition that does not hold is not an error: the write came
// twice or late. Errors: ErrUnavailable.
func (m *Meter) set(
	ctx context.Context, at dynamo.Key, attributes dynamo.Item, purgeAt time.Time,
	condition dynamo.Condition,
) error {
	_, err := m.swap(ctx, at, attributes, purgeAt, condition)
	return err
}

// swap is set, and reports whether the condition held.
func (m *Meter) swap(
	ctx context.Context, at dynamo.Key, attributes dynamo.Item, purgeAt time.Time,
	condition dynamo.Condition,
) (held bool, err error) {
	attributes[dynamo.PurgeAttribute] = dynamo.Number(purgeAt.Unix())

	err = m.rows.Update(ctx, at, dynamo.Set(attributes), condition, "write")
	if errors.Is(err, dynamo.ErrCondition) {
		return false, nil
	}

	return err == nil, err
}

// newer returns the condition of rows with the sequence of their only writer.
func newer(sequence int64) dynamo.Condition {
	return dynamo.IsNew.Or(dynamo.Below(dynamo.Number(sequence), sequenceAttribute))
}

// lasting wraps an error that retrying does not fix in usage.ErrStuck.
func lasting(err error) error {
	if errors.Is(err, dynamo.ErrDamaged) || errors.Is(err, dynamo.ErrRefused) ||
		errors.Is(err, dynamo.ErrTooLarge) {
		return fmt.Errorf("%w: %w", usage.ErrStuck, err)
	}

	return err
}
