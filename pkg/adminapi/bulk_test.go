package adminapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// bulkJob is a job in an answer.
type bulkJob struct {
	ID, State, Kind, Action string
	Progress                struct{ Done, Total int }
	Result                  struct{ Changed, Unchanged, Failed int }
	Errors                  []struct{ KeyID, Code, Detail string }
	CreatedBy               struct{ Type, ID string }
}

// bulk is the answer of a bulk change.
type bulk struct {
	Matched  int
	Sample   []localtest.Key
	Job      bulkJob
	Replayed bool
}

func (o tenant) bulk(
	t *testing.T, as localtest.Client, body map[string]any, status int, headers ...string,
) bulk {
	t.Helper()
	var b bulk
	as.Call(t, http.MethodPost, o.keys+"/bulk", body, headers...).Want(t, status).Into(t, &b)
	return b
}

// apply makes a dry run, and then what it promised. The job of so few keys is done in the answer.
func (o tenant) apply(t *testing.T, as localtest.Client, body map[string]any) bulk {
	t.Helper()
	found := o.bulk(t, as, body, http.StatusOK)

	b := o.bulk(t, as, merged(map[string]any{
		"dryRun":   false,
		"expected": found.Matched,
	}, body), http.StatusAccepted)
	if b.Job.State != "done" || b.Job.Kind != "bulk" || b.Job.Action != body["action"] ||
		b.Job.Progress.Done != found.Matched || b.Job.Progress.Total != found.Matched {
		t.Errorf("%+v", b.Job)
	}

	b.Matched = found.Matched
	return b
}

// show reads a key.
func (o tenant) show(t *testing.T, id string) map[string]any {
	t.Helper()
	return decoded(t,
		machine.Operator().Call(t, http.MethodGet, o.keys+"/"+id, nil).Want(t, http.StatusOK).Body)
}

// actions are those of a key's history, newest first.
func (o tenant) actions(t *testing.T, id string) []string {
	t.Helper()
	var list struct {
		Items []struct{ Action, Reason string }
	}
	machine.Operator().Call(t, http.MethodGet, o.keys+"/"+id+"/history", nil).Want(t,
		http.StatusOK).Into(t, &list)

	var out []string
	for _, e := range list.Items {
		out = append(out, e.Action)
	}

	return out
}

func tagged(tag string, more map[string]any) map[string]any {
	return merged(map[string]any{"tags": []string{tag}}, more)
}

func TestBulkActions(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	var ids []string
	for i := range 3 {
		ids = append(ids, o.key(t, tagged("batch", map[string]any{
			"name":      fmt.Sprint(i),
			"expiresIn": "10d",
		})).Key.ID)
	}

	other := o.key(t, map[string]any{"expiresIn": "10d"}).Key.ID

	found := o.bulk(t, o.admin, map[string]any{
		"action": "revoke",
		"filter": map[string]any{"tag": "batch"},
	}, http.StatusOK)
	if found.Matched != 3 || len(found.Sample) != 3 || found.Sample[0].ID != ids[2] {
		t.Errorf("%+v", found)
	}

	each := func(
		body map[string]any, changed int, action string, check func(k map[string]any) bool,
	) {
		t.Helper()
		before := o.show(t, other)

		b := o.apply(t, o.admin, merged(map[string]any{
			"filter": map[string]any{"tag": "batch", "status": "all"},
		}, body))
		if b.Matched != 3 || b.Job.Result.Changed != changed ||
			b.Job.Result.Unchanged != 3-changed || len(b.Job.Errors) != 0 {
			t.Errorf("%v: %+v", body, b)
		}

		for _, id := range ids {
			if k := o.show(t, id); !check(k) {
				t.Errorf("%v: %v", body, k)
			}

			if changed > 0 && o.actions(t, id)[0] != action {
				t.Errorf("%v: %v", body, o.actions(t, id))
			}
		}

		if diff := cmp.Diff(before, o.show(t, other)); diff != "" {
			t.Errorf("%v changed another key:\n%s", body, diff)
		}
	}
	end := apikey.FormatTime(time.Now().Add(100 * 24 * time.Hour).Truncate(time.Second))
	disabled := func(k map[string]any) bool {
		return k["enabled"] == false && k["revocation"] == nil
	}
	each(map[string]any{"action": "disable"}, 3, "key.updated", disabled)
	each(map[string]any{"action": "disable"}, 0, "", disabled)
	each(map[string]any{
		"action": "enable",
	}, 3, "key.updated", func(k map[string]any) bool {
		return k["enabled"] == true && k["status"] == "active"
	})
	each(map[string]any{
		"action":    "extend",
		"expiresAt": end,
	}, 3, "key.updated", func(k map[string]any) bool { return k["expiresAt"] == end })
	each(map[string]any{
		"action":    "extend",
		"expiresIn": "20d",
	}, 0, "", func(k map[string]any) bool { return k["expiresAt"] == end })
	each(map[string]any{
		"action":      "revoke",
		"reason":      "spring",
		"compromised": true,
	}, 3, "key.revoked", func(k map[string]any) bool {
		r, _ := k["revocation"].(map[string]any)
		return r["reason"] == "spring" && r["compromised"] == true && k["enabled"] == true
	})
	each(map[string]any{
		"action": "enable",
	}, 0, "", func(k map[string]any) bool {
		return k["status"] == "inactive"
	}) // no action lifts a revocation

	want := []string{"key.revoked", "key.updated", "key.updated", "key.updated", "key.created"}
	if diff := cmp.Diff(want, o.actions(t, ids[0])); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

// What is deleted is not found, and a key without an expiry or with a later one is not cut short.
func TestBulkLeavesAlone(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	deleted := o.key(t, tagged("x", nil)).Key.ID
	o.admin.Call(t, http.MethodDelete, o.keys+"/"+deleted, nil).Want(t, http.StatusNoContent)
	forever := o.key(t, tagged("x", nil)).Key.ID
	long := o.key(t, tagged("x", map[string]any{
		"expiresIn": "90d",
	})).Key

	b := o.apply(t, o.admin, map[string]any{
		"action":    "extend",
		"expiresIn": "30d",
		"filter":    map[string]any{"tag": "x", "status": "all"},
	})
	if b.Matched != 2 || b.Job.Result.Unchanged != 2 || o.show(t, forever)["expiresAt"] != nil ||
		o.show(t, long.ID)["expiresAt"] != long.ExpiresAt {
		t.Errorf("%+v", b)
	}
}

func TestBulkExpectsTheNumber(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	id := o.key(t, tagged("x", nil)).Key.ID
	body := map[string]any{
		"action":   "disable",
		"filter":   map[string]any{"tag": "x"},
		"dryRun":   false,
		"expected": 1,
	}
	o.key(t, tagged("x", nil))
	o.admin.Call(t, http.MethodPost, o.keys+"/bulk", body).Refused(t, http.StatusConflict,
		"conflict")

	if k := o.show(t, id); k["enabled"] != true {
		t.Errorf("%v", k)
	}

	var jobs struct{ Items []bulkJob }
	o.admin.Call(t, http.MethodGet, o.path("jobs"), nil).Want(t, http.StatusOK).Into(t, &jobs)

	if len(jobs.Items) != 0 {
		t.Errorf("%+v", jobs)
	}
}

// A repeated call makes no second job, and says how far the first one is.
func TestBulkOnce(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	o.key(t, tagged("x", nil))
	body := map[string]any{
		"action":   "disable",
		"filter":   map[string]any{"tag": "x"},
		"dryRun":   false,
		"expected": 1,
	}
	first := o.bulk(t, o.admin, body, http.StatusAccepted, "Idempotency-Key: one")

	again := o.bulk(t, o.admin, body, http.StatusAccepted, "Idempotency-Key: one")
	if !again.Replayed || first.Replayed || again.Job.ID != first.Job.ID ||
		again.Job.State != "done" {
		t.Errorf("%+v\n%+v", first, again)
	}

	body["action"] = "revoke"
	o.admin.Call(t, http.MethodPost, o.keys+"/bulk", body, "Idempotency-Key: one").Refused(t,
		http.StatusUnprocessableEntity, "idempotency_mismatch")
}

func TestBulkThatIsRefused(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, nil)
	filter := map[string]any{}
	post := func(body map[string]any, status int, code string, locations ...string) wrong {
		return wrong{http.MethodPost, "{keys}/bulk", body, nil, status, code, locations}
	}
	refuseAll(t, o, k, o.admin, map[string]wrong{
		"nothing": post(map[string]any{}, 422, "validation", "body.action", "body.filter"),
		"no filter": post(map[string]any{
			"action":   "revoke",
			"dryRun":   false,
			"expected": 2,
		}, 422, "validation", "body.filter"),
		"null for a filter": post(map[string]any{
			"action": "revoke",
			"filter": nil,
		}, 422, "validation", "body.filter"),
		"another action": post(map[string]any{
			"action": "delete",
			"filter": filter,
		}, 422, "validation", "body.action"),
		"an unknown filter": post(map[string]any{
			"action": "revoke",
			"filter": map[string]any{"tags": "x"},
		}, 422, "validation", "body.filter.tags"),
		"a status that is none": post(map[string]any{
			"action": "revoke",
			"filter": map[string]any{"status": "on"},
		}, 422, "validation", "body.filter.status"),
		"no expectation": post(map[string]any{
			"action": "revoke",
			"filter": filter,
			"dryRun": false,
		}, 422, "validation", "body.expected"),
		"extend to nothing": post(map[string]any{
			"action": "extend",
			"filter": filter,
		}, 422, "validation", "body.expiresAt"),
		"extend twice": post(map[string]any{
			"action":    "extend",
			"filter":    filter,
			"expiresIn": "1d",
			"expiresAt": "2099-01-01T00:00:00Z",
		}, 422, "validation", "body.expiresIn"),
		"extend into the past": post(map[string]any{
			"action":    "extend",
			"filter":    filter,
			"expiresAt": "2020-01-01T00:00:00Z",
		}, 422, "validation", "body.expiresAt"),
		"revoke until": post(map[string]any{
			"action":    "revoke",
			"filter":    filter,
			"expiresIn": "1d",
		}, 422, "validation", "body.expiresIn"),
		"disable until": post(map[string]any{
			"action":    "disable",
			"filter":    filter,
			"expiresAt": "2099-01-01T00:00:00Z",
		}, 422, "validation", "body.expiresAt"),
		"compromised, disabled": post(map[string]any{
			"action":      "disable",
			"filter":      filter,
			"compromised": true,
		}, 422, "validation", "body.compromised"),
		"no such job": {
			http.MethodGet, "/v1/organizations/" + o.id + "/jobs/0000000000000000", nil, nil, 404,
			"not_found", nil,
		},
		"what is no id": {
			http.MethodGet, "/v1/organizations/" + o.id + "/jobs/x", nil, nil, 404, "not_found",
			nil,
		},
	})
}

// Each action asks for the permission of what it does; the number of keys is told to nobody else.
func TestBulkPermissions(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	for permission, may := range map[string][]string{
		"keys:write":  {"enable", "extend"},
		"keys:revoke": {"revoke", "disable"},
	} {
		c := o.with(t, map[string]any{"permissions": []string{permission}})
		for _, action := range []string{"revoke", "disable", "enable", "extend"} {
			body := map[string]any{"action": action, "filter": map[string]any{}}
			if action == "extend" {
				body["expiresIn"] = "1d"
			}

			a := c.Call(t, http.MethodPost, o.keys+"/bulk", body)
			if slices.Contains(may, action) {
				a.Want(t, http.StatusOK)
			} else if p := a.Refused(t, http.StatusForbidden,
				"permission_denied"); p.RequiredPermission == permission ||
				p.RequiredPermission == "" {
				t.Errorf("%s with %s: %+v", action, permission, p)
			}
		}
	}
}

// A key extends none beyond its own end, itself neither, and none beyond what the organization lets
// one live.
func TestBulkExtendWithinBounds(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	id := o.key(t, tagged("x", map[string]any{"expiresIn": "1d"})).Key.ID
	short := o.with(t, map[string]any{"permissions": []string{"keys:write"}, "expiresIn": "5d"})

	extend := func(in string) map[string]any {
		return map[string]any{
			"action":    "extend",
			"filter":    map[string]any{"tag": "x"},
			"expiresIn": in,
		}
	}
	if p := short.Call(t, http.MethodPost, o.keys+"/bulk", extend("6d")).Refused(t,
		http.StatusUnprocessableEntity, "escalation"); len(p.Errors) != 1 ||
		p.Errors[0].Location != "body.expiresIn" {
		t.Errorf("%+v", p.Errors)
	}

	o.apply(t, short, extend("4d"))
	o.admin.Call(t, http.MethodPatch, o.path(), map[string]any{
		"settings": map[string]any{"longestLife": map[string]any{"production": "7d"}},
	}).Want(t, http.StatusOK)
	before := o.show(t, id)

	b := o.apply(t, o.admin, extend("8d"))
	if b.Job.Result.Failed != 1 || len(b.Job.Errors) != 1 || b.Job.Errors[0].KeyID != id ||
		b.Job.Errors[0].Code != "validation" {
		t.Errorf("%+v", b.Job)
	}

	if diff := cmp.Diff(before, o.show(t, id)); diff != "" {
		t.Errorf("a key that lives too long (-before +after):\n%s", diff)
	}
}

// A person's bulk finds and changes the keys that they may change one by one, and no other; a job
// tells them nothing of keys that they may not see.
func TestBulkOfPeople(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	mine := func(c localtest.Client, ownership string) string {
		return c.CreateKey(t, s.id, map[string]any{
			"name":        "x",
			"environment": "production",
			"ownership":   ownership,
			"permissions": []string{},
			"tags":        []string{"p"},
			"expiresIn":   "1d",
		}).Key.ID
	}
	member := mine(s.callers["member"], "personal")
	owner := mine(s.owner.Client, "personal")
	shared := mine(s.callers["org-grant"], "organization")
	grants := mine(s.callers["org-grant"], "personal")

	filter := map[string]any{"tag": "p", "status": "all"}
	for by, want := range map[string][]string{
		"admin":        {member, owner, shared, grants},
		"member":       {member},
		"owner":        {owner},
		"org-grant":    {shared, grants},
		"others-grant": {member, owner, grants},
		"keys:revoke":  {member, owner, shared, grants},
	} {
		found := s.bulk(t, s.callers[by], map[string]any{
			"action": "disable",
			"filter": filter,
		}, http.StatusOK)

		var got []string
		for _, k := range found.Sample {
			got = append(got, k.ID)
		}

		matched := len(want)
		if by == "keys:revoke" { // it reads no keys, and so is shown none
			want = nil
		}

		slices.Sort(got)
		slices.Sort(want)

		if diff := cmp.Diff(want, got); diff != "" || found.Matched != matched {
			t.Errorf("%s finds %d (-want +got):\n%s", by, found.Matched, diff)
		}
	}

	none := s.bulk(t, s.callers["member"], map[string]any{
		"action": "disable",
		"filter": map[string]any{"ownership": "organization", "status": "all"},
	}, http.StatusOK)
	if none.Matched != 0 || none.Sample == nil {
		t.Errorf("%+v", none)
	}

	b := s.apply(t, s.callers["member"], map[string]any{"action": "disable", "filter": filter})
	for _, id := range []string{owner, shared, grants} {
		if k := s.show(t, id); k["enabled"] != true {
			t.Errorf("a member disabled %v", k)
		}
	}

	if b.Matched != 1 || s.show(t, member)["enabled"] != false || b.Job.CreatedBy.Type != "user" {
		t.Errorf("%+v", b)
	}

	// Keys that cannot be extended are told to those who see them.
	machine.Operator().Call(t, http.MethodPatch, s.path(), map[string]any{
		"settings": map[string]any{"longestLife": map[string]any{"production": "2d"}},
	}).Want(t, http.StatusOK)

	failing := s.apply(t, s.callers["admin"], map[string]any{
		"action":    "extend",
		"expiresIn": "3d",
		"filter":    filter,
	})
	for by, want := range map[string][]string{
		"admin":        {member, owner, shared, grants},
		"viewer":       {shared},
		"member":       {member, shared},
		"owner":        {owner, shared},
		"others-grant": {member, owner, shared, grants},
		"keys:read":    {member, owner, shared, grants},
		"operator":     {member, owner, shared, grants},
	} {
		var one bulkJob
		var list struct{ Items []bulkJob }
		s.callers[by].Call(t, http.MethodGet, s.path("jobs", failing.Job.ID), nil).Want(t,
			http.StatusOK).Into(t, &one)
		s.callers[by].Call(t, http.MethodGet, s.path("jobs?limit=1"), nil).Want(t,
			http.StatusOK).Into(t, &list)
		slices.Sort(want)

		for where, j := range map[string]bulkJob{"one": one, "list": list.Items[0]} {
			var got []string
			for _, e := range j.Errors {
				got = append(got, e.KeyID)
			}

			slices.Sort(got)

			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, in the %s (-want +got):\n%s", by, where, diff)
			}
		}
	}
}

func TestListOfJobs(t *testing.T) {
	t.Parallel()
	o, other := newTenant(t), newTenant(t)

	var want, got []string
	for range 5 {
		b := o.bulk(t, o.admin, map[string]any{
			"action":   "disable",
			"filter":   map[string]any{"tag": "none"},
			"dryRun":   false,
			"expected": 0,
		}, http.StatusAccepted)
		want = append([]string{b.Job.ID}, want...)
	}

	for path, more := o.path("jobs?limit=2"), true; more; {
		var list struct {
			Items      []bulkJob
			NextCursor *string
		}
		o.admin.Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK).Into(t, &list)

		for _, j := range list.Items {
			got = append(got, j.ID)
		}

		if more = list.NextCursor != nil; more {
			path = o.path("jobs?limit=2&cursor=" + *list.NextCursor)
			other.admin.Call(t, http.MethodGet, other.path("jobs?limit=2&cursor="+*list.NextCursor),
				nil).Refused(t, http.StatusBadRequest, "malformed")
		}
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	other.admin.Call(t, http.MethodGet, other.path("jobs", want[0]), nil).Refused(t,
		http.StatusNotFound, "not_found")
}

// The filter by last use is the list's, in the dry run and in the job.
func TestBulkOfUnusedKeys(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	used := o.key(t, tagged("u", map[string]any{
		"permissions": []string{"messages:read"},
	}))
	unused := o.key(t, tagged("u", nil)).Key.ID
	machine.As(used.Secret).Call(t, http.MethodGet, "/production/messages", nil).Want(t,
		http.StatusOK)

	for end := time.Now().Add(time.Minute); o.show(t,
		used.Key.ID)["lastUsed"] == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the use of a key is not known")
		}
	}

	filter := map[string]any{"tag": "u", "unusedSince": "1h"}

	b := o.apply(t, o.admin, map[string]any{"action": "disable", "filter": filter})
	if b.Matched != 1 || b.Job.Result.Changed != 1 || o.show(t, unused)["enabled"] != false ||
		o.show(t, used.Key.ID)["enabled"] != true {
		t.Errorf("%+v", b)
	}

	o.admin.Call(t, http.MethodPost, o.keys+"/bulk", map[string]any{
		"action": "disable",
		"filter": map[string]any{"unusedSince": "long ago"},
	}).Refused(t, http.StatusUnprocessableEntity, "validation")
}
