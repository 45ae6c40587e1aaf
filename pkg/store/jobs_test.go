package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

func aJob(kit *storetest.Kit, org, id string) *job.Job {
	return &job.Job{
		ID:             id,
		OrganizationID: org,
		Kind:           job.Bulk,
		Parameters:     []byte(`{"action":"disable"}`),
		State:          job.Queued,
		Handled:        1,
		Total:          3,
		Result:         job.Result{Changed: 1, Failed: 1},
		Errors: []job.Error{{
			KeyID:     "k",
			Ownership: apikey.Personal,
			Owner:     apikey.Actor{Type: apikey.ActorUser, ID: "u"},
			Code:      "conflict",
			Detail:    "No.",
		}},
		CreatedBy: apikey.Actor{Type: apikey.ActorUser, ID: "u", Email: "u@acme.test"},
		SourceIP:  "192.0.2.7",
		UserAgent: "curl/8",
		RequestID: "r",
		Phase:     1,
		Position:  "p",
		Holder:    "h",
		HeldUntil: kit.Clock.Now().Add(time.Second),
		CreatedAt: kit.Clock.Now(),
		UpdatedAt: kit.Clock.Now(),
		Version:   1,
	}
}

func TestJobRoundTrip(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	want := aJob(kit, "acme", "j1")
	commit(t, kit, kit.Store.PutJob(want, 0))

	got, err := kit.Store.Job(t.Context(), "acme", "j1")
	if diff := gocmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}

	for _, other := range []string{"globex", "acme#"} {
		if j, err := kit.Store.Job(t.Context(), other, "j1"); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("%s: %+v, %v", other, j, err)
		}
	}
}

// A job is written on the version that a step started from, and on no other; so is one that TTL
// removed.
func TestJobIsWrittenOnItsVersion(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	j := aJob(kit, "acme", "j1")
	put := func(replaces int64, want error) {
		t.Helper()

		if err := kit.Store.Commit(t.Context(),
			kit.Store.PutJob(j, replaces)); !errors.Is(err, want) {
			t.Errorf("on %d: %v, want %v", replaces, err, want)
		}
	}
	put(1, job.ErrLost)
	put(0, nil)
	put(0, job.ErrExists)
	j.Version = 2
	put(1, nil)
	put(1, job.ErrLost)
	kit.Remove(t, "jobs#acme", "j1")
	put(2, job.ErrLost)
}

func TestListsOfJobs(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	var want []string
	for i := range 5 {
		j := aJob(kit, "acme", fmt.Sprintf("j%d", i))
		if i%2 == 1 {
			j.Finish(job.Done, kit.Clock.Now())
		}

		commit(t, kit, kit.Store.PutJob(j, 0))
		want = append([]string{j.ID}, want...)
	}

	commit(t, kit, kit.Store.PutJob(aJob(kit, "globex", "j7"), 0))

	var got []string
	for after, more := "", true; more; more = after != "" {
		page, next, err := kit.Store.Jobs(t.Context(), "acme", after, 2)
		if err != nil || len(page) > 2 {
			t.Fatalf("%d jobs, %v", len(page), err)
		}

		for _, j := range page {
			got = append(got, j.ID)
		}

		after = next
	}

	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("newest first (-want +got):\n%s", diff)
	}

	open, err := kit.Store.OpenJobs(t.Context())
	if diff := gocmp.Diff([]store.JobRef{
		{"acme", "j0"},
		{"acme", "j2"},
		{"acme", "j4"},
		{"globex", "j7"},
	}, open); diff != "" || err != nil {
		t.Errorf("open, oldest first: %v (-want +got):\n%s", err, diff)
	}
}

// A person's own keys are found however far indexes lag, page by page.
func TestOwnKeys(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	own := func(org, owner string, ownership apikey.Ownership) string {
		k, _ := kit.MustKey(t, func(k *apikey.Key) {
			k.OrganizationID = org
			k.Owner.ID = owner
			k.Ownership = ownership
		})
		commit(t, kit, kit.Store.OwnKey(k))
		return k.ID
	}

	var want, got []string
	for range 7 {
		want = append(want, own("acme", "u", apikey.Personal))
	}

	own("acme", "v", apikey.Personal)
	own("globex", "u", apikey.Personal)
	own("acme", "u", apikey.Organization) // an item that somebody wrote by hand
	gone := own("acme", "u", apikey.Personal)
	kit.Remove(t, "production#"+gone, "key")

	s := kit.Behind()
	for after, more := "", true; more; more = after != "" {
		page, next, err := s.OwnKeys(t.Context(), "acme", "u", after, 3)
		if err != nil {
			t.Fatal(err)
		}

		for _, placed := range page {
			got = append(got, placed.Key.ID)
		}

		after = next
	}

	slices.Sort(want)

	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A count is that of the list, and reads no row.
func TestCountKeys(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	fill(t, kit, "acme", 60)

	for _, f := range []store.Filter{{}, {
		Status: apikey.Active,
	}, {
		Tag: "web",
	}, {
		Living: true,
	}, {
		Text: "nothing",
	}, {
		Viewer: "nobody",
	}} {
		want := len(walk(t, kit.Store, "acme", f, 50, kit.Clock.Now()))
		kit.Traffic.Reset()

		got, err := kit.Store.CountKeys(t.Context(), "acme", f, kit.Clock.Now())
		if err != nil || got != want || kit.Traffic.Count("BatchGetItem", "GetItem") != 0 {
			t.Errorf("%+v: %d keys, want %d, %v", f, got, want, err)
		}
	}
}

func commit(t *testing.T, kit *storetest.Kit, writes ...store.Write) {
	t.Helper()

	if err := kit.Store.Commit(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
}
