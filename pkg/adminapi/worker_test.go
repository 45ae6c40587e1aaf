package adminapi_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// yard is tables of a test's own, with organizations and keys for jobs to work on.
type yard struct{ *storetest.Kit }

func newYard(t *testing.T, organizations ...string) yard {
	t.Helper()
	y := yard{storetest.New(t)}
	y.MustCatalogue(t)

	for _, id := range organizations {
		o := &organization.Organization{
			ID:       id,
			Name:     id,
			Settings: organization.DefaultSettings(),
			Admins:   1,
			Version:  1,
		}

		alice := &organization.Member{
			OrganizationID: id,
			ID:             "user-1",
			Email:          "alice@acme.test",
			Role:           organization.RoleAdmin,
			InvitedAt:      y.Clock.Now(),
			JoinedAt:       y.Clock.Now(),
			Version:        1,
		}
		if err := y.Store.Commit(t.Context(), y.Store.PutOrganization(o, 0),
			y.Store.PutMember(alice, 0)); err != nil {
			t.Fatal(err)
		}
	}

	return y
}

// keys makes keys of an organization.
func (y yard) keys(t *testing.T, org string, n int) []*apikey.Key {
	t.Helper()

	out := make([]*apikey.Key, 0, n)
	for i := range n {
		k, _ := y.MustKey(t, func(k *apikey.Key) {
			k.OrganizationID, k.CreatedAt = org, k.CreatedAt.Add(-time.Duration(i)*time.Second)
		})
		out = append(out, k)
	}

	return out
}

// job makes a job that disables the active keys of an organization.
func (y yard) job(t *testing.T, org string, total int) *job.Job {
	t.Helper()

	id, err := job.NewID(y.Clock.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	parameters, err := json.Marshal(map[string]any{
		"action": "disable",
		"reason": "spring",
		"filter": store.Filter{Status: apikey.Active, Living: true},
	})
	if err != nil {
		t.Fatal(err)
	}

	j := &job.Job{
		ID:             id,
		OrganizationID: org,
		Kind:           job.Bulk,
		Parameters:     parameters,
		State:          job.Queued,
		Total:          total,
		Errors:         []job.Error{},
		CreatedBy: apikey.Actor{
			Type:  apikey.ActorUser,
			ID:    "user-1",
			Email: "alice@acme.test",
		},
		SourceIP:  "192.0.2.7",
		UserAgent: "curl/8",
		RequestID: "request-1",
		CreatedAt: y.Clock.Now(),
		UpdatedAt: y.Clock.Now(),
		Version:   1,
	}
	y.put(t, j, 0)
	return j
}

func (y yard) put(t *testing.T, j *job.Job, replaces int64) {
	t.Helper()

	if err := y.Store.Commit(t.Context(), y.Store.PutJob(j, replaces)); err != nil {
		t.Fatal(err)
	}
}

// worker is a worker of another process, whose traffic is its own.
func (y yard) worker() (*admin.Worker, *storetest.Process) {
	return workerOf(y.Kit, func(*full.Deployment) {})
}

func (y yard) read(t *testing.T, j *job.Job) *job.Job {
	t.Helper()

	got, err := y.Store.Job(t.Context(), j.OrganizationID, j.ID)
	if err != nil {
		t.Fatal(err)
	}

	return got
}

// disabled looks at each key: it is disabled, by one change with one history entry, in the name of
// who made the job.
func (y yard) disabled(t *testing.T, j *job.Job, keys []*apikey.Key) {
	t.Helper()

	for _, before := range keys {
		k, err := y.Store.Key(t.Context(), before.Environment, before.ID)
		if err != nil {
			t.Fatal(err)
		}

		entries, _, err := y.Store.History(t.Context(), k.OrganizationID, "key", k.ID, "", 10)
		if err != nil {
			t.Fatal(err)
		}

		if k.Enabled || k.Version != before.Version+1 || len(entries) != 1 {
			t.Fatalf("%s: enabled %v, version %d, %d entries", k.ID, k.Enabled, k.Version,
				len(entries))
		}

		e := entries[0]
		if e.Action != "key.updated" || e.Actor != j.CreatedBy || e.SourceIP != j.SourceIP ||
			e.UserAgent != j.UserAgent || e.RequestID != j.RequestID ||
			e.Reason != "spring (job "+j.ID+")" {
			t.Fatalf("history: %+v", e)
		}
	}
}

// finished looks at a job that changed so many keys, all of them without success or with success.
func (y yard) finished(t *testing.T, j *job.Job, changed int) {
	t.Helper()
	got := y.read(t, j)
	type outcome struct {
		State          job.State
		Handled, Total int
		Result         job.Result
		Holder         string
	}

	want := outcome{job.Done, changed, changed, job.Result{Changed: changed}, ""}
	if diff := cmp.Diff(want, outcome{
		got.State, got.Handled, got.Total, got.Result, got.Holder,
	}); diff != "" {
		t.Errorf("the job (-want +got):\n%s", diff)
	}

	if got.FinishedAt.IsZero() || len(got.Errors) != 0 {
		t.Errorf("%+v", got)
	}

	open, err := y.Store.OpenJobs(t.Context())
	if err != nil || len(open) != 0 {
		t.Errorf("open jobs: %v, %v", open, err)
	}
}

func TestJobsOfManyWorkers(t *testing.T) {
	t.Parallel()
	y := newYard(t, "acme")
	keys := y.keys(t, "acme", 200)
	j := y.job(t, "acme", len(keys))

	var all sync.WaitGroup
	for range 4 {
		w, _ := y.worker()
		all.Go(func() {
			if _, err := w.Run(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}

	all.Wait()
	y.finished(t, j, len(keys))
	y.disabled(t, j, keys)
}

// A worker that dies leaves its job to others when its lease ends, not before, and whatever it did
// last was done once.
func TestWorkerThatDies(t *testing.T) {
	t.Parallel()

	for name, fault := range map[string]storetest.Fault{
		"before its step": storetest.Refused,
		"after its step":  storetest.DropAnswer,
	} {
		for at := range 3 {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				y := newYard(t, "acme")
				keys := y.keys(t, "acme", 120)
				j := y.job(t, "acme", len(keys))
				w, p := y.worker()
				var dead atomic.Bool // streams are read side by side
				p.Traffic.Inject(func(r storetest.Request) storetest.Fault {
					if dead.Load() { // nothing of it arrives any more
						return storetest.Refused
					}

					if r.Operation == "TransactWriteItems" && r.N == at+1 {
						dead.Store(true)
						return fault
					}

					return storetest.None
				})

				if _, err := w.Run(t.Context()); !errors.Is(err, store.ErrUnavailable) {
					t.Fatalf("it lives: %v", err)
				}

				left := y.read(t, j)

				next, _ := y.worker()
				if left.Holder != "" {
					if done, err := next.Run(t.Context()); done != 0 || err != nil {
						t.Errorf("another worker did %d of a job that is held: %v", done, err)
					}

					y.Clock.Advance(job.LeaseFor)
				}

				if _, err := next.Run(t.Context()); err != nil {
					t.Fatal(err)
				}

				y.finished(t, j, len(keys))
				y.disabled(t, j, keys)
			})
		}
	}
}

// Whoever lost the job changes no key any more, however late their step arrives.
func TestStepOfALostJob(t *testing.T) {
	t.Parallel()
	y := newYard(t, "acme")
	keys := y.keys(t, "acme", 100)
	j := y.job(t, "acme", len(keys))
	w, p := y.worker()
	p.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation != "TransactWriteItems" || r.N != 2 {
			return storetest.None
		}

		y.Clock.Advance(job.LeaseFor) // the worker was held up

		taken := y.read(t, j).Clone()
		if err := taken.Take("another", y.Clock.Now()); err != nil {
			t.Error(err)
		}

		taken.Version++
		y.put(t, taken, taken.Version-1)
		return storetest.None
	})

	done, err := w.Run(t.Context())
	if err != nil {
		t.Error(err)
	}

	after, enabled := y.read(t, j), 0
	for _, k := range keys {
		if got, err := y.Store.Key(t.Context(), k.Environment, k.ID); err != nil {
			t.Fatal(err)
		} else if got.Enabled {
			enabled++
		}
	}

	if after.Holder != "another" || after.Handled != done || len(keys)-enabled != done ||
		done == 0 || enabled == 0 {
		t.Errorf("held by %q, %d handled, %d of %d keys still enabled; the first worker did %d",
			after.Holder, after.Handled, enabled, len(keys), done)
	}
}

// Keys that people change meanwhile, as fast as they may, are changed all the same, and what they
// did stays.
func TestJobAmongOtherChanges(t *testing.T) {
	t.Parallel()
	y := newYard(t, "acme")
	keys := y.keys(t, "acme", 60)
	j := y.job(t, "acme", len(keys))
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}

			k, err := y.Store.Key(t.Context(), apikey.Production, keys[i%5].ID)
			if err != nil {
				t.Error(err)
				return
			}

			after := k.Clone()
			after.Description = "theirs"
			after.Version = k.Version + 1
			var wait time.Duration
			y.Clock.Advance(20 * time.Millisecond)

			if after.Pace, wait = k.Pace.Spend(apikey.Ordinary, y.Clock.Now()); wait > 0 {
				continue
			}

			if err := y.Store.Commit(t.Context(),
				y.Store.PutKey(t.Context(), after, k.Version).At(k.Pace)); err != nil &&
				!errors.Is(err, apikey.ErrStale) && !errors.Is(err, store.ErrConflict) {
				t.Error(err)
				return
			}
		}
	})
	w, _ := y.worker()
	_, err := w.Run(t.Context())
	close(stop)
	others.Wait()

	if err != nil {
		t.Fatal(err)
	}

	got := y.read(t, j)
	if got.State != job.Done || got.Result.Changed != len(keys) || got.Result.Failed != 0 {
		t.Errorf("%+v", got)
	}

	for _, k := range keys {
		now, err := y.Store.Key(t.Context(), k.Environment, k.ID)
		if err != nil {
			t.Fatal(err)
		}

		if now.Enabled {
			t.Errorf("%s is still enabled", k.ID)
		}
	}
}

// A key that was made after the job is none of those that its maker counted.
func TestJobLeavesLaterKeysAlone(t *testing.T) {
	t.Parallel()
	y := newYard(t, "acme")
	keys := y.keys(t, "acme", 3)
	j := y.job(t, "acme", len(keys))
	later, _ := y.MustKey(t, func(k *apikey.Key) {
		k.CreatedAt = y.Clock.Now().Add(time.Millisecond)
	})

	w, _ := y.worker()
	if _, err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}

	y.finished(t, j, len(keys))
	y.disabled(t, j, keys)

	if k, err := y.Store.Key(t.Context(), later.Environment, later.ID); err != nil || !k.Enabled {
		t.Errorf("%+v, %v", k, err)
	}
}

// No organization waits for another's many keys.
func TestOrganizationsTakeTurns(t *testing.T) {
	t.Parallel()
	y := newYard(t, "acme", "globex")
	y.keys(t, "acme", 150)
	y.keys(t, "globex", 1)
	large := y.job(t, "acme", 150)
	y.Clock.Advance(time.Second)
	small := y.job(t, "globex", 1)

	w, _ := workerOf(y.Kit, func(d *full.Deployment) {
		// each look at the clock takes a second
		d.Now = func() time.Time { y.Clock.Advance(time.Second); return y.Clock.Now() }
	})
	if _, err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}

	l, s := y.read(t, large), y.read(t, small)
	if l.State != job.Done || s.State != job.Done || !s.FinishedAt.Before(l.FinishedAt) {
		t.Errorf("the large job ended %v, the small one %v", l.FinishedAt, s.FinishedAt)
	}
}

// A job that cannot be done fails, says so, and holds nobody up; one whose dependency is down
// stays.
func TestJobsThatCannotGoOn(t *testing.T) {
	t.Parallel()
	y := newYard(t, "acme")
	keys := y.keys(t, "acme", 3)
	change := func(f func(*job.Job)) *job.Job {
		j := y.job(t, "acme", 0)
		y.Clock.Advance(time.Millisecond)
		f(j)
		j.Version++
		y.put(t, j, j.Version-1)
		return j
	}
	broken := []*job.Job{
		change(func(j *job.Job) { j.Kind = "dance" }),
		change(func(j *job.Job) { j.Parameters = []byte("{") }),
		change(func(j *job.Job) { j.Parameters = []byte(`{"action":"dance","filter":{}}`) }),
		y.job(t, "nowhere", 0),
	}
	good := y.job(t, "acme", len(keys))

	w, _ := y.worker()
	if _, err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}

	for _, j := range broken {
		got := y.read(t, j)
		if got.State != job.Failed || len(got.Errors) != 1 || got.Errors[0].Code != "internal" ||
			got.FinishedAt.IsZero() {
			t.Errorf("%+v", got)
		}
	}

	y.finished(t, good, len(keys))

	if !strings.Contains(y.Log.String(), "a job cannot go on") {
		t.Error("nothing is logged")
	}

	waits := y.job(t, "acme", 0)
	w, p := y.worker()
	p.Traffic.Inject(storetest.Always(storetest.Broken, "BatchGetItem", "GetItem"))

	if _, err := w.Run(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}

	if got := y.read(t, waits); !got.Open() {
		t.Errorf("%+v", got)
	}
}

// Work ends soon after it is told to, and leaves the job to whoever comes next.
func TestWorkerThatIsStopped(t *testing.T) {
	t.Parallel()
	y := newYard(t, "acme")
	keys := y.keys(t, "acme", 120)
	j := y.job(t, "acme", len(keys))
	ctx, stop := context.WithCancel(t.Context())
	w, p := y.worker()
	p.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation == "TransactWriteItems" && r.N == 2 {
			stop()
		}

		return storetest.None
	})
	_, _ = w.Run(ctx) // the error, if any, is the context's

	if got := y.read(t, j); got.State != job.Running ||
		!got.Free(y.Clock.Now()) && got.Holder != "" {
		t.Errorf("%+v", got)
	}

	y.Clock.Advance(job.LeaseFor)

	next, _ := y.worker()
	if _, err := next.Run(t.Context()); err != nil {
		t.Fatal(err)
	}

	y.finished(t, j, len(keys))
	y.disabled(t, j, keys)
}

// Upkeep's metrics tell of jobs that nobody continues, and of those that end.
func TestJobsAreCounted(t *testing.T) {
	t.Parallel()
	y := newYard(t, "acme")
	keys := y.keys(t, "acme", 3)
	j := y.job(t, "acme", len(keys))
	w, p, out := y.counting(t)

	p.Traffic.Inject(storetest.Always(storetest.Refused, "TransactWriteItems"))
	y.Clock.Advance(90 * time.Minute)

	if _, err := w.Run(t.Context()); err == nil {
		t.Fatal("it ended")
	}

	want := map[string]int64{"JobsOpen": 1, "JobAge": 5400, "JobStalled": 5400}
	if diff := cmp.Diff(want, out()); diff != "" {
		t.Errorf("a job that is stuck (-want +got):\n%s", diff)
	}

	p.Traffic.Inject(nil)

	if _, err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}

	want["JobsDone"] = 1
	if diff := cmp.Diff(want, out()); diff != "" {
		t.Errorf("a job that ends (-want +got):\n%s", diff)
	}

	y.finished(t, j, len(keys))

	if _, err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}

	if got := out(); len(got) != 0 {
		t.Errorf("without jobs: %v", got)
	}
}

// counting is a worker with metrics, and a function that returns what it counted since.
func (y yard) counting(
	t *testing.T,
) (*admin.Worker, *storetest.Process, func() map[string]int64) {
	t.Helper()

	var line strings.Builder

	set := metric.New(metric.Config{Now: y.Clock.Now, Out: &line})
	w, p := workerOf(y.Kit, func(d *full.Deployment) { d.Metrics = set })
	return w, p, func() map[string]int64 {
		line.Reset()
		set.Flush()

		counted := map[string]int64{}
		if line.Len() == 0 {
			return counted
		}

		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line.String()), &members); err != nil {
			t.Fatal(err)
		}

		for _, f := range metric.Table() {
			var n int64
			if json.Unmarshal(members[f.Name], &n) == nil && n != 0 {
				counted[f.Name] = n
			}
		}

		return counted
	}
}
