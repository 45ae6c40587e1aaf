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
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// importNoticed is how long an authorizer may take to notice an environment's first import: the age
// of its cache.
const importNoticed = 10 * time.Second

// bring writes the keys of one environment, a transaction's worth at a time.
func (i *importation) bring(ctx context.Context, env apikey.Environment, keys []importing) error {
	if len(keys) == 0 {
		return nil
	}

	// Before the keys: an authorizer that looks them up too early finds nothing and does no harm.
	imports, err := i.store.EnsureImports(ctx, env, algorithms(keys), i.r.now)
	if err != nil {
		return err
	}

	for _, a := range algorithms(keys) {
		if by := imports.Since[a].Add(importNoticed); by.After(i.answer.EffectiveBy.Time) {
			i.answer.EffectiveBy = api.Time{Time: by}
		}
	}

	if err := i.name(ctx, imports, keys); err != nil {
		return err
	}

	keys = slices.DeleteFunc(i.unique(keys), i.made)
	for len(keys) > 0 {
		if i.wrote && i.work.Err() != nil {
			return i.unfinished()
		}

		n := transactionKeys(keys)
		if err := i.write(ctx, env, keys[:n]); err != nil {
			return err
		}

		keys = keys[n:]
		i.wrote = true // the first always runs, so that every call makes progress
	}

	return nil
}

func algorithms(keys []importing) []apikey.Algorithm {
	var out []apikey.Algorithm
	for _, k := range keys {
		if !slices.Contains(out, k.algorithm) {
			out = append(out, k.algorithm)
		}
	}

	return out
}

// name computes the ids that the keys may get.
func (i *importation) name(ctx context.Context, imports *apikey.Imports, keys []importing) error {
	for at := range keys {
		k, env := &keys[at], keys[at].key.Environment

		naming, err := i.keyring.Version(ctx, env, imports.Pepper)
		if err != nil {
			return fmt.Errorf("%w: pepper: %w", store.ErrUnavailable, err)
		}

		k.current, err = i.keyring.Current(ctx, env)
		if err != nil {
			return fmt.Errorf("%w: pepper: %w", store.ErrUnavailable, err)
		}

		k.first = naming.ForeignID(env, k.algorithm, k.digest)
		k.rival = naming.RivalID(env, k.algorithm, i.r.organization.ID, k.digest)
	}

	return nil
}

// unique fails the keys whose hash occurred earlier in the call.
func (i *importation) unique(keys []importing) []importing {
	first := map[string]int{}
	return slices.DeleteFunc(keys, func(k importing) bool {
		earlier, seen := first[k.first]
		if seen {
			i.fail(k.index, api.CodeDuplicate,
				fmt.Sprintf("This is the hash of keys[%d].", earlier))
			return true
		}

		first[k.first] = k.index
		return false
	})
}

// fresh fails the keys that the organization already has, and sets the ids of the others. It
// reveals nothing of other organizations' imports: a key that they imported first is made like
// every other, and waits in line behind theirs.
func (i *importation) fresh(
	ctx context.Context, env apikey.Environment, keys []importing,
) ([]importing, error) {
	ids := make([]string, 0, len(keys))
	for _, k := range keys {
		ids = append(ids, k.first, k.rival)
	}

	taken, err := i.store.TakenKeys(ctx, env, ids)
	if err != nil {
		return nil, err
	}

	if len(taken) > 0 { // read after the keys, to recognise those of the same call
		if err := i.follow(ctx); err != nil {
			return nil, err
		}
	}

	var out []importing
	for _, k := range keys {
		first, rival := taken[k.first], taken[k.rival]
		switch {
		case i.made(k): // by a concurrent copy of this call
			continue
		case first != nil && first.OrganizationID == k.key.OrganizationID, rival != nil:
			i.fail(k.index, api.CodeDuplicate,
				"The organization imported this hash into "+string(env)+" before.")

			if err := i.queue(ctx, rival, k.first); err != nil {
				return nil, err
			}

			continue
		case first != nil:
			k.become(k.rival)
		default:
			k.become(k.first)
		}

		out = append(out, k)
	}

	return out, nil
}

// queue puts a key that the organization already has in line for its secret, if there was no room
// before.
func (i *importation) queue(ctx context.Context, k *apikey.Key, first string) error {
	if k == nil || !k.DeletedAt.IsZero() {
		return nil
	}

	line, err := i.store.Claim(ctx, k.Environment, first, k.ID)
	if err != nil || len(line) == 0 {
		return err
	}

	// if the line has changed, the next call tries again
	if err := i.store.Commit(ctx, line...); !errors.Is(err, apikey.ErrExists) {
		return err
	}

	return nil
}

// Bounds of a transaction. DynamoDB accepts a hundred writes, but a large transaction is slow, and
// an attempt has 250 ms.
const (
	maxWrites = 100
	maxKeys   = 20
)

// transactionKeys returns how many of the keys fit into one transaction. Each key costs a row, a
// place in a line, a history entry and an item for each of its customers. In addition there are a
// condition on each customer, two on the caller and one on the organization, and the receipt.
func transactionKeys(keys []importing) int {
	writes, customers := 4, map[string]bool{}
	for n, k := range keys {
		writes += 3 + len(k.key.Customers)
		for _, id := range k.key.Customers {
			if !customers[id] {
				customers[id] = true
				writes++
			}
		}

		if n == maxKeys || writes > maxWrites {
			return max(n, 1)
		}
	}

	return len(keys)
}

// write writes keys in one transaction, as a step of its own: each checks again what the caller may
// do, so that an import ends when its maker loses the right. If another call imported some of the
// keys meanwhile, those fail and the others are written.
func (i *importation) write(ctx context.Context, env apikey.Environment, keys []importing) error {
	r, err := i.again(ctx, i.r)
	if err != nil {
		return err
	}

	keys = slices.Clone(keys)
	again := false

	written, err := change(ctx, i.core, r, func(r *Request) (got attempt[int], err error) {
		i.r = r
		if again { // a concurrent copy of this call may have come first
			if err := i.follow(ctx); err != nil {
				return got, err
			}
		}

		again = true

		// Keys that fail here are left out of later attempts, so that each is reported once.
		if keys, err = i.fresh(ctx, env, keys); err != nil || len(keys) == 0 {
			return got, err
		}

		if err := i.within(keys); err != nil {
			return got, err
		}

		got.answer = len(keys)
		got.again = []error{apikey.ErrExists, store.ErrReceipt}
		got.writes, err = i.writes(ctx, keys)
		return got, err
	})
	i.answer.Imported += written
	// a customer existed a moment ago
	if errors.Is(err, organization.ErrNoCustomer) || errors.Is(err, store.ErrConflict) {
		return Refuse(api.CodeConflict,
			"Other changes got in the way: send the call again, and it "+
				"resumes.")
	}

	return err
}

func (i *importation) writes(ctx context.Context, keys []importing) ([]store.Write, error) {
	var writes []store.Write

	var customers []string
	for _, k := range keys {
		entry, err := i.entry(i.r, history.KeyImported, "", nil, k.key)
		if err != nil {
			return nil, err
		}

		writes = append(writes, i.store.PutKey(ctx, k.key, 0), i.store.Append(entry))
		// another organization's key is first: wait in line behind it
		if k.key.ID == k.rival {
			line, err := i.store.Claim(ctx, k.key.Environment, k.first, k.rival)
			if err != nil {
				return nil, err
			}

			writes = append(writes, line...)
		}

		customers = append(customers, k.key.Customers...)
	}

	slices.Sort(customers)

	for _, id := range slices.Compact(customers) {
		writes = append(writes, i.store.StillCustomer(i.r.organization.ID, id))
	}

	if i.r.receipt == nil {
		return writes, nil
	}

	// by this, a repeated call knows which keys it made
	ids := make([]string, 0, len(keys))
	for _, k := range keys {
		ids = append(ids, k.key.ID)
	}

	step, err := i.progress.step(*i.r.receipt, ids)
	return append(writes, i.store.Keep(step, i.r.now)), err
}
