package operator

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
	"github.com/bitting-keys/bitting/pkg/store"
)

// Why a pepper cannot be rotated or retired.
var (
	ErrNoPepper  = errors.New("there is no pepper yet: bitting bootstrap creates the first")
	ErrNoVersion = errors.New("the version does not exist, or is already retired")
	ErrNewest    = errors.New("it is the current version: rotate first")
	ErrInUse     = errors.New("it is in use")
	ErrSettling  = errors.New("the newest version is too recent")
	ErrUnread    = errors.New("some rows cannot be read")
)

// Settling is how long after a rotation nothing can be retired.
const Settling = store.PepperSettling

// Peppers manages the peppers of a deployment.
type Peppers struct {
	Keyring *pepper.Keyring
	Stored  *store.Peppers
	Scanner store.Scanner
	Now     func() time.Time
}

// Version is a version of an environment's pepper, and what needs it.
type Version struct {
	pepper.Scope
	CreatedAt time.Time
	RetiredAt time.Time // zero for one that verifies
	Current   bool
	Use       store.PepperUse
}

// Status describes all peppers.
type Status struct {
	Versions []Version // by environment, then version
	Unread   int64     // rows that name no stored version, or none although they must
	Places   []string  // where some of these are
	// Pass is upkeep's latest pass, running or ended, which reseals rows; nil before the first.
	Pass *store.PepperPass
}

// Rotate makes another version of an environment's pepper, and returns its number: new secrets and
// seals use it within a minute. Errors: ErrNoPepper, pepper.ErrExists if another caller made it at
// the same time, store.ErrUnavailable.
func (p *Peppers) Rotate(ctx context.Context, env apikey.Environment) (int, error) {
	if _, err := p.Keyring.Current(ctx, env); errors.Is(err, pepper.ErrNotFound) {
		return 0, fmt.Errorf("%s: %w", env, ErrNoPepper)
	}

	made, err := p.Keyring.Add(ctx, env)
	if err != nil {
		return 0, err
	}

	return made.Version(), nil
}

// Status reads the whole table core and reports what needs which version, with up to limit keys
// for each that have not moved. It calls progress with the number of rows read. Errors:
// store.ErrUnavailable.
func (p *Peppers) Status(
	ctx context.Context, limit int, progress func(rows int64),
) (*Status, error) {
	uses, err := p.Stored.Uses(ctx, p.Scanner, limit, progress)
	if err != nil {
		return nil, err
	}

	pass, err := p.Stored.Pass(ctx)
	if err != nil && !errors.Is(err, store.ErrDamaged) { // it has no seal, and decides nothing
		return nil, err
	}

	status := &Status{Unread: uses.Unread, Places: uses.Places, Pass: pass}
	for _, env := range apikey.Environments() {
		stored, err := p.stored(ctx, env)
		if err != nil {
			return nil, err
		}

		newest := newestOf(stored)
		for _, w := range stored {
			v := Version{
				Scope:     pepper.Scope{Environment: env, Version: w.Version},
				CreatedAt: w.CreatedAt,
				RetiredAt: w.RetiredAt,
				Current:   w.Version == newest,
			}
			if use := uses.Of[v.Scope]; use != nil {
				v.Use = *use
			}

			status.Versions = append(status.Versions, v)
		}
	}

	return status, nil
}

// Retire permanently removes a version, unless it is the current one or anything needs it. Only
// the newest version makes anything, so nothing can start to need an older one during the search.
// Functions that may not know the newer one yet are waited for (Settling). Errors: ErrNoVersion,
// ErrNewest, ErrSettling, ErrInUse, ErrUnread, store.ErrPeppersStale, store.ErrUnavailable.
func (p *Peppers) Retire(ctx context.Context, scope pepper.Scope, progress func(rows int64)) error {
	stored, err := p.stored(ctx, scope.Environment)
	if err != nil {
		return err
	}

	known := slices.ContainsFunc(stored, func(w pepper.Wrapped) bool {
		return w.Version == scope.Version && w.RetiredAt.IsZero()
	})

	newest := newestOf(stored)
	switch {
	case !known:
		return ErrNoVersion
	case scope.Version == newest:
		return ErrNewest
	}

	settled := slices.ContainsFunc(stored, func(w pepper.Wrapped) bool {
		return w.Version > scope.Version && !p.Now().Before(w.CreatedAt.Add(Settling))
	})
	if !settled {
		return fmt.Errorf("%w: try again %d minutes after it was created", ErrSettling,
			Settling/time.Minute)
	}

	// Last, since it reads the whole table.
	uses, err := p.Stored.Uses(ctx, p.Scanner, 0, progress)
	if err != nil {
		return err
	}

	if use := uses.Of[scope]; use == nil {
		return ErrNoVersion
	} else if len(use.Counts) > 0 {
		return fmt.Errorf("%w by %s", ErrInUse, countsOf(use.Counts))
	}

	if uses.Unread > 0 {
		return fmt.Errorf("%w and may need it: %d, such as in %s", ErrUnread, uses.Unread,
			strings.Join(uses.Places, ", "))
	}

	return p.Stored.Retire(ctx, scope.Environment, scope.Version, newest, p.Now())
}

func countsOf(counts map[string]int64) string {
	out := make([]string, 0, len(counts))
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, fmt.Sprintf("%d %s", counts[what], what))
	}

	return strings.Join(out, ", ")
}

// stored returns the stored versions in order.
func (p *Peppers) stored(ctx context.Context, env apikey.Environment) ([]pepper.Wrapped, error) {
	stored, err := p.Stored.Peppers(ctx, env)
	slices.SortFunc(stored, func(a, b pepper.Wrapped) int { return a.Version - b.Version })
	return stored, err
}

func newestOf(stored []pepper.Wrapped) (newest int) {
	for _, w := range stored {
		if w.RetiredAt.IsZero() {
			newest = max(newest, w.Version)
		}
	}

	return newest
}
