package upkeep_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/upkeep"
)

func does(done int, err error) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { return done, err }
}

// logged returns what was logged, one line a task, in the order of their names.
func logged(t *testing.T, log *storetest.Log) []string {
	t.Helper()

	var out []string
	for line := range strings.Lines(log.String()) {
		var entry struct {
			Level, Msg, Task, Error string
			Done                    int
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}

		first, _, _ := strings.Cut(entry.Error, "\n")
		out = append(out,
			strings.TrimSpace(fmt.Sprintf("%s %s %s %d %s", entry.Task, entry.Level, entry.Msg,
				entry.Done, first)))
	}

	slices.Sort(out)
	return out
}

func TestFailingTaskDoesNotStopOthers(t *testing.T) {
	t.Parallel()
	log := &storetest.Log{}

	var counted strings.Builder

	metrics := metric.New(metric.Config{Now: time.Now, Out: &counted})

	err := upkeep.Run(t.Context(), log.Logger(), metrics, []upkeep.Task{
		{Name: "breaks", Run: does(2, errors.New("no luck"))},
		{Name: "panics", Run: func(context.Context) (int, error) { panic("oh") }},
		{Name: "rests", Run: does(0, nil)},
		{Name: "works", Run: does(3, nil)},
	})
	if err == nil || err.Error() != "upkeep failed: breaks, panics" {
		t.Errorf("got %v", err)
	}

	metrics.Flush()

	for _, number := range []string{`"UpkeepRuns":1`, `"UpkeepFailures":2`} {
		if !strings.Contains(counted.String(), number) {
			t.Errorf("%s is not in %s", number, &counted)
		}
	}

	want := []string{
		"breaks ERROR upkeep failed 2 no luck", "panics ERROR upkeep failed 0 panic: oh",
		"works INFO upkeep 3",
	}
	if diff := cmp.Diff(want, logged(t, log)); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
}

// A task that takes too long is stopped before the function's time is over, which is not a
// failure. The others have finished long before.
func TestTasksAreBounded(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct{ given, want time.Duration }{
		"by the schedule":       {time.Hour, 50 * time.Second},
		"by what Lambda leaves": {20 * time.Second, 18 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), test.given)
				defer cancel()
				log, started := &storetest.Log{}, time.Now()
				var worked time.Duration

				err := upkeep.Run(ctx, log.Logger(), nil, []upkeep.Task{
					{
						Name: "hangs",
						Run: func(ctx context.Context) (int, error) {
							<-ctx.Done()
							return 7, fmt.Errorf("cut off: %w", ctx.Err())
						},
					},
					{
						Name: "works",
						Run: func(context.Context) (int, error) {
							worked = time.Since(started)
							return 1, nil
						},
					},
				})
				if err != nil || time.Since(started) != test.want || worked != 0 {
					t.Errorf("got %v after %v, the other task after %v",
						err, time.Since(started), worked)
				}

				if diff := cmp.Diff([]string{
					"hangs INFO upkeep 7", "works INFO upkeep 1",
				}, logged(t, log)); diff != "" {
					t.Errorf("the log (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Expired keys are moved out of the way of lists.
func TestExpiredKeysAreSwept(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k, _ := kit.MustKey(t, func(k *apikey.Key) { k.ExpiresAt = k.CreatedAt.Add(time.Minute) })
	tasks := upkeep.Tasks(upkeep.Config{Store: kit.Store, Hot: kit.Hot, Now: kit.Clock.Now})

	sweep := tasks[slices.IndexFunc(tasks, func(t upkeep.Task) bool {
		return t.Name == "expired keys"
	})]
	for minute, want := range []int{0, 1, 0} {
		if done, err := sweep.Run(t.Context()); done != want || err != nil {
			t.Errorf("minute %d: %d, %v", minute, done, err)
		}

		kit.Clock.Advance(time.Minute)
	}

	if kit.Item(t, "production#"+k.ID, "key")["listExpiringPk"] != nil {
		t.Error("it is still to expire")
	}
}

// After a pepper is rotated, the rows of its environment are resealed within minutes.
func TestRotatedPepperReseals(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kit.MustKey(t, nil)

	if _, err := kit.Keyring.Add(t.Context(), apikey.Production); err != nil {
		t.Fatal(err)
	}

	kit.Clock.Advance(time.Hour)

	p := kit.Restart()
	tasks := upkeep.Tasks(upkeep.Config{Store: p.Store, Scanner: p.Connection, Now: kit.Clock.Now})
	seal := tasks[slices.IndexFunc(tasks, func(t upkeep.Task) bool { return t.Name == "peppers" })]
	kit.Clock.Advance(time.Minute)

	if done, err := seal.Run(t.Context()); done != 0 || err != nil ||
		p.Traffic.Count("GetItem") != 0 {
		t.Errorf("between: %d seals, %v", done, err)
	}

	kit.Clock.Advance(4 * time.Minute)

	// the key and the runtime settings
	if done, err := seal.Run(t.Context()); done != 2 || err != nil {
		t.Errorf("%d seals, %v", done, err)
	}
}
