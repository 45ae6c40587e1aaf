package dynamo

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Write is one conditional write of a transaction.
type Write struct {
	Kind      WriteKind
	Item      Item
	Condition Condition
	Failure   error // the error if the condition does not hold
}

// Replace returns the write that replaces the version of a row.
func Replace(item Item, version int64, stale error) Write {
	return Write{Item: item, Condition: Is(Number(version), "version"), Failure: stale}
}

// WriteKind is what a write does.
type WriteKind int

// The kinds of writes.
const (
	Put    WriteKind = iota
	Remove           // Item is a primary key, whose item is removed
	Look             // Item is a primary key, whose item is only checked
)

// conflictTime is how long a write is retried while DynamoDB reports a conflict with a transaction
// in flight, and conflictPause the longest pause between two attempts.
const (
	conflictTime  = 3 * time.Second
	conflictPause = 100 * time.Millisecond
)

// RetryConflicts repeats a write until no transaction in flight conflicts with it. Errors: the
// write's own, ErrConflict.
func RetryConflicts(ctx context.Context, write func() error) error {
	ctx, stop := context.WithTimeout(ctx, conflictTime)
	defer stop()

	longest := 10 * time.Millisecond
	for {
		err := write()
		if !errors.Is(err, ErrInFlight) {
			return err
		}

		jitter := time.Duration(rand.Int64N(int64(longest))) //nolint:gosec // jitter, not a secret
		if pause(ctx, jitter) != nil {
			return ErrConflict
		}

		longest = min(2*longest, conflictPause)
	}
}
