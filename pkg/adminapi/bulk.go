package adminapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

func (a *API) registerBulk() {
	register(a, operation{
		id:      organization.BulkKeys,
		group:   GroupRevocation,
		method:  http.MethodPost,
		path:    keysPath + "/bulk",
		summary: "Change many keys",
		about: "One action on the keys that a filter finds and that you may change; keys:revoke " +
			"is needed to revoke or disable, keys:write to enable or extend. A dry run, which is " +
			"the default, says how many they " +
			"are. With dryRun false and that number, a job does it: 202. A key that is already " +
			"so stays as it is, and so does, with enable, a personal key whose owner is no " +
			"member, and a key of a customer that is gone. " +
			"At most 10 changes that enable or extend are open in an organization, and 3 of each " +
			"caller that revoke or disable.",
	}, a.bulkKeys)
}

// sampleSize is how many keys a dry run shows.
const sampleSize = 10

type bulkFilter struct {
	Status      string `json:"status,omitempty" enum:"active,inactive,expired,all" doc:"active where it is absent, as in the list"`
	Environment string `json:"environment,omitempty" enum:"production,staging,development"`
	Ownership   string `json:"ownership,omitempty" enum:"personal,organization"`
	Owner       string `json:"owner,omitempty" maxLength:"200" doc:"The owner's id"`
	Customer    string `json:"customer,omitempty" maxLength:"64"`
	Permission  string `json:"permission,omitempty" maxLength:"65"`
	Tag         string `json:"tag,omitempty" maxLength:"50"`
	Text        string `json:"q,omitempty" maxLength:"100" doc:"Part of the name, the id, or the hint as it is shown, or its last four characters"`
	UnusedSince string `json:"unusedSince,omitempty" maxLength:"40" doc:"A time or a duration such as 90d: keys that were not used since, and those that never were"`
}

type bulkBody struct {
	Action      string     `json:"action" enum:"revoke,disable,enable,extend"`
	Filter      bulkFilter `json:"filter" doc:"As in the list of keys; {} are the active ones"`
	DryRun      *bool      `json:"dryRun" required:"false" doc:"true where it is absent: nothing changes"`
	Expected    *int       `json:"expected" required:"false" minimum:"0" doc:"What the dry run said; needed when dryRun is false"`
	Reason      *string    `json:"reason" required:"false" maxLength:"400" doc:"For the history; no secrets here"`
	Compromised *bool      `json:"compromised" required:"false" doc:"With revoke: as for one key"`
	ExpiresAt   *time.Time `json:"expiresAt" required:"false" doc:"With extend: when the keys expire from now on, unless they do so later or never"`
	ExpiresIn   *string    `json:"expiresIn" required:"false" doc:"With extend, instead of expiresAt: a duration from now, such as 90d"`
}

type bulkInput struct {
	OrganizationPath
	IdempotencyHeader
	Body    bulkBody
	RawBody []byte

	change bulkChange // made by Resolve
}

// bulkChange is what a bulk job does; it is kept as the job's parameters.
type bulkChange struct {
	Action      string       `json:"action"`
	Filter      store.Filter `json:"filter"`
	UnusedSince time.Time    `json:"unusedSince"` // zero for any
	Reason      string       `json:"reason"`
	Compromised bool         `json:"compromised"`
	ExpiresAt   time.Time    `json:"expiresAt"`
}

// Resolve implements huma.Resolver.
func (in *bulkInput) Resolve(ctx huma.Context) []error {
	s := requestOf(ctx.Context())
	b := in.Body
	f := &validator{}

	in.change = bulkChange{
		Action:      b.Action,
		Filter:      b.Filter.filter(),
		Reason:      value(b.Reason),
		Compromised: value(b.Compromised),
	}
	if b.Filter.UnusedSince != "" {
		in.change.UnusedSince = f.since("body.filter.unusedSince", b.Filter.UnusedSince, s.now)
	}

	if b.DryRun != nil && !*b.DryRun && b.Expected == nil {
		f.add("body.expected", "expected the number of keys that the dry run found", nil)
	}

	if b.Compromised != nil && b.Action != "revoke" {
		f.add("body.compromised", "only a revocation says so", *b.Compromised)
	}

	switch {
	case b.Action == "extend" && b.ExpiresAt == nil && b.ExpiresIn == nil:
		f.add("body.expiresAt", "expected expiresAt or expiresIn, to extend to", nil)
	case b.Action == "extend":
		in.change.ExpiresAt = f.expiry(s.now, b.ExpiresAt, b.ExpiresIn)
	case b.ExpiresAt != nil:
		f.add("body.expiresAt", "only extend takes it", nil)
	case b.ExpiresIn != nil:
		f.add("body.expiresIn", "only extend takes it", nil)
	}

	return f.errors
}

func (b bulkFilter) filter() store.Filter {
	return store.Filter{
		Status:      listedStatus(b.Status),
		Environment: apikey.Environment(b.Environment),
		Ownership:   apikey.Ownership(b.Ownership),
		Owner:       b.Owner,
		Customer:    b.Customer,
		Permission:  b.Permission,
		Tag:         b.Tag,
		Text:        b.Text,
	}
}

// single is the operation on one key that asks what an action asks.
func (c *bulkChange) single() organization.Operation {
	if c.Action == "revoke" || c.Action == "disable" {
		return organization.RevokeKey
	}

	return organization.UpdateKey
}

// urgency says whether the action takes rights away.
func (c *bulkChange) urgency() apikey.Urgency {
	if c.single() == organization.RevokeKey {
		return apikey.Stop
	}

	return apikey.Ordinary
}

func (a *API) bulkKeys(
	ctx context.Context, s *request, in *bulkInput,
) (*posted[api.BulkAnswer], error) {
	if in.Body.DryRun == nil || *in.Body.DryRun {
		return a.dryRun(ctx, s, in)
	}

	out, err := idempotent(ctx, a, s, func(s *request) (attempt[posted[api.BulkAnswer]], error) {
		return a.tryBulk(ctx, s, in)
	})
	if err != nil {
		return nil, err
	}

	j, err := a.store.Job(ctx, in.Org, out.Body.Job.ID)
	if err != nil {
		return out, nil //nolint:nilerr // the job was made, and the answer says so; how far it is can be asked for
	}

	j = a.begin(ctx, s, j, callTime)
	shown := viewJob(j, s.caller)
	out.Body.Job = &shown
	return out, nil
}

// reached narrows a bulk change to the keys that the caller may change so, and reports whether
// there can be some. Errors: those of May, and of what the caller may not hand out.
func (a *API) reached(s *request, in *bulkInput) (c *bulkChange, some bool, err error) {
	narrowed := in.change

	reach, err := s.caller.MayEach(narrowed.single(), s.organization)
	if err != nil {
		return nil, false, err
	}

	if err := a.mayExtend(s, &narrowed, endField(in.Body.ExpiresIn)); err != nil {
		return nil, false, err
	}

	some = narrow(&narrowed.Filter, reach)
	narrowed.Filter.PostFilter = a.postFilter(&narrowed)
	return &narrowed, some, nil
}

// tryBulk makes the job of a bulk change, where as many keys match as its maker expects.
func (a *API) tryBulk(
	ctx context.Context, s *request, in *bulkInput,
) (got attempt[posted[api.BulkAnswer]], err error) {
	c, some, err := a.reached(s, in)
	if err != nil {
		return got, err
	}

	matched, err := a.count(ctx, s, c, some)
	if err != nil {
		return got, err
	}

	if matched != *in.Body.Expected {
		return got, conflict.with(fmt.Sprintf(
			"%d keys match by now: look at them in another dry run.", matched,
		))
	}

	j, err := a.newJob(s, job.Bulk, in.Org, c, matched)
	if err != nil {
		return got, err
	}

	if err := a.takePlace(ctx, s, c, j); err != nil {
		return got, err
	}

	shown := viewJob(j, s.caller)
	return attempt[posted[api.BulkAnswer]]{
		answer: posted[api.BulkAnswer]{
			Status:   http.StatusAccepted,
			Location: jobPath(j),
			Body:     api.BulkAnswer{Job: &shown},
		},
		writes: []store.Write{a.store.PutJob(j, 0)},

		urgency: c.urgency(),
	}, nil
}

// takePlace gives the job of a bulk change one of the places that there are for open ones. Errors:
// a problem, where all are taken; those of the store.
func (a *API) takePlace(ctx context.Context, s *request, c *bulkChange, j *job.Job) (err error) {
	name, most := "change", job.MaxChanges
	if c.urgency() == apikey.Stop {
		name, most = "stop#"+s.caller.ID(), job.MaxStops
	}

	if j.Place, err = a.store.FreePlace(ctx, j.OrganizationID,
		name, most); !errors.Is(err, job.ErrTooMany) {
		return err
	}

	p := tooManyJobs.with(fmt.Sprintf("%d bulk changes are open: GET …/jobs says how far they "+
		"are. Try again when one is over.", most))
	p.retryAfter = placeRetryAfter
	return p
}

// placeRetryAfter is when to try again after all places for jobs were taken, in seconds.
const placeRetryAfter = "10"

// narrow lets a filter find only keys that the caller reaches, deleted ones not among them. It
// reports whether there can be some.
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

// mayExtend asks the rule that nobody hands out more than they hold of the new expiry, which is the
// same for all keys.
func (a *API) mayExtend(s *request, c *bulkChange, end string) error {
	if c.Action != "extend" {
		return nil
	}

	return a.within(s, &apikey.Key{ExpiresAt: s.now}, &apikey.Key{ExpiresAt: c.ExpiresAt}, end)
}

// postFilter is the part of the filter that looks at the last use of keys; nil for none.
func (a *API) postFilter(c *bulkChange) store.PostFilter {
	if c.UnusedSince.IsZero() {
		return nil
	}

	return a.usedBefore(c.UnusedSince)
}

// maxPostFiltered is how many keys a count reads: their last use stands beside them, and is read
// for each.
const maxPostFiltered = 10_000

// count counts the keys that a bulk change is about.
func (a *API) count(ctx context.Context, s *request, c *bulkChange, some bool) (int, error) {
	if !some {
		return 0, nil
	}

	if c.Filter.PostFilter != nil {
		all := c.Filter
		all.PostFilter = nil

		n, err := a.store.CountKeys(ctx, s.organization.ID, all, s.now)
		if err != nil {
			return 0, err
		}

		if n > maxPostFiltered {
			return 0, validation.with(fmt.Sprintf("The last use of %d keys would have to be "+
				"looked at, and at most %d can be.", n, maxPostFiltered),
				api.FieldError{
					Location: "body.filter",
					Message:  "narrow the filter, such as by environment or tag",
				})
		}
	}

	return a.store.CountKeys(ctx, s.organization.ID, c.Filter, s.now)
}

func (a *API) dryRun(
	ctx context.Context, s *request, in *bulkInput,
) (*posted[api.BulkAnswer], error) {
	c, some, err := a.reached(s, in)
	if err != nil {
		return nil, err
	}

	matched, err := a.count(ctx, s, c, some)
	if err != nil {
		return nil, err
	}

	out := &posted[api.BulkAnswer]{
		Status: http.StatusOK,
		Body:   api.BulkAnswer{Matched: &matched, Sample: []api.Key{}},
	}
	// Whoever may stop keys learns how many they would stop, and what they are only where they may read
	// keys.
	_, hidden := s.caller.MayEach(organization.ListKeys, s.organization)
	for after, more := "", matched > 0 && hidden == nil; more &&
		len(out.Body.Sample) < sampleSize; more = after != "" {
		var keys []*apikey.Key
		if keys, after, err = a.store.Keys(ctx, s.organization.ID, c.Filter, after,
			sampleSize-len(out.Body.Sample), s.now); err != nil {
			return nil, err
		}

		if err := a.observe(ctx, s.now, keys...); err != nil {
			return nil, err
		}

		shown := make([]api.Key, 0, len(keys))
		for _, k := range keys {
			shown = append(shown, viewKey(k, s.now))
		}

		if err := a.used(ctx, keys, shown); err != nil {
			return nil, err
		}

		out.Body.Sample = append(out.Body.Sample, shown...)
	}

	return out, nil
}

// apply changes one key as the action says. Error: a problem, where the organization does not let
// the key live so long.
func (c *bulkChange) apply(a *API, s *request, k *apikey.Key) error {
	before := k.Clone()
	if s.caller.May(c.single(), s.organization, before) != nil {
		return denied.with("Whoever started this may no longer change this key.")
	}

	switch c.Action {
	case "revoke":
		return k.Revoke(s.caller.Actor(), c.Reason, c.Compromised, s.now)
	case "disable":
		k.Enabled = false
	case "enable":
		k.Enabled = true
	case "extend":
		if !k.ExpiresAt.IsZero() && k.ExpiresAt.Before(c.ExpiresAt) {
			k.EndAt(c.ExpiresAt)
		}
	default:
		return fmt.Errorf("bulk: there is no action %q", c.Action)
	}

	f := &validator{}
	if f.rules(s, before, k); len(f.errors) > 0 {
		return problemOfInput(a.brand, http.StatusUnprocessableEntity,
			"validation failed", f.errors)
	}

	return nil
}

// recorded is the action's name in the history.
func (c *bulkChange) recorded() string {
	if c.Action == "revoke" {
		return "key.revoked"
	}

	return "key.updated"
}
