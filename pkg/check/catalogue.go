package check

import (
	"context"
	"fmt"
	"time"

	"github.com/bitting-keys/bitting/pkg/permission"
)

// ReadCatalogue reads the stored permissions and their version.
type ReadCatalogue func(ctx context.Context) ([]permission.Permission, int64, error)

// Catalogue caches the compiled permission catalogue, so that a check does not read it. It is safe
// for concurrent use.
type Catalogue struct{ recent *recent[compiled] }

// compiled is the catalogue of one version.
type compiled struct {
	catalogue *permission.Catalogue
	version   int64
}

// NewCatalogue returns a catalogue that is first read when it is needed.
func NewCatalogue(read ReadCatalogue, now func() time.Time) *Catalogue {
	return &Catalogue{newRecent(now, func(ctx context.Context, before compiled) (compiled, error) {
		permissions, version, err := read(ctx)
		if err != nil {
			return compiled{}, fmt.Errorf("read the permission catalogue: %w", err)
		}

		if before.catalogue != nil && version == before.version {
			return before, nil // policies are cached by this pointer
		}

		catalogue, err := permission.NewCatalogue(permissions)
		if err != nil {
			return compiled{}, fmt.Errorf("compile the permission catalogue: %w", err)
		}

		return compiled{catalogue, version}, nil
	})}
}

// Current returns the catalogue as it was at most ten seconds ago, or an error if it could not be
// read.
func (c *Catalogue) Current(ctx context.Context) (*permission.Catalogue, error) {
	return c.current(ctx, nil)
}

// current is Current for a check that may have begun to read the catalogue.
func (c *Catalogue) current(ctx context.Context, mine *reading) (*permission.Catalogue, error) {
	current, err := c.recent.current(ctx, mine)
	return current.catalogue, err
}
