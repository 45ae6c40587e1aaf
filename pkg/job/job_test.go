package job_test

import (
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
)

var start = time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)

func TestIDsSortByTime(t *testing.T) {
	t.Parallel()

	var ids []string
	for _, after := range []time.Duration{
		0, time.Millisecond, time.Second, time.Minute, 4 * time.Minute, 365 * 24 * time.Hour,
		250 * 365 * 24 * time.Hour,
	} {
		id, err := job.NewID(start.Add(after), rand.Reader)
		if err != nil || !apikey.ValidID(id) {
			t.Fatalf("%q, %v", id, err)
		}

		if made := job.MadeAt(id); !made.Equal(start.Add(after)) {
			t.Errorf("%s was made at %v, not at %v", id, made, start.Add(after))
		}

		ids = append(ids, id)
	}

	for _, id := range []string{"", "0UzAbCdE", "0UzAbCd-00000000"} {
		if made := job.MadeAt(id); !made.IsZero() {
			t.Errorf("%q was made at %v", id, made)
		}
	}

	if !slices.IsSorted(ids) {
		t.Errorf("%q", ids)
	}

	again, err := job.NewID(start, rand.Reader)
	if err != nil || again == ids[0] {
		t.Errorf("%q twice, %v", again, err)
	}
}

// Which worker holds a job, by the clock.
func TestLease(t *testing.T) {
	t.Parallel()
	j := &job.Job{State: job.Queued}
	take := func(who string, after time.Duration, may bool) {
		t.Helper()

		if err := j.Take(who, start.Add(after)); may && err != nil ||
			!may && !errors.Is(err, job.ErrLost) {
			t.Fatalf("%s after %v: %v", who, after, err)
		}
	}
	take("a", 0, true)
	take("b", 0, false)
	take("a", 10*time.Second, true) // renewed
	take("b", 10*time.Second+job.LeaseFor-1, false)
	take("b", 10*time.Second+job.LeaseFor, true)
	take("a", 11*time.Second+job.LeaseFor, false)
	j.Release()
	take("c", 11*time.Second+job.LeaseFor, true)
	j.Finish(job.Done, start)
	take("c", time.Hour, false)
	take("d", time.Hour, false)

	if j.Free(start.Add(time.Hour)) || j.Holder != "" {
		t.Errorf("%+v", j)
	}
}

func TestEnd(t *testing.T) {
	t.Parallel()

	j := &job.Job{State: job.Queued, Total: 3}
	if err := j.Step("a", start); err != nil || j.State != job.Running {
		t.Fatalf("%+v, %v", j, err)
	}

	j.Handled = 2 // the third no longer matches
	for range job.MaxErrors + 50 {
		j.Fail(job.Error{Code: "conflict"})
	}

	failed := j.Clone()
	j.Finish(job.Done, start)
	failed.Finish(job.Failed, start)

	if j.Handled != 3 || j.Total != 3 || j.Open() || len(j.Errors) != job.MaxErrors ||
		j.Result.Failed != job.MaxErrors+50 || failed.Handled != 2 || failed.Open() {
		t.Errorf("%+v\n%+v", j, failed)
	}
}
