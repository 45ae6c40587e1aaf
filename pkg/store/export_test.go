package store

import (
	"context"
	"time"
)

// Pauses makes the tables wait as a test says, before they ask again.
func (t *Tables) Pauses(sleep func(ctx context.Context, d time.Duration) error) { t.sleep = sleep }
