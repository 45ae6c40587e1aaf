package apply_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/cmd/bitting/apply"
)

// A plan looks at each place that matters once, at several of them at the same time, and at no more than
// AWS takes.
func TestLooksAtPlaces(t *testing.T) {
	t.Parallel()

	const keys = 1000

	var text strings.Builder
	text.WriteString("keys:\n- {name: Website, environment: production, secret: {ssm: /unused}}\n" +
		"- {name: Website, environment: staging, permissions: ['a:read']}\n")

	for i := range keys {
		fmt.Fprintf(&text, "- {name: New %d, environment: production, secret: {ssm: /new/%d}}\n", i, i)
	}

	var calls, now, most atomic.Int64

	begun := time.Now()

	p, err := plan(t, text.String(), apply.Options{Waits: func(*apply.Secret) (bool, error) {
		calls.Add(1)

		n := now.Add(1)
		for of := most.Load(); n > of && !most.CompareAndSwap(of, n); of = most.Load() {
		}

		time.Sleep(2 * time.Millisecond) // others have time to begin
		now.Add(-1)

		return false, nil
	}})
	t.Logf("%d calls in %v", calls.Load(), time.Since(begun))

	if err != nil || len(p.Steps) != keys || calls.Load() != keys+1 || most.Load() != 8 {
		t.Errorf("%v, %d steps, %d calls, %d at once", err, len(p.Steps), calls.Load(), most.Load())
	}
}
