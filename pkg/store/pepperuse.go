package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// Scanner reads a whole table, as Connection does. It is for an operator's command, with the
// operator's own rights, and for upkeep: no function that answers calls may scan.
type Scanner = dynamo.Scanner

// The uses of a pepper for hashes and for the ids of imported keys. Other seals have names of their
// own.
const (
	UseSecret      = "secrets of keys"
	UseOldSecret   = "old secrets of rotations"
	UseEndedSecret = "secrets of keys that ended"
	UseImports     = "ids of imported keys"
	UseKeySeal     = "seals of keys"
)

// PepperUses counts what in the table core needs which version of which pepper.
type PepperUses struct {
	Of map[pepper.Scope]*PepperUse // one for each stored version
	// rows that name a version that is not stored, or none where they should
	Unread   int64
	Places   []string  // the partitions of some of these
	Rows     int64     // all rows that were read
	youngest time.Time // when the newest version was made
}

// PepperUse counts what needs one version.
type PepperUse struct {
	Retired bool             // it no longer verifies anything
	Counts  map[string]int64 // by use
	// those not on the newest version, up to a limit
	Keys    []PepperKey
	Unnamed int64 // the number of others
}

// PepperKey is a key that needs a version that is not the newest.
type PepperKey struct {
	OrganizationID string
	ID             string
	Deleted        bool
	Uses           []string
}

// usingAttributes are those of a row that name a pepper, and those that identify a key. All sealed
// rows but the catalogue have sealPepper.
var usingAttributes = []string{
	dynamo.PartitionAttribute, dynamo.SortAttribute, sealed.SealPepperAttribute,
	"pepper", "secret", "rotation", "retired", sealed.SealsAttribute, "organizationId", "deletedAt",
}

// Uses reads the whole table core, strongly consistent and page by page, and counts what needs each
// version of each pepper. It lists up to limit keys for each version that is not the newest. It
// calls progress with the number of rows read so far after each page. Errors: ErrDamaged,
// ErrUnavailable.
func (p *Peppers) Uses(
	ctx context.Context, scanner Scanner, limit int, progress func(rows int64),
) (*PepperUses, error) {
	uses, newest, err := p.noUses(ctx)
	if err != nil {
		return nil, err
	}

	for page, err := range p.core.Scan(ctx, scanner, usingAttributes) {
		if err != nil {
			return nil, err
		}

		for _, item := range page {
			uses.add(item, newest, limit, false)
		}

		progress(uses.Rows)
	}

	return uses, nil
}

// noUses returns empty uses of the stored versions, and the newest version of each environment.
func (p *Peppers) noUses(
	ctx context.Context,
) (*PepperUses, map[apikey.Environment]int, error) {
	uses := &PepperUses{Of: map[pepper.Scope]*PepperUse{}}

	newest := map[apikey.Environment]int{}
	for _, env := range apikey.Environments() {
		stored, err := p.Peppers(ctx, env)
		if err != nil {
			return nil, nil, err
		}

		for _, w := range stored {
			scope := pepper.Scope{Environment: env, Version: w.Version}
			uses.Of[scope] = &PepperUse{Retired: !w.RetiredAt.IsZero(), Counts: map[string]int64{}}

			newest[env] = max(newest[env], w.Version)
			if w.CreatedAt.After(uses.youngest) {
				uses.youngest = w.CreatedAt
			}
		}
	}

	return uses, newest, nil
}

// maxPlaces is how many partitions with unreadable rows are listed.
const maxPlaces = 10

// add counts what a row needs. A row whose seal is known to be broken counts as unread too.
func (u *PepperUses) add(
	item dynamo.Item,
	newest map[apikey.Environment]int,
	limit int,
	broken bool,
) {
	u.Rows++
	at := dynamo.KeyOf(item)

	needs, err := pepperNeeds(item, at)
	for scope := range needs {
		if u.Of[scope] == nil {
			err = pepper.ErrNotFound
		}
	}

	if err != nil || broken {
		if u.Unread++; len(u.Places) < maxPlaces {
			u.Places = append(u.Places, at.Partition)
		}
	}

	for scope, what := range needs {
		use := u.Of[scope]
		if use == nil {
			continue
		}

		for _, name := range what {
			use.Counts[name]++
		}

		if at.Sort != sealed.KeySort || scope.Version == newest[scope.Environment] {
			continue
		}

		if len(use.Keys) >= limit {
			use.Unnamed++
			continue
		}

		_, id, _ := strings.Cut(at.Partition, "#")
		slices.Sort(what)
		use.Keys = append(use.Keys, PepperKey{
			OrganizationID: item["organizationId"].Text(),
			ID:             id,
			Deleted:        item["deletedAt"].Text() != "",
			Uses:           slices.Compact(what),
		})
	}
}

// pepperNeeds returns the uses of a row by version. A row without an environment is sealed by the
// administration's pepper.
func pepperNeeds(
	item dynamo.Item, at dynamo.Key,
) (map[pepper.Scope][]string, error) {
	// the row of the peppers has no seal
	if at.Sort == sealed.RingSort {
		return nil, nil
	}

	env := environmentOf(at)

	needs, damage := map[pepper.Scope][]string{}, error(nil)
	f := dynamo.Read(item)

	add := func(env apikey.Environment, version int64, what string) {
		scope := pepper.Scope{Environment: env, Version: int(version)}
		needs[scope] = append(needs[scope], what)
	}
	if f.Has(sealed.SealPepperAttribute) {
		add(env, f.Int(sealed.SealPepperAttribute), sealUse(at))
	} else if sealedKind(at) {
		damage = dynamo.Damaged("a row has no seal", nil)
	}

	if f.Has("pepper") {
		add(env, f.Int("pepper"), UseImports)
	}

	if secret, has := f.Map("secret"); has {
		add(env, secret.Int("pepper"), UseSecret)
	}

	if rotation, has := f.Map("rotation"); has {
		old, _ := rotation.Map("old")
		add(env, old.Int("pepper"), UseOldSecret)
	}

	for _, v := range f.Maps("retired") {
		add(env, v.Int("pepper"), UseEndedSecret)
	}

	seals := f.MapOfMaps(sealed.SealsAttribute)
	for name, seal := range seals {
		add(apikey.Environment(name), seal.Int("pepper"), "seals of the permission catalogue")
	}

	if at == sealed.CatalogueRow() && len(seals) < len(apikey.Environments()) {
		damage = dynamo.Damaged("the catalogue has no seal of an environment", nil)
	}

	if err := f.Err(); err != nil {
		return nil, fmt.Errorf("store: what a row needs of peppers: %w", err)
	}

	return needs, damage
}

// environmentOf returns the environment whose pepper seals a row.
func environmentOf(at dynamo.Key) apikey.Environment {
	first, _, _ := strings.Cut(at.Partition, "#")
	if env := apikey.Environment(first); slices.Contains(apikey.Environments(), env) {
		return env
	}

	return administration
}

// otherSeals names the seals of rows of an unknown kind.
const otherSeals = "seals of other rows"

// sealedKind reports whether the rows at this place have a seal, in sealPepper.
func sealedKind(at dynamo.Key) bool { return sealUse(at) != otherSeals }

// sealUse names the seal of a row by the row's place.
func sealUse(at dynamo.Key) string {
	ofOrganization := strings.HasPrefix(at.Partition, organizationPartition(""))

	switch {
	case at.Sort == sealed.KeySort:
		return UseKeySeal
	case at.Sort == sealed.ClaimsSort:
		return "seals of claims"
	case at.Sort == sealed.RuntimeSettingsSort:
		return "seals of runtime settings"
	case at.Sort == sealed.ImportsSort:
		return "seals of imports"
	case at.Sort == organizationSort:
		return "seals of organizations"
	case at.Sort == onceSort:
		return "seals of idempotency receipts"
	case strings.HasPrefix(at.Partition, jobsPartition("")):
		return "seals of jobs"
	case ofOrganization && strings.HasPrefix(at.Sort, memberSort("")):
		return "seals of members"
	case ofOrganization && strings.HasPrefix(at.Sort, customerSort("")):
		return "seals of customers"
	}

	return otherSeals
}
