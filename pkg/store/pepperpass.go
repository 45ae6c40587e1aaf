package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

const (
	// passEvery is how long after the end of a pass the next one begins, unless the versions
	// change.
	passEvery = 24 * time.Hour
	// passPage is how many rows are read and resealed before the pass stores its position.
	passPage = 200
)

// PepperSettling is how long after a rotation a function may still write with the version before:
// it looks for a newer one every minute, and no function runs longer than the rest of this.
const PepperSettling = 15 * time.Minute

// PepperPass is a pass over the table core that reseals rows with the newest version of their
// pepper, and counts what needs which version. It continues over many runs of upkeep, and decides
// nothing: a version is retired by Peppers.Uses alone.
type PepperPass struct {
	Version   int64     `json:"version"`
	Peppers   string    `json:"peppers"` // the versions that there are: others begin another pass
	StartedAt time.Time `json:"startedAt"`
	PassCounts
	// After is the place of the last row that was read.
	AfterPartition string      `json:"afterPk,omitempty"`
	AfterSort      string      `json:"afterSk,omitempty"`
	Last           *PassCounts `json:"last,omitempty"` // of the pass before, while this one runs
}

// PassCounts is what a pass counted, so far or altogether.
type PassCounts struct {
	EndedAt time.Time `json:"endedAt,omitzero"` // zero while it runs
	Rows    int64     `json:"rows"`             // that were read
	// Resealed leaves out what was resealed on a page that was cut off.
	Resealed int64 `json:"resealed"`
	Unread   int64 `json:"unread"` // as of PepperUses, and rows whose seal is broken
	// Counts says for each version, such as production/2, how many of what need it.
	Counts map[string]map[string]int64 `json:"counts"`
}

// Finished is what the last pass that ended counted; nil before the first end.
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
	if err := dynamo.UnmarshalJSONTags(item, pass); err != nil {
		return nil, dynamo.Damaged("pass over the peppers", err)
	}

	return pass, nil
}

// PassPeppers continues the pass, or begins one when it is due: only while an environment
// has more than one version, and once every function knows of the newest. It returns how many rows
// it sealed anew. It may stop anywhere and run twice at once: a row is sealed anew only as it was
// read, and a page of rows is counted once. A row whose seal is broken, or that should have one,
// stays as it is, is logged and counts as unread. Errors: ErrDamaged, ErrUnavailable.
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

// keepPass writes how far a pass is, in place of the version before. Error: ErrConflict.
func (s *Store) keepPass(ctx context.Context, pass *PepperPass) error {
	replaces := pass.Version
	pass.Version++
	item, err := dynamo.MarshalJSONTags(pass, passRow())
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

// passAt returns the pass to go on with, its counts in u; a new one where the versions have changed
// or it is time; nil where there is nothing to do yet.
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

	u.Rows = pass.Rows
	u.Unread = pass.Unread

	for scope, use := range u.Of {
		maps.Copy(use.Counts, pass.Counts[passName(scope)])
	}

	return pass
}

// overdue reports whether a pass ended so long ago that another is due. One that is yet to end, by
// a clock that was set back since, must not keep others off.
func (p *PepperPass) overdue(now time.Time) bool {
	return !p.EndedAt.IsZero() && (now.Before(p.EndedAt) || now.Sub(p.EndedAt) >= passEvery)
}

// noteIn writes what was counted into a pass.
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

// passName is what the counts of a pass name a version by.
func passName(scope pepper.Scope) string {
	return fmt.Sprintf("%s/%d", scope.Environment, scope.Version)
}

// reseal reseals a row if its seal is of an older version, in the table and in item, and
// returns how many seals that were. A row that was changed since it was read is left alone, since
// that change sealed it; item is then what the row is by now. Errors: ErrDamaged, where a seal is
// broken, or missing where the row should have one; ErrUnavailable.
func (s *Store) reseal(
	ctx context.Context, item dynamo.Item, newest map[apikey.Environment]int,
) (int, error) {
	at := dynamo.KeyOf(item)
	if at == catalogueRow() {
		return s.resealCatalogue(ctx, item, newest)
	}

	if _, has := item[sealPepperAttribute]; !has && !sealedKind(at) {
		return 0, nil
	}

	env := environmentOf(at)
	if !olderSeal(item, newest[env]) {
		return 0, nil
	}

	if err := s.genuine(ctx, env, item, at, "a row"); err != nil {
		return 0, err
	}

	p, err := s.ring.Version(ctx, env, newest[env])
	if err != nil {
		return 0, dynamo.Unavailable("pepper", err)
	}

	anew := maps.Clone(item)
	if err := putSeal(p, anew); err != nil {
		return 0, fmt.Errorf("store: seal: %w", err)
	}

	done, err := s.putAnew(ctx, item, dynamo.Set(dynamo.Item{
		sealAttribute:       anew[sealAttribute],
		sealPepperAttribute: anew[sealPepperAttribute],
	}), dynamo.Is(sealAttribute, item[sealAttribute]))
	if err != nil || !done {
		return 0, err
	}

	maps.Copy(item, anew)
	return 1, nil
}

// olderSeal reports whether a row's seal is of an older version than this one, or names none that
// can be read. One of a newer version was made after the versions were read.
func olderSeal(item dynamo.Item, newest int) bool {
	version, ok := item[sealPepperAttribute].(*types.AttributeValueMemberN)
	if !ok {
		return true
	}

	n, err := strconv.Atoi(version.Value)
	return err != nil || n < newest
}

// resealCatalogue does so with the seals of the catalogue, one for each environment. One that is
// broken keeps no other from being made anew.
func (s *Store) resealCatalogue(
	ctx context.Context, item dynamo.Item, newest map[apikey.Environment]int,
) (n int, broken error) {
	var row catalogueItem
	if err := attributevalue.UnmarshalMap(item, &row); err != nil {
		return 0, dynamo.Damaged("catalogue", err)
	}

	for _, env := range apikey.Environments() {
		seal, has := row.Seals[string(env)]
		if has && seal.Pepper >= newest[env] {
			continue
		}

		err := s.genuineCatalogue(ctx, env, &row)
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

		row.Seals[string(env)] = sealItem{Pepper: p.Version(), Seal: p.Seal(row.sealed())}
		n++
	}

	if n == 0 {
		return 0, broken
	}

	seals, err := attributevalue.Marshal(row.Seals)
	if err != nil {
		return 0, fmt.Errorf("store: encode seals: %w", err)
	}

	done, err := s.putAnew(ctx, item, dynamo.Set(dynamo.Item{"seals": seals}),
		dynamo.Is("seals", item["seals"]))
	if err != nil || !done {
		return 0, err
	}

	item["seals"] = seals
	return n, broken
}

// refresh makes an item what it is by now, so that it is counted so; empty where the row is gone.
func (s *Store) refresh(ctx context.Context, item dynamo.Item) error {
	now, err := s.get(ctx, dynamo.KeyOf(item))
	if err != nil {
		return err
	}

	clear(item)
	maps.Copy(item, now)
	return nil
}

// putAnew updates a row under a condition, and reports whether it held. Where it did not, item
// becomes what the row is by now. Transactions in flight are waited for, as of any other write: a
// row in use must not end the pass.
func (s *Store) putAnew(
	ctx context.Context, item dynamo.Item, update expression.UpdateBuilder,
	condition expression.ConditionBuilder,
) (bool, error) {
	err := dynamo.RetryConflicts(ctx, func() error {
		return s.core.Update(ctx, dynamo.KeyOf(item), update, condition, "seal anew")
	})
	if errors.Is(err, dynamo.ErrCondition) || errors.Is(err, ErrConflict) {
		return false, s.refresh(ctx, item) // the next pass meets the row again
	}

	return err == nil, err
}
