package admin

import (
	"context"
	"errors"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// CreateKey makes a key. Its secret is in this answer only.
func (s *KeyService) CreateKey(
	ctx context.Context, r *Request, in *NewKey,
) (api.KeySecret, error) {
	return idempotent(ctx, s.core, r, func(r *Request) (got attempt[api.KeySecret], err error) {
		if err := s.CheckNewKey(ctx, r, in); err != nil {
			return got, err
		}

		k := in.key
		k.Owner = r.caller.Actor()
		k.CreatedBy = r.caller.Actor()

		if !r.caller.MayCreate(r.organization, k.Ownership) {
			return got, &organization.ForbiddenError{
				Reason: "your role and the organization's settings do not let you create " +
					string(k.Ownership) + " keys",
			}
		}

		if err := s.within(r, nil, k, in.endField()); err != nil {
			return got, err
		}

		secret, writes, err := s.newKey(ctx, r, k)
		if err != nil {
			return got, err
		}

		got.writes = writes
		got.answer = withSecret(k, r.now, secret)
		return got, nil
	})
}

// withSecret returns the API form of a key with its new secret.
func withSecret(k *apikey.Key, now time.Time, secret apikey.Secret) api.KeySecret {
	text := secret.Reveal()
	return api.KeySecret{Key: viewKey(k, now), Secret: &text}
}

// newKey sets a key's id and secret, and returns the writes of the key and its history.
func (s *KeyService) newKey(
	ctx context.Context, r *Request, k *apikey.Key,
) (apikey.Secret, []store.Write, error) {
	id, err := apikey.NewID(s.random)
	if err != nil {
		return apikey.Secret{}, nil, err
	}

	secret, fresh, err := s.mint(ctx, k.Environment, id)
	if err != nil {
		return apikey.Secret{}, nil, err
	}

	k.ID = id
	k.Secret = fresh.Verifier
	k.Hint = fresh.Hint

	entry, err := s.entry(r, history.KeyCreated, "", nil, k)
	if err != nil {
		return apikey.Secret{}, nil, err
	}

	return secret, s.keyWrites(ctx, nil, k, apikey.Ordinary, entry), nil
}

// withinChange is within for the change of a key. An expired key that the change revives counts as
// granted anew, as with a new secret.
func (s *core) withinChange(r *Request, before, after *apikey.Key, end string) error {
	if after.Outlives(before, r.now) && !r.caller.Holds(after) {
		before = nil
	}

	return s.within(r, before, after, end)
}

// within checks that nobody grants more than they hold. end is the field that sets the key's end.
func (s *core) within(r *Request, before, after *apikey.Key, end string) error {
	excess := r.caller.Escalations(r.catalogue, r.organization, before, after)
	if len(excess) == 0 {
		return nil
	}

	for i := range excess {
		if excess[i].Field == "expiresAt" {
			excess[i].Field = end
		}
	}

	return beyond(excess)
}

// beyond returns the error of granting more than one holds.
func beyond(excess []organization.Escalation) error {
	p := Refuse(api.CodeEscalation, "This is more than you may grant.")
	for _, e := range excess {
		p.Fields = append(p.Fields, api.FieldError{Location: "body." + e.Field, Message: e.Message})
	}

	return p
}

// Key returns the key of the request.
func (s *KeyService) Key(ctx context.Context, r *Request) (api.Key, error) {
	shown, err := s.shown(ctx, r, []*apikey.Key{r.key})
	if err != nil {
		return api.Key{}, err
	}

	return shown[0], nil
}

// UpdateKey changes the key of the request.
func (s *KeyService) UpdateKey(
	ctx context.Context, r *Request, match Match, in *KeyFields,
) (api.Key, error) {
	k, err := change(ctx, s.core, r, func(r *Request) (attempt[*apikey.Key], error) {
		got, err := s.edit(ctx, r, match, history.KeyUpdated, "", func(k *apikey.Key) error {
			if err := updatable(k); err != nil {
				return err
			}

			before, f := k.Clone(), &validator{}
			in.change(f, r, before, k)

			if err := f.err(); err != nil { // the key may have changed since it was checked
				return err
			}

			if err := exposed(r.catalogue, before, k); err != nil {
				return err
			}

			return s.withinChange(r, before, k, in.endField())
		})
		if err != nil || len(got.writes) == 0 || r.key.Enabled || !got.answer.Enabled {
			return got, err
		}

		// Only enabling a key needs to know that neither its owner nor a customer is being removed.
		looks, err := s.nobodyLeaves(ctx, got.answer)
		got.writes = store.With(got.writes, looks...)
		got.again = []error{organization.ErrNoCustomer}
		return got, err
	})
	if err != nil {
		return api.Key{}, err
	}

	return viewKey(k, s.now()), nil
}

// nobodyLeaves allows a key to be enabled only while neither its owner nor one of its customers is
// being removed: the removal would not look at it again, and would be reported as done. A key of an
// owner or customer that is already gone may be enabled, since it is chosen individually. Errors:
// *Error; those of the store.
func (s *KeyService) nobodyLeaves(
	ctx context.Context, k *apikey.Key,
) (looks []store.Write, err error) {
	if k.Ownership == apikey.Personal {
		m, err := s.store.Member(ctx, k.OrganizationID, k.Owner.Email)
		switch {
		case errors.Is(err, organization.ErrNoMember):
		case err != nil:
			return nil, err
		case m.ID != k.Owner.ID: // the address is another person's by now
		case !m.LeavingAt.IsZero():
			return nil, Refuse(api.CodeConflict,
				"The key's owner is being removed: try again when that is done.")
		default:
			looks = append(looks, s.store.StillMember(m))
		}
	}

	for _, id := range k.Customers {
		c, err := s.store.Customer(ctx, k.OrganizationID, id)
		switch {
		case errors.Is(err, organization.ErrNoCustomer), errors.Is(err, store.ErrDamaged):
			// no deletion is running
		case err != nil:
			return nil, err
		case c.Leaving:
			return nil, Refuse(api.CodeConflict, "The customer "+id+
				" is being deleted: try again when that is done.")
		default:
			looks = append(looks, s.store.StillCustomer(k.OrganizationID, id))
		}
	}

	return looks, nil
}

// DeleteKey stops the key of the request for good. Its record remains.
func (s *KeyService) DeleteKey(ctx context.Context, r *Request, match Match) error {
	_, err := change(ctx, s.core, r, func(r *Request) (attempt[*apikey.Key], error) {
		return s.edit(ctx, r, match, history.KeyDeleted, "", func(k *apikey.Key) error {
			k.Delete(r.now)
			return nil
		})
	})
	return err
}

// Filter returns the filter of a list: the requested keys, as far as the caller sees them.
func (s *KeyService) Filter(r *Request, asked api.KeyFilter) (store.Filter, error) {
	out := filterOf(asked)
	out.Viewer = viewer(r)

	if asked.UnusedSince == "" {
		return out, nil
	}

	f := &validator{}
	out.PostFilter = s.usedBefore(f.since("query.unusedSince", asked.UnusedSince, r.now))
	return out, f.err()
}

// filterOf returns the filter on what is in the keys' rows.
func filterOf(asked api.KeyFilter) store.Filter {
	return store.Filter{
		Status:      listedStatus(asked.Status),
		Environment: apikey.Environment(asked.Environment),
		Ownership:   apikey.Ownership(asked.Ownership),
		Owner:       asked.Owner,
		Customer:    asked.Customer,
		Permission:  asked.Permission,
		Tag:         asked.Tag,
		Text:        asked.Text,
	}
}

// Keys returns keys of the request's organization after a position, and the position of the next
// page: "" at the end.
func (s *KeyService) Keys(
	ctx context.Context, r *Request, f store.Filter, usage bool, after string, limit int,
) (shown []api.Key, next string, err error) {
	keys, next, err := s.store.Keys(ctx, r.organization.ID, f, after, limit, r.now)
	if err != nil {
		return nil, "", err
	}

	if shown, err = s.shown(ctx, r, keys); err == nil && usage {
		err = s.withUsage(ctx, r, keys, shown)
	}

	return shown, next, err
}

// shown returns the API form of keys with their last use, and with what the caller may do with them.
func (s *KeyService) shown(ctx context.Context, r *Request, keys []*apikey.Key) ([]api.Key, error) {
	if err := s.observe(ctx, r.now, keys...); err != nil {
		return nil, err
	}

	out := make([]api.Key, 0, len(keys))
	for _, k := range keys {
		view := viewKey(k, r.now)
		view.Operations = s.operations(ctx, r, k)
		out = append(out, view)
	}

	return out, s.used(ctx, keys, out)
}

// listedStatus returns the status that a filter asks for: active by default, any for all.
func listedStatus(asked string) apikey.Status {
	switch asked {
	case "":
		return apikey.Active
	case "all":
		return ""
	default:
		return apikey.Status(asked)
	}
}

// viewer returns the person who sees only their own personal keys in a list; "" if the caller sees
// all.
func viewer(r *Request) string {
	person := r.caller.Behind()
	if person == nil || person.Member.Has(organization.ManageOthersKeys) {
		return ""
	}

	return person.Person.ID
}
