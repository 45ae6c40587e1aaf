package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/store"
)

// edit changes the key of the request: on a copy, with its history entry, on the version that it
// started from. A change without effect writes nothing.
func (s *core) edit(
	ctx context.Context, r *Request, match Match, action, reason string,
	change func(k *apikey.Key) error,
) (attempt[*apikey.Key], error) {
	before := r.key
	if !match.holds(before.Version) {
		return attempt[*apikey.Key]{}, fmt.Errorf("%w: %w", errCondition, apikey.ErrStale)
	}

	after, err := r.changed(before, change)
	if err != nil {
		return attempt[*apikey.Key]{}, err
	}

	if after == before {
		return attempt[*apikey.Key]{answer: before}, nil
	}

	urgency := apikey.UrgencyOf(before, after, r.catalogue.IsAdmin)

	if after.Pace, err = r.spend(before.Pace, urgency); err != nil {
		return attempt[*apikey.Key]{}, err
	}

	after.Version = before.Version + 1
	after.UpdatedAt = r.now

	entry, err := s.entry(r, action, reason, before, after)
	if err != nil {
		return attempt[*apikey.Key]{}, err
	}

	return attempt[*apikey.Key]{
		answer:  after,
		writes:  s.keyWrites(ctx, before, after, urgency, entry),
		urgency: urgency,
	}, nil
}

// changed returns a key as a change makes it, if the caller may make that change to it; before
// itself, if nothing changes.
func (r *Request) changed(
	before *apikey.Key, change func(k *apikey.Key) error,
) (*apikey.Key, error) {
	after := before.Clone()
	if err := change(after); err != nil {
		return nil, err
	}

	if reflect.DeepEqual(before, after) {
		return before, nil
	}

	return after, r.caller.MayRevive(r.organization, before, after, r.now)
}

// keyWrites returns the transaction that writes a key: its row, its history entry, and conditions
// on what the change relies on. before is nil for a new key.
func (s *core) keyWrites(
	ctx context.Context, before, after *apikey.Key, u apikey.Urgency, entry history.Entry,
) []store.Write {
	writes := []store.Write{s.store.PutKey(ctx, after, after.Version-1), s.store.Append(entry)}
	if before != nil {
		writes[0] = paced(writes[0], u, before.Pace)
		writes = append(writes, s.store.LeaveCustomers(before, after)...)
	}

	if before == nil && after.Ownership == apikey.Personal {
		writes = append(writes, s.store.OwnKey(after))
	}

	for _, id := range addedCustomers(before, after) {
		writes = append(writes, s.store.StillCustomer(after.OrganizationID, id))
	}

	return writes
}

// addedCustomers returns the customers that a key has and did not have before; before is nil for a
// new key.
func addedCustomers(before, after *apikey.Key) []string {
	if before == nil {
		return after.Customers
	}

	return slices.DeleteFunc(slices.Clone(after.Customers), func(id string) bool {
		return slices.Contains(before.Customers, id)
	})
}

// entry returns the history entry of a change of a key; before is nil for a new key.
func (s *core) entry(
	r *Request, action, reason string, before, after *apikey.Key,
) (history.Entry, error) {
	e, err := s.event(r, action, after.OrganizationID, history.Object{
		Type: "key",
		ID:   after.ID,
		Name: after.Name,
	})
	if err != nil {
		return history.Entry{}, err
	}

	e.Reason = reason
	err = record(&e, before, after, func(k *apikey.Key) api.Key { return viewKey(k, r.now) })
	return e, err
}

// record sets the changes of an entry: the fields that history records and that differ before and
// after, in their API form. nil stands for an object that does not exist.
func record[T, S any](e *history.Entry, before, after *T, show func(*T) S) error {
	sides := [2]map[string]any{}
	for i, object := range []*T{before, after} {
		if object == nil {
			continue
		}

		text, err := json.Marshal(show(object))
		if err == nil {
			err = json.Unmarshal(text, &sides[i])
		}

		if err != nil {
			return fmt.Errorf("encode history: %w", err)
		}
	}

	e.Changes = differences(history.Fields(e.Object.Type), sides[0], sides[1])
	return nil
}

// event returns an entry without changes.
func (s *core) event(
	r *Request, action, org string, object history.Object) (history.Entry, error,
) {
	id, err := apikey.NewID(s.random)
	if err != nil {
		return history.Entry{}, err
	}

	return history.Entry{
		ID:             id,
		At:             r.now,
		Action:         action,
		OrganizationID: org,
		Actor:          r.caller.Actor(),
		SourceIP:       r.caller.SourceIP,
		UserAgent:      r.caller.UserAgent,
		Object:         object,
		RequestID:      r.caller.RequestID,
	}, nil
}

// differences lists the named fields that differ. A field that was and is empty does not.
func differences(names []string, before, after map[string]any) []history.FieldChange {
	out := []history.FieldChange{}
	for _, name := range names {
		old, recent := before[name], after[name]
		if !reflect.DeepEqual(old, recent) && (!empty(old) || !empty(recent)) {
			out = append(out, history.FieldChange{Field: name, Before: old, After: recent})
		}
	}

	return out
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	default:
		return false
	}
}

// mint makes a new secret for a key. It returns the secret, shown once, and what is stored of it.
func (s *core) mint(
	ctx context.Context, env apikey.Environment, id string,
) (apikey.Secret, apikey.IssuedSecret, error) {
	p, err := s.keyring.Ensure(ctx, env)
	if err != nil {
		return apikey.Secret{}, apikey.IssuedSecret{},
			fmt.Errorf("%w: pepper: %w", store.ErrUnavailable, err)
	}

	return p.Issue(s.brand, s.random, env, id)
}
