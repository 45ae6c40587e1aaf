package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// ErrReceipt is returned if a receipt with this id exists by now: another call did the work.
var ErrReceipt = errors.New("store: the receipt exists already")

// Write is one conditional write of a transaction.
type Write struct {
	row    dynamo.Write
	err    error   // why the item could not be encoded
	sealed bool    // the item is sealed when it is committed
	also   []Write // always written together with it
	// the required version of the row; 0 for a new row, and for one without a version
	replaces int64
}

// PutKey writes a key's whole row, and an item for each of its customers. replaces is the version
// that the change started from, 0 for a new key; UpdatedAt is the time of the change. Failures:
// apikey.ErrStale, apikey.ErrExists.
func (s *Store) PutKey(ctx context.Context, k *apikey.Key, replaces int64) Write {
	return s.putKeyAt(ctx, k, replaces, k.UpdatedAt)
}

// putKeyAt writes a key, with its place in lists as of a time.
func (s *Store) putKeyAt(ctx context.Context, k *apikey.Key, replaces int64, at time.Time) Write {
	item, err := s.encodeKey(ctx, k, at)
	w := versioned(item, err, replaces, apikey.ErrStale, apikey.ErrExists)
	w.also = putCustomerKeys(k, at, w.row.Failure)
	return w
}

// PutOrganization writes an organization. replaces is as for PutKey. Failures:
// organization.ErrStale, organization.ErrExists.
func (s *Store) PutOrganization(o *organization.Organization, replaces int64) Write {
	item, err := encode(o, organizationRow(o.ID))
	listed(item, organizationsList, o.ID)
	return versioned(item, err, replaces, organization.ErrStale, organization.ErrExists).underSeal()
}

// ErrBootstrapped is returned if the deployment already had its first operator key.
var ErrBootstrapped = errors.New("store: the deployment was bootstrapped before")

// Bootstrapped marks the deployment as bootstrapped. Failure: ErrBootstrapped.
func (s *Store) Bootstrapped(at time.Time) Write {
	item := dynamo.At(organizationPartition(operators), bootstrapSort).Item()
	item["at"] = dynamo.Text(dynamo.FormatTime(at))
	return fresh(item, nil, ErrBootstrapped)
}

// fresh returns the write of a row that must not exist yet.
func fresh(item dynamo.Item, err, exists error) Write {
	return Write{
		row: dynamo.Write{Item: item, Condition: dynamo.IsNew, Failure: exists},
		err: err,
	}
}

// versioned returns the write of a row with a version: a new row, or one on the version that it
// replaces.
func versioned(item dynamo.Item, err error, replaces int64, stale, exists error) Write {
	if replaces == 0 {
		return fresh(item, err, exists)
	}

	return Write{
		row:      dynamo.Replace(item, replaces, stale),
		err:      err,
		replaces: replaces,
	}
}

// At makes the write of a changed row fail as stale if the row's pace has changed since it was
// read. By that, a stop holds other changes off.
func (w Write) At(p apikey.Pace) Write {
	w.row.Condition = w.row.Condition.And(
		dynamo.Absent(sealed.PaceAttribute).Or(
			dynamo.Is(dynamo.Number(int64(p)), sealed.PaceAttribute)),
	)
	return w
}

// With adds conditions on rows to the writes of a transaction. A transaction may name an item only
// once: if a row is written already, that write must be on the version that was looked at, else the
// transaction is stale.
func With(writes []Write, looks ...Write) []Write {
	out := slices.Clone(writes)
	for _, l := range looks {
		same := slices.IndexFunc(out, func(w Write) bool {
			return dynamo.KeyOf(w.row.Item) == dynamo.KeyOf(l.row.Item)
		})
		switch {
		case same < 0:
			out = append(out, l)
		case out[same].replaces != l.replaces:
			out[same].err = l.row.Failure
		}
	}

	return out
}

// Hold keeps other changes off the rows that writes change or look at on their version, for the
// time that the pace says. A stop that lost to another change calls it, and then reads and writes
// the rows again, without At. Rows that no longer exist are skipped. Errors: ErrConflict,
// ErrUnavailable.
func (s *Store) Hold(ctx context.Context, p apikey.Pace, writes ...Write) error {
	held := dynamo.Set(dynamo.Item{sealed.PaceAttribute: dynamo.Number(int64(p))})
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(holdsAtOnce)

	for _, w := range each(writes) {
		if w.replaces == 0 {
			continue
		}

		all.Go(func() error {
			err := dynamo.RetryConflicts(ctx, func() error {
				return s.core.Update(ctx, dynamo.KeyOf(w.row.Item), held, dynamo.Exists, "hold")
			})
			if errors.Is(err, dynamo.ErrCondition) {
				return nil
			}

			return err
		})
	}

	return all.Wait()
}

// holdsAtOnce is how many rows are held concurrently: the sooner all are held, the fewer changes
// come first.
const holdsAtOnce = 8

// underSeal makes Commit seal the item of a write.
func (w Write) underSeal() Write {
	w.sealed = true
	return w
}

// Commit makes all writes or none. The first write whose condition fails determines the error. A
// write that could not be encoded, or whose item is too large, fails before anything is sent. Other
// errors: ErrTooLarge, ErrConflict, ErrRefused, ErrUnavailable. If an answer is lost, the retry
// does not write twice.
func (s *Store) Commit(ctx context.Context, writes ...Write) error {
	writes = each(writes)

	rows := make([]dynamo.Write, 0, len(writes))
	for _, w := range writes {
		if w.err != nil {
			return w.err
		}

		rows = append(rows, w.row)
	}

	if err := s.sealWrites(ctx, writes); err != nil {
		return err
	}

	return dynamo.RetryConflicts(ctx, func() error {
		return s.core.Transact(ctx, rows, "commit")
	})
}

// MaxItems is the most items in a transaction; CountItems counts those of writes.
const MaxItems = 100

// CountItems returns the number of items that writes put, remove or look at.
func CountItems(writes ...Write) int { return len(each(writes)) }

// each returns writes with all that are made together with them.
func each(writes []Write) []Write {
	out := make([]Write, 0, len(writes))
	for _, w := range writes {
		out = append(append(out, w), w.also...)
	}

	return out
}
