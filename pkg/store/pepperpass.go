package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

const (
	// passEvery is how long after the end of a pass the next one begins, unless the versions
	// change.
	passEvery = 24 * time.Hour
	// passPage is how many rows are read and resealed before the pass stores its position.
	passPage = 200
)

// PepperSettling is how long after a rotation a function may still write with the previous version:
// it looks for a newer one every minute, and no function runs longer than the rest of this.
const PepperSettling = 15 * time.Minute

// PepperPass is a pass over the table core that reseals rows with the newest version of their
// pepper, and counts what needs which version. It takes many runs of upkeep. It only informs:
// Peppers.Uses alone decides whether a version can be retired.
type PepperPass struct {
	Version   int64     `json:"version"`
	Peppers   string    `json:"peppers"` // the versions; if they change, another pass begins
	StartedAt time.Time `json:"startedAt"`
	PassCounts
	// the place of the last row that was read
	AfterPartition string      `json:"afterPk,omitempty"`
	AfterSort      string      `json:"afterSk,omitempty"`
	Last           *PassCounts `json:"last,omitempty"` // of the previous pass, while this one runs
}

// PassCounts are the counts of a pass, so far or in total.
type PassCounts struct {
	EndedAt time.Time `json:"endedAt,omitzero"` // zero while it runs
	Rows    int64     `json:"rows"`             // rows that were read
	// without rows on a page whose counts were not stored
	Resealed int64 `json:"resealed"`
	Unread   int64 `json:"unread"` // as in PepperUses, and rows whose seal is broken
	// what needs each version, such as production/2, by kind
	Counts map[string]map[string]int64 `json:"counts"`
}

// Finished returns the counts of the last pass that ended; nil before the first end.
func (p *PepperPass) Finished() *PassCounts {
	switch {
	case p == nil:
		return nil
	case p.EndedAt.IsZero():
		return p.Last
	}

	return &p.PassCounts
}

// Pass returns the pass that is running or ended last; nil before the first. Errors: ErrDamaged,
// ErrUnavailable.
func (p *Peppers) Pass(ctx context.Context) (*PepperPass, error) {
	item, err := p.core.Get(ctx, passRow())
	if err != nil || item == nil {
		return nil, err
	}

	pass := &PepperPass{}
	if err := parse(item, pass); err != nil {
		return nil, dynamo.Damaged("pass over the peppers", err)
	}

	return pass, nil
}

// PassPeppers continues the pass, or begins one when it is due: only while an environment has more
// than one version, and once every function knows the newest. It returns how many rows it resealed.
// It may stop anywhere and run concurrently: a row is resealed only as it was read, and a page of
// rows is counted once. A row whose seal is broken or missing stays as it is, is logged and counts
// as unread. Errors: ErrDamaged, ErrUnavailable.
func (s *Store) PassPeppers(
	ctx context.Context, scanner Scanner, now func() time.Time,
) (resealed int, err error) {
	uses, newest, err := s.peppers.noUses(ctx)
	if err != nil || !uses.several() || now().Before(uses.youngest.Add(PepperSettling)) {
		return 0, err
	}

	pass, err := s.peppers.Pass(ctx)
	if err != nil {
		return 0, err
	}

	if pass = uses.passAt(pass, now()); pass == nil {
		return 0, nil
	}

	for pass.EndedAt.IsZero() {
		after := dynamo.At(pass.AfterPartition, pass.AfterSort)

		page, last, err := s.core.ScanPage(ctx, scanner, after, passPage)
		if err != nil {
			return resealed, err
		}

		// Reseal before counting, so that the counts show what still needs an older version.
		for _, item := range page {
			n, err := s.reseal(ctx, item, newest)

			broken := errors.Is(err, ErrDamaged)
			if broken {
				s.logger.ErrorContext(ctx, "a damaged row is not sealed anew", "row",
					dynamo.KeyOf(item).Partition, "error", err)
			} else if err != nil {
				return resealed, err
			}

			resealed += n
			pass.Resealed += int64(n)
			uses.add(item, newest, 0, broken)
		}

		pass.AfterPartition = last.Partition
		pass.AfterSort = last.Sort

		if last == (dynamo.Key{}) {
			pass.EndedAt = now()
		}

		uses.noteIn(pass)

		switch err := s.keepPass(ctx, pass); {
		case errors.Is(err, ErrConflict): // another instance continues it
			return resealed, nil
		case err != nil:
			return resealed, err
		}
	}

	return resealed, nil
}

// keepPass stores the progress of a pass, on its previous version. Error: ErrConflict.
func (s *Store) keepPass(ctx context.Context, pass *PepperPass) error {
	replaces := pass.Version
	pass.Version++
	item, err := encode(pass, passRow())
	return s.Commit(ctx, versioned(item, err, replaces, ErrConflict, ErrConflict))
}

// several reports whether an environment has more than one version that is not retired.
func (u *PepperUses) several() bool {
	live := map[apikey.Environment]int{}
	for scope, use := range u.Of {
		if !use.Retired {
			live[scope.Environment]++
		}
	}

	return slices.ContainsFunc(slices.Collect(maps.Values(live)), func(n int) bool { return n > 1 })
}

// passAt returns the pass to continue, with its counts in u; a new one if the versions have changed
// or it is time; nil if there is nothing to do yet.
func (u *PepperUses) passAt(pass *PepperPass, now time.Time) *PepperPass {
	var versions []string
	for scope, use := range u.Of {
		if !use.Retired {
			versions = append(versions, passName(scope))
		}
	}

	slices.Sort(versions)
	peppers := strings.Join(versions, " ")

	switch {
	case pass == nil:
		return &PepperPass{Peppers: peppers, StartedAt: now}
	case pass.Peppers != peppers || pass.overdue(now):
		return &PepperPass{
			Version:   pass.Version,
			Peppers:   peppers,
			StartedAt: now,
			Last:      pass.Finished(),
		}
	case !pass.EndedAt.IsZero():
		return nil
	}

	// Counting continues where the last run stopped.
	u.Rows = pass.Rows
	u.Unread = pass.Unread

	for scope, use := range u.Of {
		maps.Copy(use.Counts, pass.Counts[passName(scope)])
	}

	return pass
}

// overdue reports whether a pass ended so long ago that the next one is due. An end in the future,
// if the clock was set back, must not prevent the next one.
func (p *PepperPass) overdue(now time.Time) bool {
	return !p.EndedAt.IsZero() && (now.Before(p.EndedAt) || now.Sub(p.EndedAt) >= passEvery)
}

// noteIn stores the counts in a pass.
func (u *PepperUses) noteIn(pass *PepperPass) {
	pass.Rows = u.Rows
	pass.Unread = u.Unread

	pass.Counts = map[string]map[string]int64{}
	for scope, use := range u.Of {
		if len(use.Counts) > 0 {
			pass.Counts[passName(scope)] = use.Counts
		}
	}
}

// passName returns the name of a version in the counts of a pass.
func passName(scope pepper.Scope) string {
	return fmt.Sprintf("%s/%d", scope.Environment, scope.Version)
}

// reseal reseals a row if its seal is of an older version, in the table and in item, and returns
// the number of new seals. A row that has changed since it was read is left alone, since that
// change sealed it; item then becomes the current row. Errors: ErrDamaged if a seal is broken, or
// missing where the row should have one; ErrUnavailable.
func (s *Store) reseal(
	ctx context.Context, item dynamo.Item, newest map[apikey.Environment]int,
) (int, error) {
	at := dynamo.KeyOf(item)
	if at == sealed.CatalogueRow() {
		return s.resealCatalogue(ctx, item, newest)
	}

	if _, has := item[sealed.SealPepperAttribute]; !has && !sealedKind(at) {
		return 0, nil
	}

	env := environmentOf(at)
	if !olderSeal(item, newest[env]) {
		return 0, nil
	}

	if err := sealed.Check(ctx, s.ring, env, item, at, "a row"); err != nil {
		return 0, err
	}

	p, err := s.ring.Version(ctx, env, newest[env])
	if err != nil {
		return 0, dynamo.Unavailable("pepper", err)
	}

	// A copy, since the old seal is the condition of the write.
	anew := maps.Clone(item)
	if err := sealed.Put(p, anew); err != nil {
		return 0, err
	}

	done, err := s.putAnew(ctx, item, dynamo.Set(dynamo.Item{
		sealed.SealAttribute:       anew[sealed.SealAttribute],
		sealed.SealPepperAttribute: anew[sealed.SealPepperAttribute],
	}), dynamo.Is(item[sealed.SealAttribute], sealed.SealAttribute))
	if err != nil || !done {
		return 0, err
	}

	maps.Copy(item, anew)
	return 1, nil
}

// olderSeal reports whether a row's seal is of an older version, or names none that can be read. A
// newer version was made after the versions were read.
func olderSeal(item dynamo.Item, newest int) bool {
	n, err := item[sealed.SealPepperAttribute].Int()
	return err != nil || n < int64(newest)
}

// resealCatalogue does so with the seals of the catalogue, one for each environment. A broken one
// does not prevent the others from being resealed.
func (s *Store) resealCatalogue(
	ctx context.Context, item dynamo.Item, newest map[apikey.Environment]int,
) (n int, broken error) {
	c, err := sealed.ParseCatalogue(item)
	if err != nil {
		return 0, err
	}

	for _, env := range apikey.Environments() {
		seal, has := c.Seals[env]
		if has && seal.Pepper >= newest[env] {
			continue
		}

		err := c.Check(ctx, s.ring, env)
		if errors.Is(err, ErrDamaged) {
			broken = err
			continue
		}

		if err != nil {
			return 0, err
		}

		p, err := s.ring.Version(ctx, env, newest[env])
		if err != nil {
			return 0, dynamo.Unavailable("pepper", err)
		}

		c.Put(p, env)
		n++
	}

	if n == 0 {
		return 0, broken
	}

	seals := dynamo.Item{sealed.SealsAttribute: c.EncodeSeals()}

	done, err := s.putAnew(ctx, item, dynamo.Set(seals),
		dynamo.Is(item[sealed.SealsAttribute], sealed.SealsAttribute))
	if err != nil || !done {
		return 0, err
	}

	maps.Copy(item, seals)
	return n, broken
}

// refresh replaces an item by the current row, so that this is counted; empty if the row is gone.
func (s *Store) refresh(ctx context.Context, item dynamo.Item) error {
	now, err := s.core.Get(ctx, dynamo.KeyOf(item))
	if err != nil {
		return err
	}

	clear(item)
	maps.Copy(item, now)
	return nil
}

// putAnew updates a row under a condition, and reports whether it held. If not, item becomes the
// current row. It waits for transactions in flight, like any other write: a row in use must not end
// the pass.
func (s *Store) putAnew(
	ctx context.Context, item dynamo.Item, update dynamo.Update, condition dynamo.Condition,
) (bool, error) {
	err := dynamo.RetryConflicts(ctx, func() error {
		return s.core.Update(ctx, dynamo.KeyOf(item), update, condition, "seal anew")
	})
	if errors.Is(err, dynamo.ErrCondition) || errors.Is(err, ErrConflict) {
		return false, s.refresh(ctx, item) // the next pass meets the row again
	}

	return err == nil, err
}
