package adminapi_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// An import that is cut short, by its time, by an outage or by a lost answer, goes on where it is
// sent again with its Idempotency-Key; the last answer is that of a call that was never cut.
func TestImportGoesOn(t *testing.T) {
	t.Parallel()

	for name, cut := range map[string]func(*testing.T, importer) context.Context{
		"out of time, after each transaction": func(t *testing.T, _ importer) context.Context {
			t.Helper()
			ctx, stop := context.WithTimeout(t.Context(), 2900*time.Millisecond)
			t.Cleanup(stop)
			return ctx
		},
		"an outage, after each transaction": func(t *testing.T, p importer) context.Context {
			t.Helper()
			// the first is of the environment, the first time
			p.Traffic.Inject(func(r storetest.Request) storetest.Fault {
				if r.Operation == "TransactWriteItems" && r.N > 2 {
					return storetest.Broken
				}

				return storetest.None
			})
			return t.Context()
		},
		"lost answers": func(t *testing.T, p importer) context.Context {
			t.Helper()
			p.Traffic.Inject(func(r storetest.Request) storetest.Fault {
				if r.Operation == "TransactWriteItems" && r.N > 1 {
					return storetest.DropAnswer
				}

				return storetest.None
			})
			return t.Context()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := importKit(t)
			ids := customers(t, kit, 5)

			secrets, entries := many(50)
			for i := range entries {
				entries[i]["customers"] = ids[:i%6]
			}

			if status, got := newImporter(t, kit).call(t, entries[7:8]); status != http.StatusOK {
				t.Fatalf("%d %+v", status, got)
			}

			entries = append(entries, entries[3], foreign("x", map[string]any{"name": " "}))

			var last imported
			cuts, told := 0, false

			for status := 0; status != http.StatusOK; cuts++ {
				p := newImporter(t, kit)
				if cuts > 20 {
					t.Fatal("it does not end")
				}

				status, last = p.send(cut(t, p), t, "one", entries)
				if status != http.StatusOK && (status != http.StatusServiceUnavailable ||
					last.Code != "unavailable") {
					t.Fatalf("%d %+v", status, last)
				}

				told = told || strings.Contains(last.Detail, "the same Idempotency-Key")

				if cuts == 1 {
					if status, got := p.send(t.Context(), t, "one",
						entries[1:]); status != http.StatusUnprocessableEntity ||
						got.Code != "idempotency_mismatch" {
						t.Errorf("another body: %d %+v", status, got)
					}
				}
			}

			want := []failure{{7, "duplicate"}, {50, "duplicate"}, {51, "validation"}}
			if diff := cmp.Diff(want, last.Failed); diff != "" || last.Imported != 49 || cuts < 3 {
				t.Errorf("%d imported, after %d calls; failed (-want +got):\n%s", last.Imported, cuts,
					diff)
			}

			if strings.HasPrefix(name, "out of time") && !told {
				t.Error("nobody said to send it again")
			}

			if got := whole(t, kit, secrets); got != 50 {
				t.Errorf("%d keys", got)
			}

			status, again := newImporter(t, kit).send(t.Context(), t, "other", entries)
			if status != http.StatusOK || again.Imported != 0 {
				t.Errorf("with another Idempotency-Key: %d, %d imported", status, again.Imported)
			}
		})
	}
}

// The same call several times at once makes each key once, and each that succeeds says the same.
func TestSameImportAtOnce(t *testing.T) {
	t.Parallel()
	kit := importKit(t)
	secrets, entries := many(60)

	var all sync.WaitGroup
	for range 4 {
		p := newImporter(t, kit)
		all.Go(func() {
			for {
				status, got := p.send(t.Context(), t, "one", entries)
				if status == http.StatusConflict {
					continue
				}

				if status != http.StatusOK || got.Imported != 60 || len(got.Failed) != 0 {
					t.Errorf("%d: %d imported, %d failed", status, got.Imported, len(got.Failed))
				}

				return
			}
		})
	}

	all.Wait()

	if got := whole(t, kit, secrets); got != 60 {
		t.Errorf("%d keys", got)
	}
}
