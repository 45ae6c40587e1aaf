package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// sampleSize is how many keys a dry run shows.
const sampleSize = 10

// bulkChange is the change of a bulk job, stored as the job's parameters.
type bulkChange struct {
	Action      string       `json:"action"`
	Filter      store.Filter `json:"filter"`
	UnusedSince time.Time    `json:"unusedSince"` // zero for any
	Reason      string       `json:"reason"`
	Compromised bool         `json:"compromised"`
	ExpiresAt   time.Time    `json:"expiresAt"`
}

// Bulk is the input of a change of many keys.
type Bulk struct {
	Action      string // revoke, disable, enable or extend
	Filter      api.KeyFilter
	DryRun      bool // only counts and shows a sample
	Expected    *int // the number of keys that the dry run found
	Reason      string
	Compromised *bool
	ExpiresAt   api.Patch[time.Time]
	ExpiresIn   api.Patch[string]

	change bulkChange // made by CheckBulk
}

// CheckBulk reads the input of a change of many keys. Error: *InvalidError.
func CheckBulk(r *Request, in *Bulk) error {
	f := &validator{}

	in.change = bulkChange{
		Action:      in.Action,
		Filter:      filterOf(in.Filter),
		Reason:      in.Reason,
		Compromised: in.Compromised != nil && *in.Compromised,
	}
	if in.Filter.UnusedSince != "" {
		in.change.UnusedSince = f.since("body.filter.unusedSince", in.Filter.UnusedSince, r.now)
	}

	if !in.DryRun && in.Expected == nil {
		f.add("body.expected", "expected the number of keys that the dry run found", nil)
	}

	if in.Compromised != nil && in.Action != "revoke" {
		f.add("body.compromised", "is only for revoke", *in.Compromised)
	}

	switch {
	case in.Action == "extend" && !given(in.ExpiresAt) && !given(in.ExpiresIn):
		f.add("body.expiresAt", "expected expiresAt or expiresIn", nil)
	case in.Action == "extend":
		in.change.ExpiresAt = f.expiry(r.now, in.ExpiresAt, in.ExpiresIn)
	case given(in.ExpiresAt):
		f.add("body.expiresAt", "only extend takes it", nil)
	case given(in.ExpiresIn):
		f.add("body.expiresIn", "only extend takes it", nil)
	}

	return f.err()
}

// single returns the operation on one key that needs the same rights as the action.
func (c *bulkChange) single() organization.Operation {
	if c.Action == "revoke" || c.Action == "disable" {
		return organization.RevokeKey
	}

	return organization.UpdateKey
}

// urgency returns the urgency of the action: a stop if it takes rights away.
func (c *bulkChange) urgency() apikey.Urgency {
	if c.single() == organization.RevokeKey {
		return apikey.Stop
	}

	return apikey.Ordinary
}

// Bulk changes many keys of the request's organization by a job, or shows which keys it would
// change, as read by CheckBulk.
func (s *KeyService) Bulk(ctx context.Context, r *Request, in *Bulk) (api.BulkAnswer, error) {
	if in.DryRun {
		return s.dryRun(ctx, r, in)
	}

	var made *job.Job

	out, err := idempotent(ctx, s.core, r, func(r *Request) (got attempt[api.BulkAnswer], err error) {
		made, got, err = s.tryBulk(ctx, r, in)
		return got, err
	})
	if err != nil {
		return api.BulkAnswer{}, err
	}

	j := s.jobs.begin(ctx, r, made, callTime)
	shown := viewJob(j, r.caller)
	out.Job = &shown
	return out, nil
}

// reached narrows a bulk change to the keys that the caller may change so, and reports whether
// there can be any. Errors: those of May, and *Error if the caller may not grant the new expiry.
func (s *KeyService) reached(r *Request, in *Bulk) (c *bulkChange, some bool, err error) {
	narrowed := in.change

	reach, err := r.caller.MayEach(narrowed.single(), r.organization)
	if err != nil {
		return nil, false, err
	}

	if err := s.mayExtend(r, &narrowed, endField(in.ExpiresIn)); err != nil {
		return nil, false, err
	}

	some = narrow(&narrowed.Filter, reach)
	narrowed.Filter.PostFilter = s.postFilter(&narrowed)
	return &narrowed, some, nil
}

// tryBulk makes the job of a bulk change, if as many keys match as its maker expects.
func (s *KeyService) tryBulk(
	ctx context.Context, r *Request, in *Bulk,
) (j *job.Job, got attempt[api.BulkAnswer], err error) {
	c, some, err := s.reached(r, in)
	if err != nil {
		return nil, got, err
	}

	matched, err := s.count(ctx, r, c, some)
	if err != nil {
		return nil, got, err
	}

	if matched != *in.Expected {
		return nil, got, Refuse(api.CodeConflict,
			fmt.Sprintf("%d keys match now: check them in another dry run.", matched))
	}

	if j, err = s.newJob(r, job.Bulk, c, matched); err != nil {
		return nil, got, err
	}

	if err := s.takePlace(ctx, r, c, j); err != nil {
		return nil, got, err
	}

	shown := viewJob(j, r.caller)
	return j, attempt[api.BulkAnswer]{
		answer:  api.BulkAnswer{Job: &shown},
		writes:  []store.Write{s.store.PutJob(j, 0)},
		urgency: c.urgency(),
	}, nil
}

// takePlace assigns one of the places for open jobs to the job of a bulk change. Errors: *Error if
// all are taken; those of the store.
func (s *KeyService) takePlace(
	ctx context.Context, r *Request, c *bulkChange, j *job.Job) (err error,
) {
	name, most := "change", job.MaxChanges
	// Each caller has places of their own for stops: other jobs must not delay a revocation.
	if c.urgency() == apikey.Stop {
		name, most = "stop#"+r.caller.ID(), job.MaxStops
	}

	if j.Place, err = s.store.FreePlace(ctx, j.OrganizationID,
		name, most); !errors.Is(err, job.ErrTooMany) {
		return err
	}

	e := Refuse(api.CodeTooManyJobs, fmt.Sprintf("%d bulk changes are open: GET …/jobs shows "+
		"their progress. Try again when one has ended.", most))
	e.RetryAfter = placeRetryAfter
	return e
}

// placeRetryAfter is when to try again if all places for jobs are taken.
const placeRetryAfter = 10 * time.Second

// narrow restricts a filter to keys that the caller reaches and that are not deleted. It reports
// whether there can be any.
func narrow(f *store.Filter, reach organization.Reach) bool {
	f.Living = true
	if !reach.Others {
		f.Viewer = reach.Person
	}

	if !reach.Organization {
		if f.Ownership == apikey.Organization {
			return false
		}

		f.Ownership = apikey.Personal
	}

	return true
}

// mayExtend checks that the caller may grant the new expiry, which is the same for all keys.
func (s *KeyService) mayExtend(r *Request, c *bulkChange, end string) error {
	if c.Action != "extend" {
		return nil
	}

	return s.within(r, &apikey.Key{ExpiresAt: r.now}, &apikey.Key{ExpiresAt: c.ExpiresAt}, end)
}

// postFilter returns the part of the filter that needs the last use of keys; nil for none.
func (s *KeyService) postFilter(c *bulkChange) store.PostFilter {
	if c.UnusedSince.IsZero() {
		return nil
	}

	return s.usedBefore(c.UnusedSince)
}

// maxPostFiltered is how many keys a count reads if it needs their last use, which is stored
// separately and read for each key.
const maxPostFiltered = 10_000

// count counts the keys that a bulk change finds.
func (s *KeyService) count(ctx context.Context, r *Request, c *bulkChange, some bool) (int, error) {
	if !some {
		return 0, nil
	}

	if c.Filter.PostFilter != nil {
		all := c.Filter
		all.PostFilter = nil

		n, err := s.store.CountKeys(ctx, r.organization.ID, all, r.now)
		if err != nil {
			return 0, err
		}

		if n > maxPostFiltered {
			return 0, Refuse(api.CodeValidation,
				fmt.Sprintf("The last use of %d keys would have to be "+
					"read; at most %d can be.", n, maxPostFiltered),
				api.FieldError{
					Location: "body.filter",
					Message:  "narrow the filter, for example by environment or tag",
				})
		}
	}

	return s.store.CountKeys(ctx, r.organization.ID, c.Filter, r.now)
}

func (s *KeyService) dryRun(
	ctx context.Context, r *Request, in *Bulk,
) (out api.BulkAnswer, err error) {
	c, some, err := s.reached(r, in)
	if err != nil {
		return out, err
	}

	matched, err := s.count(ctx, r, c, some)
	if err != nil {
		return out, err
	}

	out = api.BulkAnswer{Matched: &matched, Sample: []api.Key{}}
	// A caller who may stop keys learns how many they would stop, and sees them only if they may
	// also read keys.
	_, hidden := r.caller.MayEach(organization.ListKeys, r.organization)
	for after, more := "", matched > 0 && hidden == nil; more &&
		len(out.Sample) < sampleSize; more = after != "" {
		var keys []*apikey.Key
		if keys, after, err = s.store.Keys(ctx, r.organization.ID, c.Filter, after,
			sampleSize-len(out.Sample), r.now); err != nil {
			return out, err
		}

		shown, err := s.shown(ctx, r, keys)
		if err != nil {
			return out, err
		}

		out.Sample = append(out.Sample, shown...)
	}

	return out, nil
}

// apply changes one key as the action says. Errors: *Error if the caller may no longer change the
// key; *InvalidError if the organization does not allow the key so long a life.
func (c *bulkChange) apply(s *KeyService, r *Request, k *apikey.Key) error {
	before := k.Clone()
	if r.caller.May(c.single(), r.organization, before) != nil {
		return Refuse(api.CodePermissionDenied,
			"The caller that started the job may no longer change this key.")
	}

	switch c.Action {
	case "revoke":
		return k.Revoke(r.caller.Actor(), c.Reason, c.Compromised, r.now)
	case "disable":
		k.Enabled = false
	case "enable":
		k.Enabled = true
	case "extend":
		// never shortens a life, nor ends one that is without end
		if !k.ExpiresAt.IsZero() && k.ExpiresAt.Before(c.ExpiresAt) {
			k.EndAt(c.ExpiresAt)
		}
	default:
		return fmt.Errorf("bulk: there is no action %q", c.Action)
	}

	f := &validator{}

	f.rules(r, before, k)

	if err := f.err(); err != nil || c.Action != "extend" {
		return err
	}

	return s.withinChange(r, before, k, "expiresAt")
}

// recorded returns the action's name in the history.
func (c *bulkChange) recorded() string {
	if c.Action == "revoke" {
		return history.KeyRevoked
	}

	return history.KeyUpdated
}

// owned leaves out keys that the removal of their owner, or of a customer, disabled: a filter finds
// them among keys that were disabled for other reasons. For owners and customers that exist, the
// change fails if they are removed meanwhile, so that it enables nothing that the removal has
// already passed.
func (s *KeyService) owned(ctx context.Context, org string, items []item) error {
	if err := s.ownedByMembers(ctx, org, items); err != nil {
		return err
	}

	return s.ofCustomers(ctx, org, items)
}

// ownedByMembers leaves out the personal keys of people who are not members.
func (s *KeyService) ownedByMembers(ctx context.Context, org string, items []item) error {
	var members []organization.Member

	looked := map[string]bool{} // a transaction may check a row once
	for n := range items {
		i := &items[n]
		if len(i.writes) == 0 || i.key.Ownership != apikey.Personal {
			continue
		}

		// Read the members only if the page has personal keys.
		if members == nil {
			var err error
			if members, err = s.store.Members(ctx, org); err != nil {
				return err
			}
		}

		owner := slices.IndexFunc(members, func(m organization.Member) bool {
			return m.Joined() && m.ID == i.key.Owner.ID && m.LeavingAt.IsZero()
		})
		switch {
		case owner < 0:
			i.writes = nil
			i.err = Refuse(api.CodeValidation,
				"The owner is not a member: if you mean to, enable this key individually.")
		case !looked[i.key.Owner.ID]:
			looked[i.key.Owner.ID] = true
			i.writes = append(i.writes, s.store.StillMember(&members[owner]))
		}
	}

	return nil
}

// ofCustomers leaves out the keys that are scoped to a customer who is deleted or being deleted.
func (s *KeyService) ofCustomers(ctx context.Context, org string, items []item) error {
	looked := map[string]bool{}
	for n := range items {
		i := &items[n]
		if len(i.writes) == 0 || len(i.key.Customers) == 0 {
			continue
		}

		missing, err := s.store.MissingCustomers(ctx, org, i.key.Customers)
		switch {
		case errors.Is(err, store.ErrDamaged): // continue with the other keys
			i.writes = nil
			i.err = err
		case err != nil:
			return err
		case len(missing) > 0:
			i.writes = nil
			i.err = Refuse(api.CodeValidation,
				"The key is scoped to a customer that no longer exists: if you "+
					"mean to, enable it individually.")
		}

		if i.err != nil {
			continue
		}

		for _, id := range i.key.Customers {
			if !looked[id] {
				looked[id] = true
				i.writes = append(i.writes, s.store.StillCustomer(org, id))
			}
		}
	}

	return nil
}
