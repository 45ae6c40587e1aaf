package main_test

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// TestEndToEndUsage makes calls and stops at once, with counts pending in the instances: after the
// next start every call is there. Then calls become visible while it runs, within the promised
// time.
func TestEndToEndUsage(t *testing.T) {
	t.Parallel()

	for name, args := range map[string][]string{
		"functions inside the process":     nil,
		"functions as their own processes": {"--functions", "process"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			p := start(t, data, args...)
			k := reader(t, p.Machine, nil)

			const calls = 150
			for range calls {
				admits(t, p.Machine, k.Secret)
			}

			p.stop(t, syscall.SIGTERM)
			again := start(t, data, args...)
			p.Restarted(again.Machine)

			if got := allowed(t, again.Machine, k); got != calls {
				t.Errorf("%d calls are counted of %d, after a clean stop", got, calls)
			}

			for range 3 {
				admits(t, again.Machine, k.Secret)
			}

			began := time.Now()
			eventually(t, "all calls are counted", func() bool {
				return allowed(t, again.Machine, k) == calls+3
			})

			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("a call was counted after %v", took)
			}

			again.stop(t, syscall.SIGTERM)
		})
	}
}

// allowed returns how many allowed calls of a key are counted.
func allowed(t *testing.T, m *localtest.Machine, k localtest.Made) int64 {
	t.Helper()
	var usage struct{ Totals struct{ Allowed int64 } }
	m.Admin().Call(t, http.MethodGet, acmeKeys+k.Key.ID+"/usage", nil).Want(t,
		http.StatusOK).Into(t, &usage)
	return usage.Totals.Allowed
}
