package adminapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

const bulkPath = "/v1/organizations/acme/keys/bulk"

// enabling and disabling are bulk changes that find no key.
const (
	enabling  = `{"action": "enable", "filter": {"tag": "none"}, "dryRun": false, "expected": 0}`
	disabling = `{"action": "disable", "filter": {"tag": "none"}, "dryRun": false, "expected": 0}`
)

// stuck lets jobs be made, and no step of one be written.
func (o *office) stuck() {
	o.functions.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation == "TransactWriteItems" && strings.Contains(string(r.Body), `"jobs#`) &&
			!strings.Contains(string(r.Body), `"queued"`) {
			return storetest.Broken
		}

		return storetest.None
	})
}

// open counts the open jobs of acme by kind.
func (o *office) open(t *testing.T) map[job.Kind]int {
	t.Helper()

	jobs, _, err := o.Store.Jobs(t.Context(), "acme", "", 200)
	if err != nil {
		t.Fatal(err)
	}

	out := map[job.Kind]int{}
	for i := range jobs {
		if jobs[i].Open() {
			out[jobs[i].Kind]++
		}
	}

	return out
}

// work lets a worker end the open jobs.
func (o *office) work(t *testing.T) {
	t.Helper()
	o.functions.Traffic.Inject(nil)
	o.Clock.Advance(job.LeaseFor)

	w, _ := workerOf(o.Kit, func(*full.Deployment) {})
	if _, err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// However many start at once, no more bulk changes are open than there are places; a place is free
// again with the job's end.
func TestOpenJobsAreCapped(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		body string
		most int
	}{
		"changes":            {enabling, job.MaxChanges},
		"stops of one admin": {disabling, job.MaxStops},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.stuck()

			for round := range 2 {
				var made, refused atomic.Int64

				var callers sync.WaitGroup
				for range test.most + 6 {
					callers.Go(func() {
						switch r := o.call(t, by("root@acme.test"),
							http.MethodPost, bulkPath, test.body); {
						case r.Status == http.StatusAccepted:
							made.Add(1)
						case r.Status == http.StatusTooManyRequests &&
							strings.Contains(r.Body, `"too_many_jobs"`) &&
							len(r.Headers["Retry-After"]) == 1:
							refused.Add(1)
						case r.Status != http.StatusConflict: // they kept choosing the same place
							t.Errorf("%d %s", r.Status, r.Body)
						}
					})
				}

				callers.Wait()

				for range test.most + 1 { // whoever met others tries again
					if o.call(t, by("root@acme.test"), http.MethodPost,
						bulkPath, test.body).Status == http.StatusAccepted {
						made.Add(1)
					}
				}

				if got := o.open(t)[job.Bulk]; int(made.Load()) != test.most || got != test.most {
					t.Errorf("round %d: %d made, %d open, want %d (%d refused)", round, made.Load(),
						got, test.most, refused.Load())
				}

				o.call(t, by("root@acme.test"), http.MethodPost, bulkPath, test.body).want(t,
					"one more", http.StatusTooManyRequests, "too_many_jobs")
				o.work(t)

				if places := o.Partitions(t, "jobPlaces#"); o.open(t)[job.Bulk] != 0 ||
					len(places) != 0 {
					t.Errorf("after their end: %v open, places %q", o.open(t), places)
				}

				o.stuck()
			}
		})
	}
}

// What stops somebody or something is never refused for what else is open: another's bulk changes,
// or one's own of the other sort.
func TestFullPlacesRefuseNoStop(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.member(t, "acme", "eve@acme.test", organization.RoleAdmin)
	o.member(t, "acme", "gone@acme.test", organization.RoleMember)
	o.commit(t, o.Store.PutOrganization(&organization.Organization{
		ID:       "acme",
		Name:     "acme",
		Settings: organization.DefaultSettings(),
		Admins:   2,
		Version:  2,
	}, 1))
	o.customer(t, "acme", "c1")
	k, _ := o.MustKey(t, func(k *apikey.Key) { k.Customers = []string{"c1"} })
	o.stuck()

	eve, root := by("eve@acme.test"), by("root@acme.test")
	for _, body := range []string{enabling, disabling} {
		full := false
		for range 20 {
			full = full ||
				o.call(t, eve, http.MethodPost, bulkPath, body).Status == http.StatusTooManyRequests
		}

		if !full {
			t.Fatal("the places are not full")
		}
	}

	o.call(t, root, http.MethodPost, bulkPath, enabling).want(t, "another's change",
		http.StatusTooManyRequests, "too_many_jobs")
	o.call(t, root, http.MethodPost, bulkPath, disabling).want(t, "another's stop",
		http.StatusAccepted, "")
	o.call(t, root, http.MethodPost, "/v1/organizations/acme/keys/"+k.ID+"/revoke", `{}`).want(t,
		"revoking one", http.StatusOK, "")
	o.functions.Traffic.Inject(nil)
	o.call(t, root, http.MethodDelete, "/v1/organizations/acme/members/gone@acme.test", "").want(t,
		"a removal", http.StatusNoContent, "")
	o.call(t, root, http.MethodDelete, "/v1/organizations/acme/customers/c1?force=true", "").want(t,
		"a forced deletion", http.StatusNoContent, "")
	o.call(t, root, http.MethodDelete, "/v1/organizations/acme", "").want(t, "the deletion",
		http.StatusAccepted, "")
	o.call(t, by("root@globex.test"), http.MethodPost,
		strings.Replace(bulkPath, "acme", "globex", 1), enabling).want(t, "elsewhere",
		http.StatusAccepted, "")
}

// A repeated call is answered as before however full the places are meanwhile: it makes no job.
func TestFullPlacesAndReplays(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.stuck()
	root := by("root@acme.test")

	first := o.call(t, root, http.MethodPost, bulkPath, enabling, "Idempotency-Key: one").want(t,
		"the first", http.StatusAccepted, "")
	for range 20 {
		o.call(t, root, http.MethodPost, bulkPath, enabling)
	}

	again := o.call(t, root, http.MethodPost, bulkPath, enabling, "Idempotency-Key: one").want(t,
		"its repeat", http.StatusAccepted, "")
	if first.Headers["Location"][0] != again.Headers["Location"][0] {
		t.Errorf("%s, then %s", first.Headers["Location"], again.Headers["Location"])
	}

	o.call(t, root, http.MethodPost, bulkPath, enabling, "Idempotency-Key: two").want(t, "another",
		http.StatusTooManyRequests, "too_many_jobs")
}

// Enabling many keys enables none whose customer is gone: its deletion disabled them. Nor of one
// that is being deleted, or whose row is damaged.
func TestBulkEnablesNoKeysOfGoneCustomers(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	root := by("root@acme.test")
	of := func(customers ...string) *apikey.Key {
		k, _ := o.MustKey(t, func(k *apikey.Key) { k.Customers, k.Enabled = customers, false })
		return k
	}

	for _, id := range []string{"here", "gone", "leaving", "damaged"} {
		o.customer(t, "acme", id)
	}

	besideDeletion := of("leaving").ID
	want := map[string]bool{
		of("here").ID:         true,
		of("here").ID:         true,
		of().ID:               true,
		of("gone").ID:         false,
		of("here", "gone").ID: false,
		besideDeletion:        false,
		of("damaged").ID:      false,
	}
	o.call(t, root, http.MethodDelete, "/v1/organizations/acme/customers/gone?force=true",
		"").want(t, "the deletion", http.StatusNoContent, "")
	leaving := &organization.Customer{
		OrganizationID: "acme",
		ID:             "leaving",
		Leaving:        true,
		Version:        2,
	}
	o.commit(t, o.Store.PutCustomer(leaving, 1))
	o.Change(t, "organization#acme", "customer#damaged", "name", "x")
	body := fmt.Sprintf(`{"action": "enable", "filter": {"status": "inactive"}, "dryRun": false, "expected": %d}`, len(
		want,
	))

	r := o.call(t, root, http.MethodPost, bulkPath, body).want(t, "enabling", http.StatusAccepted,
		"")
	if !strings.Contains(r.Body, `"changed":3`) || !strings.Contains(r.Body, `"failed":4`) ||
		strings.Count(r.Body, `"validation"`) != 3 || strings.Count(r.Body, `"unavailable"`) != 1 {
		t.Errorf("the job: %s", r.Body)
	}

	for id, enabled := range want {
		if k, err := o.Store.Key(t.Context(), apikey.Production, id); err != nil ||
			k.Enabled != enabled {
			t.Errorf("key of %q: enabled %v, want %v, %v", k.Customers, k.Enabled, enabled, err)
		}
	}

	for id, enabled := range want {
		status, code := http.StatusOK, "" // by itself, it is meant
		if id == besideDeletion {
			status, code = http.StatusConflict, "conflict"
		}

		if !enabled {
			o.call(t, root, http.MethodPatch, "/v1/organizations/acme/keys/"+id,
				`{"enabled": true}`).want(t, "by itself", status, code)
		}
	}
}

// A deletion that comes between what a step reads and what it writes finds the keys disabled, and
// they stay so.
func TestBulkEnableBesideADeletion(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.customer(t, "acme", "c1")
	k, _ := o.MustKey(t, func(k *apikey.Key) { k.Customers, k.Enabled = []string{"c1"}, false })
	gone := false
	o.functions.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if !gone && r.Operation == "TransactWriteItems" && strings.Contains(string(r.Body), k.ID) {
			gone = true
			o.commit(t, o.Store.PutCustomer(&organization.Customer{
				OrganizationID: "acme",
				ID:             "c1",
				Leaving:        true,
				Version:        2,
			}, 1))
		}

		return storetest.None
	})
	r := o.call(t, by("root@acme.test"), http.MethodPost, bulkPath,
		`{"action": "enable", "filter": {"status": "inactive"}, "dryRun": false, "expected": 1}`).
		want(t, "enabling", http.StatusAccepted, "")

	after, err := o.Store.Key(t.Context(), apikey.Production, k.ID)
	if err != nil || !gone || after.Enabled || !strings.Contains(r.Body, `"done"`) ||
		!strings.Contains(r.Body, `"failed":1`) {
		t.Errorf("gone %v, enabled %v, %v, %s", gone, after.Enabled, err, r.Body)
	}
}

// A deletion costs the same reads however many keys there are: it counts none before, and its job
// says no number until the end.
func TestDeletionCountsNoKeys(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.customer(t, "acme", "c1")

	for range 30 {
		o.MustKey(t, func(k *apikey.Key) { k.Customers = []string{"c1"} })
	}

	root := by("root@acme.test")
	for _, path := range []string{
		"/v1/organizations/acme/customers/c1?force=true", "/v1/organizations/acme",
	} {
		o.stuck()
		o.functions.Traffic.Reset()

		r := o.call(t, root, http.MethodDelete, path, "").want(t, path, http.StatusAccepted, "")
		if !strings.Contains(r.Body, `"progress":{"done":0,"total":null}`) {
			t.Errorf("%s: %s", path, r.Body)
		}

		for i, request := range o.functions.Traffic.Requests() {
			if request.Operation == "TransactWriteItems" &&
				strings.Contains(string(request.Body), `"queued"`) {
				break // the job is made: from here on, it goes step by step
			}

			if request.Operation == "Query" && strings.Contains(string(request.Body), "eys#") ||
				request.Operation == "BatchGetItem" &&
					strings.Contains(string(request.Body), "production#") {
				t.Errorf("%s reads keys before it is acknowledged, request %d: %s",
					path, i, request.Body)
			}
		}

		o.work(t)

		jobs, _, err := o.Store.Jobs(t.Context(), "acme", "", 1)
		if err != nil || jobs[0].State != job.Done || jobs[0].Total != 30 {
			t.Errorf("%+v, %v", jobs, err)
		}
	}
}

// Who is told that a customer is in use is told how much, and it is not counted beyond what
// matters.
func TestUseOfACustomerIsCountedUpToABound(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.customer(t, "acme", "c1")

	var writes []store.Write
	for i := range 1201 {
		k := o.Key(t)
		k.Customers = []string{"c1"}
		k.Secret.Pepper = 1

		writes = append(writes, o.Store.PutKey(t.Context(), k, 0))
		if len(writes) == 45 || i == 1200 {
			o.commit(t, writes...)
			writes = nil
		}
	}

	o.functions.Traffic.Reset()

	r := o.call(t, by("root@acme.test"), http.MethodDelete, "/v1/organizations/acme/customers/c1",
		"").want(t, "deletion", http.StatusConflict, "in_use")
	if !strings.Contains(r.Body, "1000 keys or more are scoped") {
		t.Errorf("%s", r.Body)
	}

	// ten pages of keys, after what the gate reads
	if n := o.functions.Traffic.Count("BatchGetItem"); n > 11 {
		t.Errorf("%d reads of rows", n)
	}
}

// A condition that a change knows nothing of is refused, not passed over: whoever sent it takes it
// for kept.
func TestUnknownConditionsAreRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.customer(t, "acme", "c1")
	o.member(t, "acme", "m@acme.test", organization.RoleMember)
	k, _ := o.MustKey(t, nil)
	root, key := by("root@acme.test"), "/v1/organizations/acme/keys/"+k.ID
	type change struct{ method, path, body string }

	bulk := change{http.MethodPost, bulkPath, disabling}
	for _, c := range []change{
		bulk,
		{http.MethodPost, bulkPath, `{"action": "revoke", "filter": {}}`}, // a dry run too
		{
			http.MethodPost, "/v1/organizations/acme/keys",
			`{"name": "A", "environment": "production"}`,
		},
		{http.MethodPost, "/v1/organizations/acme/keys/import", `{"keys": []}`},
		{http.MethodPut, "/v1/organizations/acme/members/m@acme.test", `{"role": "admin"}`},
		{http.MethodDelete, "/v1/organizations/acme/members/m@acme.test", ""},
		{http.MethodPost, "/v1/organizations/acme/customers", `{"name": "x"}`},
		{http.MethodPatch, "/v1/organizations/acme/customers/c1", `{"name": "x"}`},
		{http.MethodDelete, "/v1/organizations/acme/customers/c1", ""},
		{http.MethodPost, "/v1/organizations", `{"name": "New"}`},
	} {
		before := len(o.Items(t))

		r := o.call(t, root, c.method, c.path, c.body, `If-Match: "1"`).want(t, c.method+" "+c.path,
			http.StatusBadRequest, "malformed")
		if !strings.Contains(r.Body, "header.If-Match") || len(o.Items(t)) != before {
			t.Errorf("%s %s: %s", c.method, c.path, r.Body)
		}
	}

	for _, c := range []change{
		bulk,
		{http.MethodPatch, key, `{"name": "x"}`},
		{http.MethodPost, key + "/revoke", `{}`},
		{http.MethodPut, "/v1/organizations/acme/members/n@acme.test", `{"role": "viewer"}`},
	} {
		for _, condition := range []string{
			"If-None-Match: *", "If-Unmodified-Since: Wed, 21 Oct 2015 07:28:00 GMT",
		} {
			o.call(t, root, c.method, c.path, c.body, condition).want(t, c.method+" "+c.path,
				http.StatusBadRequest, "malformed")
		}
	}

	o.call(t, root, http.MethodPatch, key, `{"name": "x"}`, `If-Match: "7"`).want(t,
		"one that is known", http.StatusPreconditionFailed, "stale")
	o.call(t, root, http.MethodPatch, key, `{"name": "x"}`, `If-Match: "1"`).want(t, "and holds",
		http.StatusOK, "")
	o.call(t, by("root@globex.test"), bulk.method, bulk.path, bulk.body, `If-Match: "1"`).want(t,
		"a stranger", http.StatusNotFound, "not_found")
}
