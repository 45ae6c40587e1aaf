package operator

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/store"
)

// Restored is a table core as it was at some time, and the one that it was restored from, whose
// history knows what happened since.
type Restored struct {
	Store   *store.Store // of the restored table
	From    *store.Store
	Scanner store.Scanner
	Now     func() time.Time
}

// Stop is a key, or its secret, that was ended after the table's time.
type Stop struct {
	OrganizationID string
	KeyID          string
	Name           string
	At             time.Time
	Why            string // in words
	by             apikey.Actor
	compromised    bool // only a new secret may bring it back
}

// Missed is what happened since.
type Missed struct {
	Stops []Stop // of keys that the restored table would still admit, by time
	// the number of other changes, by action: none of them is repeated
	Others map[string]int
}

// Missed reads the history from a time on, and finds the keys that the restored table must not admit:
// those that were revoked, disabled or deleted since, and those that got another secret, which the
// restored table does not know. It changes nothing. Errors: store.ErrDamaged, store.ErrUnavailable.
func (r *Restored) Missed(
	ctx context.Context, since time.Time, progress func(rows int64),
) (*Missed, error) {
	entries, err := r.From.HistorySince(ctx, r.Scanner, since, progress)
	if err != nil {
		return nil, err
	}

	missed := &Missed{Others: map[string]int{}}
	ended := map[string]*ending{}
	var order []string

	for _, e := range entries {
		if e.Object.Type != "key" {
			missed.Others[e.Action]++
			continue
		}

		if ended[e.Object.ID] == nil {
			ended[e.Object.ID] = &ending{}
			order = append(order, e.Object.ID)
		}

		ended[e.Object.ID].add(e)
	}

	for _, id := range order {
		k, err := r.Store.FindKey(ctx, id)
		if err != nil && !errors.Is(err, apikey.ErrNotFound) {
			return nil, fmt.Errorf("key %s: %w", id, err)
		}

		stop := ended[id].stop()
		switch {
		case stop == nil || k == nil: // or it was made since
			for _, action := range ended[id].actions {
				missed.Others[action]++
			}
		case r.stopped(k, *stop) != nil:
			missed.Stops = append(missed.Stops, *stop)
		}
	}

	return missed, nil
}

// Repeat revokes the key, with the reason and in the name of whoever ended it, and records that in
// the restored table's history. Errors: apikey.ErrNotFound, store.ErrDamaged, store.ErrUnavailable.
func (r *Restored) Repeat(ctx context.Context, s Stop) error {
	for {
		k, err := r.Store.FindKey(ctx, s.KeyID)
		if err != nil {
			return err
		}

		after := r.stopped(k, s)
		if after == nil {
			return nil
		}

		id, err := apikey.NewID(rand.Reader)
		if err != nil {
			return err
		}

		err = r.Store.Commit(ctx, r.Store.PutKey(ctx, after, k.Version), r.Store.Append(history.Entry{
			ID:             id,
			At:             after.UpdatedAt,
			Action:         history.KeyRevoked,
			OrganizationID: k.OrganizationID,
			Actor:          apikey.Actor{Type: apikey.ActorSystem, ID: "restore"},
			Object:         history.Object{Type: "key", ID: k.ID, Name: k.Name},
			Reason:         after.Revocation.Reason,
		}))
		if !errors.Is(err, apikey.ErrStale) { // the table may be in use already
			return err
		}
	}
}

// stopped returns the key as it has to be; nil if it is.
func (r *Restored) stopped(k *apikey.Key, s Stop) *apikey.Key {
	after := k.Clone()
	after.Version++
	after.UpdatedAt = r.Now()

	reason := fmt.Sprintf("repeated after a restore: it was %s on %s", s.Why,
		apikey.FormatTime(s.At))

	err := after.Revoke(s.by, reason, s.compromised, after.UpdatedAt)
	if errors.Is(err, apikey.ErrDeleted) ||
		k.Revocation != nil && k.Revocation.Compromised == after.Revocation.Compromised {
		return nil
	}

	return after
}

// ending is what history says of a key, entry by entry.
type ending struct {
	actions                              []string
	revoked, replaced, disabled, deleted *Stop
}

func (e *ending) add(entry history.Entry) {
	stop := func(why string, compromised bool) *Stop {
		return &Stop{
			OrganizationID: entry.OrganizationID,
			KeyID:          entry.Object.ID,
			Name:           entry.Object.Name,
			At:             entry.At,
			Why:            why,
			by:             entry.Actor,
			compromised:    compromised,
		}
	}

	e.actions = append(e.actions, entry.Action)

	if entry.Action == history.KeyRegenerated {
		e.replaced = stop("given a new secret", true)
	}

	for _, c := range entry.Changes {
		switch c.Field {
		case "rotation":
			e.replaced = stop("given a new secret", true)
		case "revocation":
			e.revoked = nil

			if of, ok := c.After.(map[string]any); ok {
				e.revoked = stop("revoked", of["compromised"] == true)
			}
		case "enabled":
			e.disabled = nil

			if c.After == false {
				e.disabled = stop("disabled", false)
			}
		case "deletedAt":
			e.deleted = stop("deleted", true)
		}
	}
}

// stop returns why the key must not be admitted, the strictest reason first; nil if there is none.
func (e *ending) stop() *Stop {
	stop := cmp.Or(e.deleted, e.replaced, e.revoked, e.disabled)
	if stop != nil && e.revoked != nil { // by whoever may bring it back
		stop.by = e.revoked.by
	}

	return stop
}
