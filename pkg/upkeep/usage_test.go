package upkeep_test

import (
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/upkeep"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// Upkeep compacts usage, in each environment, every five minutes.
func TestUsageIsCompacted(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	var run func() int
	for _, task := range upkeep.Tasks(upkeep.Config{Hot: kit.Hot, Now: kit.Clock.Now}) {
		if task.Name == "usage" {
			run = func() int {
				done, err := task.Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}

				return done
			}
		}
	}

	hour := kit.Clock.Now().Truncate(time.Hour)
	for _, env := range apikey.Environments() {
		scope := usage.KeyScope(env, "site")
		for _, writer := range []string{"a-1", "b-1"} {
			row := usage.Row{
				Scope:    scope,
				Hour:     hour,
				Writer:   writer,
				Sequence: 1,
				Counts:   usage.Counts{Cells: map[usage.Cell]int64{{Outcome: check.Allowed}: 1}},
			}
			if err := kit.Hot.PutUsage(t.Context(), row); err != nil {
				t.Fatal(err)
			}
		}

		if err := kit.Hot.PutJournal(t.Context(), usage.Journal{
			Environment: env,
			Hour:        hour,
			Writer:      "a-2",
			Scopes:      []usage.Scope{scope},
		}); err != nil {
			t.Fatal(err)
		}
	}

	for _, test := range []struct {
		after time.Duration
		rows  int
	}{{time.Hour + 11*time.Minute, 2}, {4 * time.Minute, 1}} {
		// at 9:30 and 1:11 it is 10:41, then 10:45
		kit.Clock.Advance(test.after)
		run()

		for _, env := range apikey.Environments() {
			rows, err := kit.HotRows(t.Context(), string(env)+"#site")
			if err != nil || len(rows) != test.rows {
				t.Errorf("%v: %s has the rows %q, want %d: %v", kit.Clock.Now(), env, rows,
					test.rows, err)
			}
		}
	}

	if done := run(); done != 0 {
		t.Errorf("%d hours are put together again", done)
	}
}
