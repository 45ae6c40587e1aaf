package adminapi_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/organization"
)

func TestCustomers(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	path := o.path("customers")

	answer := o.admin.Call(t, http.MethodPost, path, map[string]any{
		"id":       "A.b_c-1",
		"name":     " Blue Inc. ",
		"metadata": map[string]string{"tier": "gold"},
	}).Want(t, http.StatusCreated)
	if got := answer.Header.Get("Location"); got != path+"/A.b_c-1" {
		t.Errorf("Location %q", got)
	}

	made := decoded(t, answer.Body)

	want := map[string]any{
		"id":        "A.b_c-1",
		"name":      "Blue Inc.",
		"metadata":  map[string]any{"tier": "gold"},
		"createdAt": made["createdAt"],
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}

	read := func() map[string]any {
		return decoded(t,
			o.admin.Call(t, http.MethodGet, path+"/A.b_c-1", nil).Want(t, http.StatusOK).Body)
	}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}

	change := func(body string) {
		t.Helper()

		got := decoded(t,
			o.admin.Call(t, http.MethodPatch, path+"/A.b_c-1", body).Want(t, http.StatusOK).Body)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	want["name"] = "Green"
	change(`{"name": "Green"}`)
	want["metadata"] = map[string]any{}
	change(`{"metadata": null}`)
	change(`{}`)
	o.admin.Call(t, http.MethodPost, path, map[string]any{
		"id":   "A.b_c-1",
		"name": "Again",
	}).Refused(t, http.StatusConflict, "duplicate")
	o.admin.Call(t, http.MethodDelete, path+"/A.b_c-1", nil).Want(t, http.StatusNoContent)

	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		o.admin.Call(t, method, path+"/A.b_c-1", nil).Refused(t, http.StatusNotFound, "not_found")
	}

	o.admin.Call(t, http.MethodPatch, path+"/A.b_c-1", `{"name": "x"}`).Refused(t,
		http.StatusNotFound, "not_found")

	for body, location := range map[string]string{
		`{"name": ""}`:               "body.name",
		`{"id": "a b", "name": "x"}`: "body.id",
		`{}`:                         "body.name",
		`{"id": "", "name": "x"}`:    "body.id",
	} {
		p := o.admin.Call(t, http.MethodPost, path, body).Refused(t, http.StatusUnprocessableEntity,
			"validation")
		if diff := cmp.Diff([]string{location}, p.Locations()); diff != "" {
			t.Errorf("%s: locations (-want +got):\n%s", body, diff)
		}
	}

	once := func() map[string]any {
		return decoded(t,
			o.admin.Call(t, http.MethodPost, path, `{"name": "Once"}`, "Idempotency-Key: 1").Want(t,
				http.StatusCreated).Body)
	}
	if first, again := once(), once(); first["id"] != again["id"] || again["replayed"] != true {
		t.Errorf("%v, then %v", first, again)
	}
}

// Pages show each customer once, in order of id, also of ids of which one begins the other.
func TestCustomerPages(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	want := []string{"c1", "c2", "c3", "c.2", "ok"} // the tenant's own
	for i, id := range []string{
		"a", "a.", "a-", "a_", "aa", "A", "Z", "_", "-", "...", "z", "0", strings.Repeat("z", 64),
	} {
		o.admin.Call(t, http.MethodPost, o.path("customers"), map[string]any{
			"id":   id,
			"name": fmt.Sprint(i),
		}).Want(t, http.StatusCreated)
		want = append(want, id)
	}

	slices.Sort(want)

	for _, limit := range []int{1, 2, 3, len(want) - 1, len(want), 200} {
		var got []string
		for cursor := ""; ; {
			var p struct {
				Items      []struct{ ID string }
				NextCursor *string
			}
			o.admin.Call(t, http.MethodGet,
				fmt.Sprintf("%s?limit=%d%s", o.path("customers"), limit, cursor), nil).Want(t,
				http.StatusOK).Into(t, &p)

			for _, c := range p.Items {
				got = append(got, c.ID)
			}

			if len(p.Items) > limit {
				t.Errorf("%d on a page of %d", len(p.Items), limit)
			}

			if p.NextCursor == nil {
				break
			}

			cursor = "&cursor=" + url.QueryEscape(*p.NextCursor)
		}

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %d (-want +got):\n%s", limit, diff)
		}
	}

	for _, query := range []string{"?cursor=x", "?limit=0", "?limit=201", "?no=1"} {
		if a := o.admin.Call(t, http.MethodGet,
			o.path("customers")+query, nil); a.Status != http.StatusBadRequest {
			t.Errorf("%s: %d\n%s", query, a.Status, a.Body)
		}
	}
}

// A customer that keys are scoped to stays; by force it goes and those keys are disabled, and none
// is for more customers than before.
func TestDeletingACustomerNeverWidens(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	one := o.key(t, map[string]any{"customers": []string{"c1"}})
	two := o.key(t, map[string]any{"customers": []string{"c1", "c2"}})
	other := o.key(t, map[string]any{"customers": []string{"c2"}})
	gone := o.key(t, map[string]any{"customers": []string{"c1"}})
	o.admin.Call(t, http.MethodDelete, o.keys+"/"+gone.Key.ID, nil).Want(t, http.StatusNoContent)
	path := o.path("customers", "c1")

	p := o.admin.Call(t, http.MethodDelete, path, nil).Refused(t, http.StatusConflict, "in_use")
	if !strings.HasPrefix(p.Detail, "2 keys") {
		t.Errorf("detail %q", p.Detail)
	}

	o.admin.Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK)
	o.admin.Call(t, http.MethodDelete, path+"?force=true", nil).Want(t, http.StatusNoContent)

	for id, want := range map[string]struct {
		customers []any
		enabled   bool
	}{
		one.Key.ID:   {[]any{"c1"}, false},
		two.Key.ID:   {[]any{"c1", "c2"}, false},
		other.Key.ID: {[]any{"c2"}, true},
	} {
		k := decoded(t,
			o.admin.Call(t, http.MethodGet, o.keys+"/"+id, nil).Want(t, http.StatusOK).Body)
		if k["enabled"] != want.enabled || !cmp.Equal(k["customers"], any(want.customers)) {
			t.Errorf("enabled %v, customers %v, want %+v", k["enabled"], k["customers"], want)
		}
	}

	machine.As(one.Secret).Call(t, http.MethodGet, "/v1/whoami", nil).Refused(t,
		http.StatusUnauthorized, "invalid_key")
}

func TestKeyOfAnUnknownCustomer(t *testing.T) {
	t.Parallel()
	o, other := newTenant(t), newTenant(t)
	other.admin.Call(t, http.MethodPost, other.path("customers"), map[string]any{
		"id":   "elsewhere",
		"name": "x",
	}).Want(t, http.StatusCreated)

	k := o.key(t, map[string]any{"customers": []string{"c1"}})
	for _, c := range []struct {
		method, path, more string
	}{
		{http.MethodPost, o.keys, `, "name": "x", "environment": "production"`},
		{http.MethodPatch, o.keys + "/" + k.Key.ID, ""},
	} {
		p := o.admin.Call(t, c.method, c.path,
			`{"customers": ["c1", "nobody", "elsewhere"]`+c.more+`}`).Refused(t,
			http.StatusUnprocessableEntity, "validation")
		if diff := cmp.Diff([]string{
			"body.customers[1]", "body.customers[2]",
		}, p.Locations()); diff != "" {
			t.Errorf("%s: locations (-want +got):\n%s", c.method, diff)
		}
	}

	o.admin.Call(t, http.MethodPatch, o.keys+"/"+k.Key.ID, `{"customers": ["c1", "c2"]}`).Want(t,
		http.StatusOK)
	o.admin.Call(t, http.MethodDelete, o.path("customers", "c1")+"?force=true", nil).Want(t,
		http.StatusNoContent)
	o.admin.Call(t, http.MethodPatch, o.keys+"/"+k.Key.ID,
		`{"description": "it keeps the customer that is gone"}`).Want(t, http.StatusOK)
}

// However keys are scoped to a customer while it is deleted by force, none that works is left.
func TestCustomerDeletedBesideNewKeys(t *testing.T) {
	t.Parallel()

	for range 5 {
		o := newTenant(t)
		path := o.path("customers", "c1")

		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() {
				for status := http.StatusCreated; status == http.StatusCreated ||
					status == http.StatusConflict; {
					status = o.admin.Call(t, http.MethodPost, o.keys, map[string]any{
						"name":        "Beside",
						"environment": "production",
						"permissions": []string{},
						"customers":   []string{"c1"},
					}).Status
				}
			})
		}

		o.admin.Call(t, http.MethodDelete, path+"?force=true", nil).Want(t, http.StatusNoContent)
		calls.Wait()

		if names, _ := page(t, o.admin, o.keys+"?customer=c1&limit=200"); len(names) != 0 {
			t.Errorf("%d keys of a customer that is gone still work", len(names))
		}
	}
}

// A deletion that is refused leaves the customer as it was, also for new keys.
func TestCustomerThatStays(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	fields := map[string]any{"customers": []string{"c1"}}
	o.key(t, fields)
	o.admin.Call(t, http.MethodDelete, o.path("customers", "c1"), nil).Refused(t,
		http.StatusConflict, "in_use")
	o.key(t, fields)
	// A deletion that was cut short after its first step is finished by repeating it.
	s := deployed(t).Store

	c, err := s.Customer(t.Context(), o.id, "c2")
	if err != nil {
		t.Fatal(err)
	}

	c.Leaving = true

	c.Version = c.Version + 1
	if err := s.Commit(t.Context(), s.PutCustomer(c, c.Version-1)); err != nil {
		t.Fatal(err)
	}

	o.admin.Call(t, http.MethodPost, o.keys, map[string]any{
		"name":        "x",
		"environment": "production",
		"customers":   []string{"c2"},
	}).Refused(t, http.StatusUnprocessableEntity, "validation")
	o.admin.Call(t, http.MethodDelete, o.path("customers", "c2"), nil).Want(t, http.StatusNoContent)
	o.admin.Call(t, http.MethodGet, o.path("customers", "c2"), nil).Refused(t, http.StatusNotFound,
		"not_found")
}

// A deletion that was acknowledged is not taken back by a call that would have been refused by
// itself: that one is told of the job, which ends.
func TestCustomerDeletionGoesOn(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, map[string]any{"customers": []string{"c1"}})
	s := deployed(t).Store

	c, err := s.Customer(t.Context(), o.id, "c1")
	if err != nil {
		t.Fatal(err)
	}

	j := o.heldJob(t, job.DeleteCustomer, `{"id": "c1"}`)
	c.Leaving = true
	c.LeavingJob = j.ID

	c.Version = c.Version + 1
	if err := s.Commit(t.Context(), s.PutJob(j, 0), s.PutCustomer(c, c.Version-1)); err != nil {
		t.Fatal(err)
	}

	o.admin.Call(t, http.MethodPatch, o.path("customers", "c1"), map[string]any{
		"name": "Changed",
	}).Refused(t, http.StatusConflict, "conflict")

	o.admin.Call(t, http.MethodDelete, o.path("customers", "c1"), nil).Want(t, http.StatusAccepted)

	eventually(t, 30*time.Second, func() bool {
		return o.admin.Call(t, http.MethodGet,
			o.path("customers", "c1"), nil).Status == http.StatusNotFound
	})
	var left localtest.Key
	o.admin.Call(t, http.MethodGet, o.keys+"/"+k.Key.ID, nil).Want(t, http.StatusOK).Into(t, &left)

	if left.Enabled {
		t.Error("the customer's key is enabled")
	}
}

// heldJob is a job of the organization that another worker has for some seconds.
func (o tenant) heldJob(t *testing.T, kind job.Kind, parameters string) *job.Job {
	t.Helper()

	id, err := job.NewID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	return &job.Job{
		ID:             id,
		OrganizationID: o.id,
		Kind:           kind,
		State:          job.Running,
		Parameters:     []byte(parameters),
		Total:          1,
		CreatedBy:      apikey.Actor{Type: apikey.ActorSystem},
		Holder:         "another",
		HeldUntil:      time.Now().Add(5 * time.Second),
		CreatedAt:      time.Now(),
		Version:        1,
	}
}

// A removal that another call works on is told of as its job, which ends.
func TestMemberRemovalGoesOn(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	bob := o.join(t, "bob", "member")
	s := deployed(t).Store

	m, err := s.Member(t.Context(), o.id, bob.email)
	if err != nil {
		t.Fatal(err)
	}

	j := o.heldJob(t, job.RemoveMember, fmt.Sprintf(`{"email": %q}`, bob.email))
	m.LeavingAt = time.Now()
	m.LeavingJob = j.ID

	m.Version++
	if err := s.Commit(t.Context(), s.PutJob(j, 0), s.PutMember(m, m.Version-1)); err != nil {
		t.Fatal(err)
	}

	path := o.path("members", bob.email)
	o.admin.Call(t, http.MethodDelete, path, nil).Want(t, http.StatusAccepted)
	eventually(t, 30*time.Second, func() bool {
		_, err := s.Member(t.Context(), o.id, bob.email)
		return errors.Is(err, organization.ErrNoMember)
	})
}
