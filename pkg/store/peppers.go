package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/core"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// Peppers reads and writes the wrapped peppers in the table core, and counts what needs them:
// everything that can be read without a pepper. It implements pepper.Rows.
type Peppers struct {
	*core.PepperRows

	core *dynamo.Table
}

// NewPeppers returns the peppers in the table core, given the table's name.
func NewPeppers(client Client, table string) *Peppers {
	return &Peppers{core.NewPepperRows(client, table), dynamo.NewTable(client, table)}
}

// ErrPeppersStale is returned if the peppers have changed meanwhile.
var ErrPeppersStale = fmt.Errorf("store: the peppers: %w", apikey.ErrStale)

// Retire removes a wrapped pepper for good and leaves a note of it, so that its number is not used
// again. It requires a newer version. The caller must know that nothing needs the old one. Errors:
// ErrPeppersStale, ErrUnavailable.
func (p *Peppers) Retire(
	ctx context.Context, env apikey.Environment, version, newer int, at time.Time,
) error {
	if newer <= version {
		return ErrPeppersStale
	}

	old := sealed.PepperAttribute(version)

	err := p.core.Update(ctx, sealed.RingRow(env),
		dynamo.Update{}.Set(dynamo.Text(dynamo.FormatTime(at)), old, sealed.RetiredAt).
			Remove(old, sealed.Ciphertext),
		dynamo.Present(old, sealed.Ciphertext).
			And(dynamo.Present(sealed.PepperAttribute(newer), sealed.Ciphertext)),
		"retire pepper")
	if errors.Is(err, dynamo.ErrCondition) {
		return ErrPeppersStale
	}

	return err
}
