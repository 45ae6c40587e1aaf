package check

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bitting-keys/bitting/pkg/permission"
)

// How old the catalogue at hand may be. A change of the catalogue acts everywhere within catalogueUntil.
const (
	catalogueFresh = 5 * time.Second  // then it is read again beside the check that noticed
	catalogueUntil = 10 * time.Second // then a check waits for it
	catalogueRead  = time.Second      // the longest that a reading may take
)

// ReadCatalogue reads the stored permissions and their version.
type ReadCatalogue func(ctx context.Context) ([]permission.Permission, int64, error)

// Catalogue keeps the compiled catalogue at hand, so that a check does not read it. It is safe for concurrent use.
type Catalogue struct {
	read ReadCatalogue
	now  func() time.Time

	loading sync.Mutex // held while the catalogue is read
	mu      sync.RWMutex
	current *permission.Catalogue
	version int64
	readAt  time.Time
}

// NewCatalogue returns a catalogue that is read when it is first needed.
func NewCatalogue(read ReadCatalogue, now func() time.Time) *Catalogue {
	return &Catalogue{read: read, now: now}
}

// Current returns the catalogue as it was at most catalogueUntil ago, or an error where it could not be read.
func (c *Catalogue) Current(ctx context.Context) (*permission.Catalogue, error) {
	current, age := c.atHand()
	switch {
	case current != nil && age < catalogueFresh:
		return current, nil
	case current != nil && age < catalogueUntil:
		if c.loading.TryLock() {
			go func() {
				defer c.loading.Unlock()
				// Nobody waits for this reading: where it fails, the check that comes after catalogueUntil reads again and reports.
				_ = c.refresh(context.WithoutCancel(ctx))
			}()
		}
		return current, nil
	}
	c.loading.Lock()
	defer c.loading.Unlock()
	if current, age := c.atHand(); current != nil && age < catalogueFresh {
		return current, nil // another check read it meanwhile
	}
	if err := c.refresh(ctx); err != nil {
		return nil, err
	}
	current, _ = c.atHand()
	return current, nil
}

func (c *Catalogue) atHand() (*permission.Catalogue, time.Duration) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.current, c.now().Sub(c.readAt)
}

// refresh reads the catalogue and compiles it where it is new. The caller holds loading.
func (c *Catalogue) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, catalogueRead)
	defer cancel()
	began := c.now() // a change during the reading must not count as read
	permissions, version, err := c.read(ctx)
	if err != nil {
		return fmt.Errorf("read the permission catalogue: %w", err)
	}
	compiled := c.current
	if compiled == nil || version != c.version {
		if compiled, err = permission.NewCatalogue(permissions); err != nil {
			return fmt.Errorf("compile the permission catalogue: %w", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current, c.version, c.readAt = compiled, version, began
	return nil
}
