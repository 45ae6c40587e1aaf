package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"sort"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store"
)

// crowd is the keys of a deployment: the first many of a series that is always the same.
type crowd struct {
	*full.Deployment

	each    int // keys of an organization; 0: all are of one
	workers int
	out     io.Writer

	filled int // of the series, in this run
}

// batch is how many keys are in a transaction: one in twenty has an item more, for its customer.
const batch = 75

// begun is when the first key of the series was made, long ago, so that no clock is behind it.
var begun = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// say writes a line. If nobody reads it, the work goes on all the same.
func (c *crowd) say(format string, values ...any) {
	_, _ = fmt.Fprintf(c.out, format+"\n", values...)
}

// organization returns the id of the organization that the n-th key is of.
func (c *crowd) organization(n int) string {
	if c.each == 0 {
		return "crowd-large"
	}

	return fmt.Sprintf("crowd-%d-%05d", c.each, n/c.each)
}

// id returns the n-th key's id.
func (c *crowd) id(n int) string { return fmt.Sprintf("C%05dK%09d", c.each, n) }

// random returns the bytes that a key's secret is made of: the same at each run.
func random(id string) *rand.ChaCha8 {
	var seed [32]byte

	sum := fnv.New128a()
	_, _ = sum.Write([]byte(id))
	sum.Sum(seed[:0])

	return rand.NewChaCha8(seed)
}

// secret returns the n-th key's secret.
func (c *crowd) secret(n int) (apikey.Secret, error) {
	id := c.id(n)
	return c.Brand.Mint(random(id), apikey.Production, id)
}

// owners are the people of an organization, of whom the first has two in five keys.
var owners = []string{"user-1", "user-1", "user-2", "user-3", "user-4"}

// disabled reports whether the n-th key is: one in seven.
func disabled(n int) bool { return n%7 == 6 }

// key returns the n-th key. One in three is personal, and one in twenty is for one of five
// customers. All are of one environment, since a check is of one.
func (c *crowd) key(n int, p *pepper.Pepper) (*apikey.Key, error) {
	id := c.id(n)

	_, issued, err := p.Issue(c.Brand, random(id), apikey.Production, id)
	if err != nil {
		return nil, err
	}

	at := begun.Add(time.Duration(n) * time.Second)
	by := apikey.Actor{Type: apikey.ActorUser, ID: owners[n%len(owners)], Email: "someone@example.com"}
	k := &apikey.Key{
		ID:             id,
		OrganizationID: c.organization(n),
		Profile:        apikey.Profile{Name: fmt.Sprintf("Device %07d", n)},
		Environment:    apikey.Production,
		Ownership:      apikey.Organization,
		Owner:          by,
		CreatedBy:      by,
		Enabled:        !disabled(n),
		Permissions:    []string{"messages:read"},
		Grantable:      apikey.GrantOwn,
		Secret:         issued.Verifier,
		Hint:           issued.Hint,
		Version:        1,
		CreatedAt:      at,
		UpdatedAt:      at,
	}

	if n%3 == 2 {
		k.Ownership = apikey.Personal
	}

	if n%20 == 7 {
		k.Customers = []string{fmt.Sprint("customer-", n/20%5)}
	}

	return k, nil
}

// fill makes the series have so many keys. It says how far it is.
func (c *crowd) fill(ctx context.Context, many int) error {
	if many <= c.filled {
		return nil
	}

	if err := c.goOn(ctx, many); err != nil {
		return err
	}

	if err := c.organize(ctx, many); err != nil {
		return err
	}

	p, err := c.Keyring.Current(ctx, apikey.Production)
	if err != nil {
		return err
	}

	var done atomic.Int64

	began := time.Now()
	said := c.progress(&done, many-c.filled, began)
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(c.workers)

	for first := c.filled; first < many && ctx.Err() == nil; first += batch {
		last := min(first+batch, many)

		all.Go(func() error {
			err := c.put(ctx, first, last, p)
			done.Add(int64(last - first))

			return err
		})
	}

	err = all.Wait()

	said()

	if err != nil {
		return err
	}

	c.say("%d keys after %v", many, time.Since(began).Round(time.Second))

	c.filled = many

	return nil
}

// goOn finds how far an earlier run came. Its parts were stored in order, but for those that were
// under way at once.
func (c *crowd) goOn(ctx context.Context, many int) error {
	var failed error

	there := sort.Search(many, func(n int) bool {
		_, err := c.Store.Key(ctx, apikey.Production, c.id(n))
		if err != nil && !errors.Is(err, apikey.ErrNotFound) {
			failed = errors.Join(failed, err)
		}

		return err != nil
	})

	if there < many {
		there -= c.workers * batch
	}

	c.filled = max(c.filled, there/batch*batch)

	return failed
}

// put stores the keys from first up to last, unless an earlier run did. A part that is cut
// differently this time is stored key by key.
func (c *crowd) put(ctx context.Context, first, last int, p *pepper.Pepper) error {
	var writes []store.Write

	for n := first; n < last; n++ {
		k, err := c.key(n, p)
		if err != nil {
			return err
		}

		writes = append(writes, c.Store.PutKey(ctx, k, 0))
	}

	err := c.Store.Commit(ctx, writes...)
	if !errors.Is(err, apikey.ErrExists) {
		return err
	}

	// All of the part are there if its last is; else the end of the earlier run was within it.
	if _, err := c.Store.Key(ctx, apikey.Production, c.id(last-1)); err == nil {
		return nil
	}

	for _, w := range writes {
		if err := c.Store.Commit(ctx, w); err != nil && !errors.Is(err, apikey.ErrExists) {
			return err
		}
	}

	return nil
}

// organize makes the organizations of so many keys.
func (c *crowd) organize(ctx context.Context, many int) error {
	step := c.each
	if step == 0 {
		step = many // one has them all
	}

	for n := c.filled; n < many; n += step {
		id := c.organization(n)
		o := &organization.Organization{
			ID:        id,
			Name:      id,
			Settings:  organization.DefaultSettings(),
			CreatedAt: begun,
			Version:   1,
		}

		err := c.Store.Commit(ctx, append(c.Store.PutRuntimeSettings(ctx, o),
			c.Store.PutOrganization(o, 0))...)
		if err != nil && !errors.Is(err, organization.ErrExists) &&
			!errors.Is(err, organization.ErrStale) {
			return fmt.Errorf("organization %s: %w", id, err)
		}
	}

	return nil
}

// progress says every ten seconds how many keys there are, until the returned function is called.
func (c *crowd) progress(done *atomic.Int64, of int, began time.Time) (stop func()) {
	ended := make(chan struct{})
	quiet := make(chan struct{})

	go func() {
		defer close(quiet)

		tick := time.NewTicker(10 * time.Second)
		defer tick.Stop()

		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				n := done.Load()
				rate := float64(n) / time.Since(began).Seconds()
				c.say("%d of %d, %.0f a second, %v left", n, of, rate,
					time.Duration(float64(of-int(n))/max(rate, 1)*float64(time.Second)).Round(time.Second))
			}
		}
	}()

	return func() {
		close(ended)
		<-quiet
	}
}
