package limit_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// TestMemoryIsLikeTheTable does the same to the simulation's store and to the table: what the
// simulation proves holds for the table too.
func TestMemoryIsLikeTheTable(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		s := limit.Subject{Environment: "production", KeyID: fmt.Sprint(n)}
		memory := newMemory()
		small := rapid.Int64Range(1_790_000_000_000_000_000, 1_790_000_000_000_000_003)
		policies := rapid.SampledFrom([]string{"a", "b"})
		periods := rapid.SampledFrom([]string{"2026-11", "2026-12"})
		spent := rapid.SampledFrom([]map[string]int64{nil, {"2026-11-28": 7}})

		state := func() *limit.State {
			return &limit.State{
				Policy:  policies.Draw(r, "policy"),
				Version: 3,
				Since:   small.Draw(r, "since"),
				Period:  rapid.OneOf(periods, rapid.Just("")).Draw(r, "period"),
				Used:    rapid.Int64Range(0, 3).Draw(r, "used"),
				Debt: limit.Debt{
					Until: small.Draw(r, "until"),
					Each:  rapid.Int64Range(0, 2).Draw(r, "each"),
				},
				Spent:   maps.Clone(spent.Draw(r, "spent")),
				Returns: rapid.Int64Range(0, 1).Draw(r, "returns"),
				TAT:     map[string]int64{"x": small.Draw(r, "x"), "y": small.Draw(r, "y")},
				PurgeAt: 1_800_000_000,
			}
		}
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			var do func(limit.Store) (*limit.State, bool, error)
			if rapid.Bool().Draw(r, "replace") {
				var was *limit.State
				if rapid.Bool().Draw(r, "right") {
					was = clone(memory.states[s])
					if was != nil && rapid.Bool().Draw(r, "of another period") {
						was.Period = periods.Draw(r, "period")
					}
				} else if rapid.Bool().Draw(r, "any") {
					was = state()
				}

				next := state()
				do = func(b limit.Store) (*limit.State, bool, error) {
					return b.ReplaceLimits(t.Context(), s, was, next)
				}
			} else {
				c := limit.Charge{Policy: policies.Draw(r, "policy"), PurgeAt: 1_900_000_000}
				if old := memory.states[s]; old != nil && rapid.Bool().Draw(r, "of this policy") {
					c.Policy = old.Policy
				}

				for _, name := range []string{"x", "y"} {
					low := small.Draw(r, "low")
					if old := memory.states[s]; old != nil && rapid.Bool().Draw(r, "fits") {
						low = old.TAT[name]
					}

					c.Limits = append(c.Limits, limit.RateCharge{
						Name: name,
						Full: rapid.Bool().Draw(r, "full"),
						Low:  low,
						High: low + rapid.Int64Range(0, 3).Draw(r, "high"),
						By:   rapid.Int64Range(0, 3).Draw(r, "by"),
					})
				}

				c.Return = limit.Return{
					Of: rapid.SampledFrom([]limit.Returned{
						limit.Nothing, limit.Nothing, limit.Some, limit.Only,
					}).Draw(r, "return"),
					Times: rapid.Int64Range(0, 1).Draw(r, "times"),
				}
				if rapid.Bool().Draw(r, "quota") {
					c.Quota = &limit.QuotaCharge{
						Period: periods.Draw(r, "period"),
						Begins: rapid.Bool().Draw(r, "begins"),
						Most:   rapid.Int64Range(0, 3).Draw(r, "most"),
						Calls:  rapid.Int64Range(0, 2).Draw(r, "calls"),
					}
				}

				do = func(b limit.Store) (*limit.State, bool, error) {
					return b.ChargeLimits(t.Context(), s, c)
				}
			}

			wantState, want, _ := do(memory)

			gotState, got, err := do(kit.Hot)
			if err != nil || got != want {
				r.Fatalf("made %v, want %v: %v", got, want, err)
			}

			if diff := cmp.Diff(wantState, gotState); diff != "" {
				r.Fatalf("state (-want +got):\n%s", diff)
			}

			read, err := kit.Hot.ReadLimits(t.Context(), s)
			if diff := cmp.Diff(memory.states[s], read); err != nil || diff != "" {
				r.Fatalf("read (-want +got): %v\n%s", err, diff)
			}
		}
	})
}

// A state is removed by TTL only when nothing is left to remember.
func TestPurgeAt(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	p := policy(per("slow", 10, 30*24*time.Hour))
	take(t, limiter(kit), p)

	state, err := kit.Hot.ReadLimits(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}

	if end := time.Unix(state.PurgeAt, 0); end.Before(kit.Clock.Now().Add(30*24*time.Hour)) ||
		end.Before(time.Unix(0, state.TAT["slow"])) {
		t.Errorf("purged at %v, TAT %v", end, time.Unix(0, state.TAT["slow"]))
	}
}
