package usage

import (
	"context"
	"errors"
	"maps"
	"time"
)

// draft holds rows as they will be after a transaction.
type draft struct {
	counter *Deduplicator
	rows    map[rowID]Row
	secrets map[secretID]SecretUse
}

// secretID identifies a row of a rotation.
type secretID struct {
	Scope
	rotation time.Time
}

func (d *Deduplicator) draft() *draft {
	return &draft{counter: d, rows: map[rowID]Row{}, secrets: map[secretID]SecretUse{}}
}

// add counts a call for its key and for its organization.
func (d *draft) add(c Call) {
	counted := c.counted()

	for _, s := range [...]Scope{
		KeyScope(c.Environment, c.KeyID), OrganizationScope(c.Environment, c.OrganizationID),
	} {
		id := rowID{s, hourOf(c.At)}

		row, begun := d.rows[id]
		if !begun {
			row = d.counter.row(id)
			row.Sequence++
			row.Counts = row.Counts.clone()
		}

		row.Counts.add(counted)
		d.rows[id] = row
	}

	if tellsOfSecrets(&c) {
		d.addSecret(&c)
	}
}

// addSecret counts the use of the secret that was sent.
func (d *draft) addSecret(c *Call) {
	id := secretID{KeyScope(c.Environment, c.KeyID), c.Rotation}

	row, begun := d.secrets[id]
	if !begun {
		var known bool
		if row, known = d.counter.secrets[id]; !known {
			row = SecretUse{
				Environment: c.Environment,
				KeyID:       c.KeyID,
				Rotation:    c.Rotation,
				Writer:      d.counter.names.next(),
			}
		}

		row.Sequence++
		row.Sources = maps.Clone(row.Sources)
	}

	if row.count(c) || begun {
		d.secrets[id] = row
	}
}

// row returns the row as last written, or a new one.
func (d *Deduplicator) row(id rowID) Row {
	if row, ok := d.rows[id]; ok {
		return row
	}

	return Row{Scope: id.Scope, Hour: id.hour, Writer: d.names.next()}
}

// journals returns the journals of new rows. A journal whose row is not written does no harm.
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
				Writer:      d.counter.names.next(),
			})
		}

		journals[i].Scopes = append(journals[i].Scopes, id.Scope)
	}

	return journals
}

// settle adopts the draft after a transaction.
func (d *draft) settle(err error) {
	to := d.counter
	if len(to.rows)+len(to.secrets) > maxRows {
		clear(to.rows) // the next calls begin new rows
		clear(to.secrets)
	}

	settle(to.rows, d.rows, err)
	settle(to.secrets, d.secrets, err)
}

// settle adopts rows after a transaction. If it is unknown whether they were written, it drops
// them, so that the next calls begin new ones: a row must not be replaced by one with the wrong
// counts.
func settle[ID comparable, R any](kept, drafted map[ID]R, err error) {
	switch {
	case err == nil:
		maps.Copy(kept, drafted)
	case !errors.Is(err, ErrVersionConflict):
		for id := range drafted {
			delete(kept, id)
		}
	}
}

// remember records what is not a count: calls, and the last use of each key, which may be up to
// useAge old. Writing either twice does no harm.
func (d *Deduplicator) remember(ctx context.Context, entries []Entry) error {
	if len(d.keys) > maxKeys {
		clear(d.keys)
	}

	last := map[Scope]*Call{}
	for i := range entries {
		c := &entries[i].Call

		s := KeyScope(c.Environment, c.KeyID)
		if c.Outcome.Good() && (last[s] == nil || !c.At.Before(last[s].At)) {
			last[s] = c
		}

		k := d.keys[s]
		if k == nil {
			k = &keyState{scope: s}
			d.keys[s] = k
		}

		if !k.keep(c) {
			continue
		}

		if err := d.ledger.PutRequest(ctx, requestOf(c, k, func() string {
			return entries[i].ID
		})); err != nil {
			return err
		}

		k.omitted = 0
	}

	for s, c := range last {
		k := d.keys[s]
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
		if err := d.ledger.PutLastUse(ctx, use); err != nil {
			return err
		}

		k.usedAt = c.At
	}

	return nil
}
