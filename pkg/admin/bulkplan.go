package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/store"
)

// bulkPlan performs one action on the keys that a filter finds, except those that were made after
// the job: its maker did not count them.
func (s *KeyService) bulkPlan(j *job.Job) (*plan, error) {
	var c bulkChange
	if err := unmarshalParameters(j, &c); err != nil {
		return nil, err
	}

	c.Filter.PostFilter = s.postFilter(&c)
	keys := func(ctx context.Context, r *Request, j *job.Job, limit int) ([]item, string, error) {
		// Ask again at each step: a job ends when its maker loses the right.
		_, refused := r.caller.MayEach(c.single(), r.organization)
		if refused = errors.Join(refused, s.mayExtend(r, &c, "expiresAt")); refused != nil {
			return nil, "", fmt.Errorf("%w: %w", errMaker, refused)
		}

		page, next, err := s.store.KeysAt(ctx,
			j.OrganizationID, c.Filter, j.Position, limit, r.now)
		if err != nil {
			return nil, "", err
		}

		counted := page[:0]
		for _, placed := range page {
			if !placed.Key.CreatedAt.After(j.CreatedAt) && !c.endsItself(r, placed.Key) {
				counted = append(counted, placed)
			}
		}

		items, err := s.keyItems(ctx, r, j, counted, c.recorded(),
			c.Reason, func(r *Request, k *apikey.Key) error {
				return c.apply(s, r, k)
			})
		if err == nil && c.Action == "enable" {
			err = s.owned(ctx, j.OrganizationID, items)
		}

		return items, next, err
	}
	last := func(ctx context.Context, r *Request, j *job.Job) ([]store.Write, error) {
		own := r.caller.Key
		if own == nil || own.OrganizationID != j.OrganizationID || !c.endsItself(r, own) ||
			own.CreatedAt.After(j.CreatedAt) {
			return nil, nil
		}

		found, err := c.Filter.Finds(ctx, own, r.now)
		if err != nil || !found {
			return nil, err
		}

		items, err := s.keyItems(ctx, r, j, []store.KeyAt{{
			Key: own,
		}}, c.recorded(), c.Reason, func(r *Request, k *apikey.Key) error {
			return c.apply(s, r, k)
		})
		if err != nil {
			return nil, err
		}

		writes, _ := s.jobs.take(ctx, j, items)
		return writes, nil
	}
	return &plan{phases: []phase{keys}, last: last, stop: c.urgency() == apikey.Stop}, nil
}

// endsItself reports whether a bulk change would stop the key that makes it. That key comes last,
// since no step is done in the name of a stopped key.
func (c *bulkChange) endsItself(r *Request, k *apikey.Key) bool {
	return c.urgency() == apikey.Stop && r.caller.Key != nil && r.caller.Key.ID == k.ID
}
