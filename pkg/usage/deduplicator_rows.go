package usage

import (
	"context"
	"errors"
	"maps"
	"time"
)

// draft is rows as they will be when a transaction is done.
type draft struct {
	once    *Deduplicator
	rows    map[rowID]Row
	secrets map[secretID]SecretUse
}

// secretID names a row of a rotation.
type secretID struct {
	Scope
	rotation time.Time
}

func (o *Deduplicator) draft() *draft {
	return &draft{once: o, rows: map[rowID]Row{}, secrets: map[secretID]SecretUse{}}
}

// add counts a call for its key and for its organization.
func (d *draft) add(c Call) {
	customer := c.countedCustomer()
	for _, s := range [...]Scope{
		KeyScope(c.Environment, c.KeyID), OrganizationScope(c.Environment, c.OrganizationID),
	} {
		id := rowID{s, hourOf(c.At)}

		row, begun := d.rows[id]
		if !begun {
			row = d.once.row(id)
			row.Sequence++
			row.Counts = row.Counts.clone()
		}

		row.Counts.add(c.Outcome, c.Permission, customer)
		d.rows[id] = row
	}

	if tellsOfSecrets(&c) {
		d.addSecret(&c)
	}
}

// addSecret counts which secret was sent.
func (d *draft) addSecret(c *Call) {
	id := secretID{KeyScope(c.Environment, c.KeyID), c.Rotation}

	row, begun := d.secrets[id]
	if !begun {
		var known bool
		if row, known = d.once.secrets[id]; !known {
			row = SecretUse{
				Environment: c.Environment,
				KeyID:       c.KeyID,
				Rotation:    c.Rotation,
				Writer:      d.once.names.next(),
			}
		}

		row.Sequence++
		row.Sources = maps.Clone(row.Sources)
	}

	if row.count(c) || begun {
		d.secrets[id] = row
	}
}

// row is the row as it was written last, or a new one.
func (o *Deduplicator) row(id rowID) Row {
	if row, ok := o.rows[id]; ok {
		return row
	}

	return Row{Scope: id.Scope, Hour: id.hour, Writer: o.names.next()}
}

// journals notes the new rows. A journal of a row that is not written after all does no harm.
func (d *draft) journals() []Journal {
	var journals []Journal

	place := map[hourID]int{}
	for id, row := range d.rows {
		if row.Sequence > 1 {
			continue
		}

		of := hourID{id.Environment, id.hour}

		i, ok := place[of]
		if !ok {
			i = len(journals)
			place[of] = i
			journals = append(journals, Journal{
				Environment: id.Environment,
				Hour:        id.hour,
				Writer:      d.once.names.next(),
			})
		}

		journals[i].Scopes = append(journals[i].Scopes, id.Scope)
	}

	return journals
}

// settle keeps what was written. Where nobody knows whether it was, the rows are left as they are
// and new ones begun: a row that one is wrong about must not be written over.
func (d *draft) settle(err error) {
	o := d.once
	if len(o.rows)+len(o.secrets) > maxRows {
		clear(o.rows) // whatever comes next begins new rows
		clear(o.secrets)
	}

	for id, row := range d.rows {
		switch {
		case err == nil:
			o.rows[id] = row
		case !errors.Is(err, ErrVersionConflict):
			delete(o.rows, id)
		}
	}

	for id, row := range d.secrets {
		switch {
		case err == nil:
			o.secrets[id] = row
		case !errors.Is(err, ErrVersionConflict):
			delete(o.secrets, id)
		}
	}
}

// remember keeps what is not a number: calls, and the last use of each key, which may be up to
// useAge behind. Both do no harm when they are written again.
func (o *Deduplicator) remember(ctx context.Context, entries []Entry) error {
	if len(o.keys) > maxKeys {
		clear(o.keys)
	}

	last := map[Scope]*Call{}
	for i := range entries {
		c := &entries[i].Call

		s := KeyScope(c.Environment, c.KeyID)
		if c.Outcome.Good() && (last[s] == nil || !c.At.Before(last[s].At)) {
			last[s] = c
		}

		k := o.keys[s]
		if k == nil {
			k = &keyState{scope: s}
			o.keys[s] = k
		}

		if !k.keep(c) {
			continue
		}

		if err := o.ledger.PutRequest(ctx, requestOf(c, k, func() string {
			return entries[i].ID
		})); err != nil {
			return err
		}

		k.omitted = 0
	}

	for s, c := range last {
		k := o.keys[s]
		if c.At.Sub(k.usedAt) < useAge {
			continue
		}

		use := LastUse{
			Environment: c.Environment,
			KeyID:       c.KeyID,
			At:          c.At,
			SourceIP:    address(c.SourceIP),
			UserAgent:   clean(c.UserAgent, maxAgent),
		}
		if err := o.ledger.PutLastUse(ctx, use); err != nil {
			return err
		}

		k.usedAt = c.At
	}

	return nil
}
