// Package core reads what checks need of the table core: keys, the settings of organizations, the
// permission catalogue and the wrapped peppers. Package store has the rest of the table.
//
// It promises that a key is read by one strongly consistent GetItem, and that a row whose seal does
// not fit, or that stands in the wrong place, is refused and never obeyed. Its errors are those of
// package store.
package core

import (
	"context"
	"errors"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// The errors of the store; package store explains them.
var (
	ErrUnavailable = dynamo.ErrUnavailable
	ErrDamaged     = dynamo.ErrDamaged
)

// Client makes the calls of DynamoDB that a check and what follows it need.
type Client = dynamo.Client

// Reader reads the table core.
type Reader struct {
	rows *dynamo.Rows
	ring *pepper.Keyring
}

// NewReader returns a reader of the table core with a name, whose rows are sealed by ring.
func NewReader(client Client, table string, ring *pepper.Keyring) *Reader {
	return ReaderOf(dynamo.NewRows(client, table), ring)
}

// ReaderOf is NewReader of the rows of a table.
func ReaderOf(rows *dynamo.Rows, ring *pepper.Keyring) *Reader {
	return &Reader{rows: rows, ring: ring}
}

// ReadAhead reads what every check of some environments needs in one strongly consistent call: the
// catalogue and the wrapped peppers. With the returned context, the first read of each is answered
// from memory. Error: ErrUnavailable.
func (r *Reader) ReadAhead(
	ctx context.Context, environments ...apikey.Environment,
) (context.Context, error) {
	keys := []dynamo.Key{sealed.CatalogueRow()}
	for _, env := range environments {
		keys = append(keys, sealed.RingRow(env))
	}

	return r.rows.ReadAhead(ctx, keys)
}

// Key reads one key by one strongly consistent GetItem. Errors: apikey.ErrNotFound, ErrDamaged,
// ErrUnavailable.
func (r *Reader) Key(ctx context.Context, env apikey.Environment, id string) (*apikey.Key, error) {
	at := sealed.KeyRow(env, id)

	item, err := r.rows.Get(ctx, at)
	if err != nil {
		return nil, err
	}

	if item == nil {
		return nil, apikey.ErrNotFound
	}

	return sealed.DecodeKey(ctx, r.ring, item, at)
}

// Claims returns the ids of the keys that wait in line behind an imported key, in their order,
// strongly consistent. Errors: ErrDamaged, ErrUnavailable.
func (r *Reader) Claims(ctx context.Context, env apikey.Environment, id string) ([]string, error) {
	item, err := r.rows.Get(ctx, sealed.ClaimsRow(env, id))
	if err != nil {
		return nil, err
	}

	claims, err := sealed.DecodeClaims(ctx, r.ring, env, id, item)
	return claims.IDs, err
}

// RuntimeSettings reads the settings of an organization in an environment, strongly consistent, and
// checks their seal. Every organization has some, so a missing row is ErrDamaged. Errors:
// ErrDamaged, ErrUnavailable.
func (r *Reader) RuntimeSettings(
	ctx context.Context, env apikey.Environment, org string,
) (*organization.RuntimeSettings, error) {
	at := sealed.RuntimeSettingsRow(env, org)
	what := "the runtime settings of " + org + " in " + string(env)

	item, err := r.rows.Get(ctx, at)
	if err != nil {
		return nil, err
	}

	if item == nil {
		return nil, dynamo.Damaged(what+" is missing", nil)
	}

	return sealed.DecodeRuntimeSettings(ctx, r.ring, env, item, at, what)
}

// Imports reads whether keys of other systems were imported into an environment, strongly
// consistent, and checks the row's seal. It returns nil if none ever were. Errors: ErrDamaged,
// ErrUnavailable.
func (r *Reader) Imports(ctx context.Context, env apikey.Environment) (*apikey.Imports, error) {
	item, err := r.rows.Get(ctx, sealed.ImportsRow(env))
	if err != nil || item == nil {
		return nil, err
	}

	return sealed.DecodeImports(ctx, r.ring, env, item, "the imports of "+string(env))
}

// Catalogue reads the permission catalogue and its version, strongly consistent, and checks its
// seal of one environment, so that an edit of the table by hand opens no route. A deployment
// without a catalogue has no permissions and version 0. Errors: ErrDamaged, ErrUnavailable.
func (r *Reader) Catalogue(
	ctx context.Context, env apikey.Environment,
) ([]permission.Permission, int64, error) {
	item, err := r.rows.Get(ctx, sealed.CatalogueRow())
	if err != nil || item == nil {
		return nil, 0, err
	}

	return sealed.DecodeCatalogue(ctx, r.ring, env, item)
}

// CatalogueReader returns Catalogue for one environment, in the form that check.Catalogue needs.
func (r *Reader) CatalogueReader(
	env apikey.Environment,
) func(context.Context) ([]permission.Permission, int64, error) {
	return func(ctx context.Context) ([]permission.Permission, int64, error) {
		return r.Catalogue(ctx, env)
	}
}

// PepperRows are the wrapped peppers, the rows that are read before anything can be unsealed. They
// implement pepper.Rows.
type PepperRows struct{ rows *dynamo.Rows }

// NewPepperRows returns the peppers in the table core, given the table's name.
func NewPepperRows(client Client, table string) *PepperRows {
	return &PepperRows{dynamo.NewRows(client, table)}
}

// Peppers implements pepper.Rows.
func (p *PepperRows) Peppers(ctx context.Context, env apikey.Environment) ([]pepper.Wrapped, error) {
	item, err := p.rows.Get(ctx, sealed.RingRow(env))
	if err != nil {
		return nil, err
	}

	return sealed.ParsePeppers(item)
}

// AddPepper implements pepper.Rows. Each version is an attribute of its own, so two processes that
// make the same version cannot both win.
func (p *PepperRows) AddPepper(ctx context.Context, env apikey.Environment, w pepper.Wrapped) error {
	attribute := sealed.PepperAttribute(w.Version)

	err := p.rows.Update(ctx, sealed.RingRow(env), dynamo.Set(dynamo.Item{
		attribute: sealed.EncodePepper(w),
	}), dynamo.Absent(attribute), "add pepper")
	if errors.Is(err, dynamo.ErrCondition) {
		return pepper.ErrExists
	}

	return err
}
