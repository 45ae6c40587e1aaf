package hot

import (
	"context"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// firstUseKept is how long the record of a first use is kept after the last time at which it can
// matter.
const firstUseKept = 7 * 24 * time.Hour

// FirstUse reads, strongly consistent, when the new secret of the key's rotation was first used;
// the zero time if no use is recorded. It implements check.FirstUses. Errors: ErrDamaged,
// ErrUnavailable.
func (m *Meter) FirstUse(ctx context.Context, k *apikey.Key) (time.Time, error) {
	item, err := m.rows.Get(ctx, firstUseRow(k))
	if err != nil {
		return time.Time{}, err
	}

	return firstUseOf(item)
}

// ObserveFirstUses sets on each key when the new secret of its rotation was first used, if a use is
// recorded. All keys must have a rotation. Errors: ErrDamaged, ErrUnavailable.
func (t *Table) ObserveFirstUses(ctx context.Context, keys []*apikey.Key) error {
	rows := make([]dynamo.Key, 0, len(keys))
	for _, k := range keys {
		rows = append(rows, firstUseRow(k))
	}

	items, err := t.rows.BatchGet(ctx, rows)
	if err != nil {
		return err
	}

	for i, k := range keys {
		at, err := firstUseOf(items[rows[i]])
		if err != nil {
			return err
		}

		if !at.IsZero() {
			k.FirstUsed(at)
		}
	}

	return nil
}

// firstUseOf decodes the record of a first use; the zero time if there is none.
func firstUseOf(item dynamo.Item) (time.Time, error) {
	if item == nil {
		return time.Time{}, nil
	}

	at, err := dynamo.ParseTime(item["at"].Text())
	if err != nil || at.IsZero() {
		return time.Time{}, dynamo.Damaged("first use", err)
	}

	return at, nil
}

// PutFirstUse records when the new secret of the key's rotation was first used. An earlier record
// stays. Error: ErrUnavailable.
func (m *Meter) PutFirstUse(ctx context.Context, k *apikey.Key, at time.Time) error {
	return m.set(ctx, firstUseRow(k), dynamo.Item{"at": dynamo.Text(dynamo.FormatTime(at))},
		k.Rotation.OldEndsAt.Add(firstUseKept), dynamo.Absent("at"))
}
