package adminapi_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/operator"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// things are one of each that an organization has, made past the functions.
type things struct {
	org, member, customer, key, job, request string
}

// things makes them new, whose names begin so.
func (o *office) things(t *testing.T, org, name string) things {
	t.Helper()
	made := things{
		org:      org,
		member:   name + "@" + org + ".test",
		customer: name,
		request:  org + "-" + name,
	}
	o.member(t, org, made.member, organization.RoleViewer)
	o.customer(t, org, made.customer)
	k, _ := o.MustKey(t, func(k *apikey.Key) { k.OrganizationID, k.Name = org, name })
	made.key = k.ID
	made.job = yard{o.Kit}.job(t, org, 0).ID

	err := o.Hot.PutRequest(t.Context(), usage.Request{
		ID:             made.request,
		At:             o.Clock.Now(),
		Environment:    apikey.Production,
		OrganizationID: org,
		KeyID:          k.ID,
		Outcome:        "allowed",
	})
	if err != nil {
		t.Fatal(err)
	}

	return made
}

// calls are the request of each operation that an organization's admin may do, on its things. A new
// organization's id ends so.
func (th things) calls(suffix string) map[organization.Operation]call {
	org := "/v1/organizations/" + th.org
	keys, key := org+"/keys", org+"/keys/"+th.key
	member := org + "/members/" + th.member
	customer := org + "/customers/" + th.customer
	return map[organization.Operation]call{
		organization.GetMe:          {method: http.MethodGet, path: "/v1/me"},
		organization.GetPermissions: {method: http.MethodGet, path: "/v1/permissions"},
		organization.CreateOrganization: {
			method: http.MethodPost,
			path:   "/v1/organizations",
			body:   `{"name": "New", "id": "new-` + suffix + `"}`,
		},
		organization.GetOrganization: {method: http.MethodGet, path: org},
		organization.UpdateOrganization: {
			method: http.MethodPatch,
			path:   org,
			body:   `{"name": "x` + suffix + `"}`,
		},
		organization.DeleteOrganization: {method: http.MethodDelete, path: org},
		organization.ListMembers:        {method: http.MethodGet, path: org + "/members"},
		organization.GetMember:          {method: http.MethodGet, path: member},
		organization.PutMember: {
			method: http.MethodPut,
			path:   member,
			body:   `{"role": "member"}`,
		},
		organization.DeleteMember: {method: http.MethodDelete, path: member},
		organization.CreateCustomer: {
			method: http.MethodPost,
			path:   org + "/customers",
			body:   `{"name": "x"}`,
		},
		organization.ListCustomers: {method: http.MethodGet, path: org + "/customers"},
		organization.GetCustomer:   {method: http.MethodGet, path: customer},
		organization.UpdateCustomer: {
			method: http.MethodPatch,
			path:   customer,
			body:   `{"name": "y"}`,
		},
		organization.DeleteCustomer: {method: http.MethodDelete, path: customer},
		organization.CreateKey: {
			method: http.MethodPost,
			path:   keys,
			body:   `{"name": "A", "environment": "production", "permissions": [], "customers": ["` + th.customer + `"]}`,
		},
		organization.ImportKeys: {
			method: http.MethodPost,
			path:   keys + "/import",
			body: `{"keys": [{"name": "A", "environment": "production", "hash": "` +
				strings.Repeat("ab", 32) + `", "algorithm": "sha256"}]}`,
		},
		organization.ListKeys: {method: http.MethodGet, path: keys},
		organization.GetKey:   {method: http.MethodGet, path: key},
		organization.UpdateKey: {
			method: http.MethodPatch,
			path:   key,
			body:   `{"name": "z"}`,
		},
		organization.DeleteKey: {method: http.MethodDelete, path: key},
		organization.RegenerateKey: {
			method: http.MethodPost,
			path:   key + "/regenerate",
			body:   `{}`,
		},
		organization.RotateKey: {
			method: http.MethodPost,
			path:   key + "/rotate",
			body:   `{}`,
		},
		organization.GetRotation: {method: http.MethodGet, path: key + "/rotation"},
		organization.FinishRotation: {
			method: http.MethodPost,
			path:   key + "/rotation/finish",
			body:   `{}`,
		},
		organization.RevokeKey: {
			method: http.MethodPost,
			path:   key + "/revoke",
			body:   `{}`,
		},
		organization.RestoreKey: {
			method: http.MethodPost,
			path:   key + "/restore",
			body:   `{}`,
		},
		organization.BulkKeys: {
			method: http.MethodPost,
			path:   keys + "/bulk",
			body:   `{"action": "disable", "filter": {"tag": "none"}, "dryRun": false, "expected": 0}`,
		},
		organization.ListJobs: {method: http.MethodGet, path: org + "/jobs"},
		organization.GetJob:   {method: http.MethodGet, path: org + "/jobs/" + th.job},
		organization.ExplainKey: {
			method: http.MethodPost,
			path:   key + "/explain",
			body:   `{"method": "GET", "path": "/messages"}`,
		},
		organization.KeyAdvice:   {method: http.MethodGet, path: key + "/advice"},
		organization.ListAdvice:  {method: http.MethodGet, path: org + "/advice"},
		organization.KeyHistory:  {method: http.MethodGet, path: key + "/history"},
		organization.ListHistory: {method: http.MethodGet, path: org + "/history"},
		organization.KeyUsage:    {method: http.MethodGet, path: key + "/usage"},
		organization.GetUsage:    {method: http.MethodGet, path: org + "/usage"},
		organization.KeyRequests: {method: http.MethodGet, path: key + "/requests"},
		organization.GetRequest: {
			method: http.MethodGet,
			path:   org + "/requests/" + th.request,
		},
	}
}

// send makes a call.
func (o *office) send(t *testing.T, caller map[string]any, c call, headers ...string) response {
	t.Helper()
	body, _ := c.body.(string)
	return o.call(t, caller, c.method, c.path, body, headers...)
}

// but is all that stands in the table core, in order, but for what has to do with an organization.
func (o *office) but(t *testing.T, org string) []string {
	t.Helper()

	var rows []string
	for _, item := range o.Items(t) {
		text, err := json.Marshal(item)
		if err != nil {
			t.Fatal(err)
		}

		if !strings.Contains(string(text), org) {
			rows = append(rows, string(text))
		}
	}

	slices.Sort(rows)
	return rows
}

// Whoever is in one organization reaches nothing of another: not in its own path, nor by its ids
// under theirs, whatever the operation. Every answer is that of what does not exist, and nothing of
// the other changes.
func TestOrganizationsDoNotReachEachOther(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	theirs := o.things(t, "acme", "theirs")
	mine := o.things(t, "globex", "mine")
	admin, _ := o.MustKey(t, func(k *apikey.Key) {
		k.OrganizationID = "globex"
		k.Permissions = adminPermissions()
		k.Grantable = apikey.GrantCatalogue
	})
	personal, _ := o.MustKey(t, func(k *apikey.Key) {
		k.OrganizationID = "globex"
		k.Permissions = adminPermissions()
		k.Ownership = apikey.Personal
		k.Owner = apikey.Actor{
			Type:  apikey.ActorUser,
			ID:    "id of root@globex.test",
			Email: "root@globex.test",
		}
	})
	// The ids of the other organization, under one's own.
	mixed := theirs
	mixed.org = mine.org

	before := o.but(t, "globex")
	for name, caller := range map[string]map[string]any{
		"a person":       by("root@globex.test"),
		"a key":          byKey(admin),
		"a personal key": byKey(personal),
	} {
		for op, c := range theirs.calls("matrix") {
			if strings.HasPrefix(c.path, "/v1/organizations/") {
				o.send(t, caller, c).want(t, name+": "+string(op)+" in their path",
					http.StatusNotFound, "not_found")
			}
		}

		for op, c := range mixed.calls("matrix") {
			if !strings.Contains(c.path, theirs.key) && !strings.Contains(c.path, theirs.member) &&
				!strings.Contains(c.path, "/"+theirs.customer) &&
				!strings.Contains(c.path, theirs.job) && !strings.Contains(c.path, theirs.request) {
				continue // it names nothing of theirs
			}

			if op == organization.PutMember {
				continue // an invitation: below
			}

			o.send(t, caller, c).want(t, name+": "+string(op)+" of theirs", http.StatusNotFound,
				"not_found")
		}

		scoped := mixed.calls("matrix")[organization.CreateKey]
		o.send(t, caller, scoped).want(t, name+": a key for their customer",
			http.StatusUnprocessableEntity, "validation")
		o.call(t, caller, http.MethodPatch, "/v1/organizations/globex/keys/"+mine.key,
			`{"customers": ["`+theirs.customer+`"]}`).
			want(t, name+": a key changed to their customer", http.StatusUnprocessableEntity,
				"validation")

		found := o.call(t, caller, http.MethodGet,
			"/v1/organizations/globex/keys?status=all&customer="+theirs.customer, "").want(t,
			"a list", http.StatusOK, "")
		if strings.Contains(found.Body, theirs.key) {
			t.Errorf("%s: %s", name, found.Body)
		}

		found = o.call(t, caller, http.MethodPost, "/v1/organizations/globex/keys/bulk",
			`{"action": "revoke", "filter": {"q": "`+theirs.key+`"}}`).want(t, "a bulk change",
			http.StatusOK, "")
		if !strings.Contains(found.Body, `"matched":0`) {
			t.Errorf("%s: %s", name, found.Body)
		}
	}

	// To invite somebody whom another organization has takes nothing from that one.
	o.send(t, by("root@globex.test"), mixed.calls("")[organization.PutMember]).want(t,
		"an invitation", http.StatusCreated, "")

	if diff := cmp.Diff(before, o.but(t, "globex")); diff != "" {
		t.Errorf("the other organization (-before +after):\n%s", diff)
	}

	for op := range organization.Rules() {
		if _, has := theirs.calls("")[op]; !has && op != organization.PutPermissions {
			t.Errorf("%s is in no row", op)
		}
	}
}

// An Idempotency-Key is its caller's: in another organization, or by somebody else, the same key
// with the same body is another call.
func TestIdempotencyKeysAreNotShared(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.member(t, "acme", "second@acme.test", organization.RoleAdmin)
	const body = `{"name": "A", "environment": "production", "permissions": []}`

	seen := map[string]bool{}
	for _, c := range [][2]string{
		{"root@acme.test", "acme"},
		{"second@acme.test", "acme"},
		{"root@globex.test", "globex"},
	} {
		r := o.call(t, by(c[0]), http.MethodPost, "/v1/organizations/"+c[1]+"/keys", body,
			"Idempotency-Key: same").want(t, c[0], http.StatusCreated, "")

		var made struct {
			Key      struct{ ID string }
			Secret   string
			Replayed bool
		}
		if err := json.Unmarshal([]byte(r.Body), &made); err != nil || made.Replayed ||
			made.Secret == "" || seen[made.Key.ID] {
			t.Errorf("%s: replayed %v, %v", c[0], made.Replayed, err)
		}

		seen[made.Key.ID] = true
	}

	o.call(t, by("root@globex.test"), http.MethodPost, "/v1/organizations/acme/keys", body,
		"Idempotency-Key: same").
		want(t, "in the other's path", http.StatusNotFound, "not_found")
}

// A cursor with any bit changed, cut short or made longer is none, and never another page.
func TestChangedCursorsAreRefused(t *testing.T) {
	t.Parallel()

	o := newOffice(t)
	for i := range 3 {
		o.things(t, "acme", fmt.Sprintf("c%d", i))
	}

	root := by("root@acme.test")
	for _, list := range []string{"keys", "customers", "jobs", "members"} {
		path := "/v1/organizations/acme/" + list + "?limit=1"
		var page struct{ NextCursor string }

		r := o.call(t, root, http.MethodGet, path, "").want(t, list, http.StatusOK, "")
		if err := json.Unmarshal([]byte(r.Body), &page); err != nil || page.NextCursor == "" {
			t.Fatalf("%s: %v, %s", list, err, r.Body)
		}

		sealed, err := base64.RawURLEncoding.DecodeString(page.NextCursor)
		if err != nil {
			t.Fatal(err)
		}

		refuse := func(what string, cursor []byte) {
			t.Helper()
			o.call(t, root, http.MethodGet,
				path+"&cursor="+base64.RawURLEncoding.EncodeToString(cursor), "").
				want(t, list+", "+what, http.StatusBadRequest, "malformed")
		}
		for i := range sealed {
			changed := slices.Clone(sealed)
			changed[i] ^= 1 << (i % 8)
			refuse(fmt.Sprintf("byte %d", i), changed)
		}

		refuse("cut short", sealed[:len(sealed)-1])
		refuse("longer", append(slices.Clone(sealed), 0))
		o.call(t, root, http.MethodGet, path+"&cursor="+page.NextCursor, "").want(t, "as it was",
			http.StatusOK, "")
	}
}

// Of however many demotions and removals of admins at once, one admin is left, and the number that
// the organization keeps is right.
func TestLastAdminStaysInARace(t *testing.T) {
	t.Parallel()
	o := newOffice(t)

	admins := []string{"root@acme.test"}
	for i := range 3 {
		admins = append(admins, fmt.Sprintf("a%d@acme.test", i))
		o.call(t, by("root@acme.test"), http.MethodPut,
			"/v1/organizations/acme/members/"+admins[i+1], `{"role": "admin"}`).want(t,
			"making one", http.StatusCreated, "")
	}

	for _, email := range admins[1:] {
		o.call(t, by(email), http.MethodGet, "/v1/organizations/acme", "").want(t, "joining",
			http.StatusOK, "")
	}

	var calls sync.WaitGroup
	// each of themselves, since whoever is no admin any more ends nobody else
	for i, email := range admins {
		calls.Go(func() {
			method, body := http.MethodPut, `{"role": "viewer"}`
			if i%2 == 1 {
				method, body = http.MethodDelete, ""
			}

			r := o.call(t, by(email), method, "/v1/organizations/acme/members/"+email, body)
			if r.Status >= http.StatusInternalServerError {
				t.Errorf("%s of %s: %d %s", method, email, r.Status, r.Body)
			}
		})
	}

	calls.Wait()

	members, err := o.Store.Members(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}

	left := 0
	for i := range members {
		if members[i].Role == organization.RoleAdmin && members[i].LeavingAt.IsZero() {
			left++
		}
	}

	if made, err := o.Store.Organization(t.Context(), "acme"); err != nil || left < 1 ||
		made.Admins != left {
		t.Errorf("%d admins are left, and the organization says %d: %v", left, made.Admins, err)
	}
}

// unwrapping fails as KMS does that does not answer.
type unwrapping struct{ pepper.Provider }

// Unwrap implements pepper.Provider.
func (unwrapping) Unwrap(context.Context, pepper.Scope, []byte) ([]byte, error) {
	return nil, errors.New("KMS does not answer")
}

// Whatever fails of what an operation needs, its answer is 503, or what it is without the fault:
// neither 401, 403 nor 404, which would be a verdict, nor a success for a change that was not made.
func TestOutagesAtEachOperation(t *testing.T) {
	t.Parallel()
	operations := slices.Sorted(maps.Keys(things{}.calls("")))
	operations = slices.DeleteFunc(operations, func(op organization.Operation) bool {
		return op == organization.DeleteOrganization
	})
	operations = append(operations, organization.DeleteOrganization) // after all that needs it

	whole := []string{"everything", "KMS", "BatchGetItem"} // which every operation needs
	for _, fault := range append(slices.Clone(whole), "GetItem", "Query", "TransactWriteItems",
		"an answer") {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)

			refused, allowed := 0, 0
			for _, op := range operations {
				c := o.things(t, "acme",
					strings.ToLower(string(op))).calls(strings.ToLower(string(op)))[op]
				healthy := o.things(t, "globex",
					strings.ToLower(string(op))).calls("w-" + strings.ToLower(string(op)))[op]

				want := o.send(t, by("root@globex.test"), healthy).Status
				switch fault {
				case "everything":
					o.functions.Traffic.Inject(storetest.Always(storetest.Refused))
				case "KMS":
					o.instance(o.With(unwrapping{o.Provider}))
				case "an answer":
					o.functions.Traffic.Inject(storetest.Always(storetest.DropAnswer,
						"TransactWriteItems"))
				default:
					o.functions.Traffic.Inject(storetest.Always(storetest.Broken, fault))
				}

				r := o.send(t, by("root@acme.test"), c)
				o.functions.Traffic.Inject(nil)

				if fault == "KMS" {
					o.restart()
				}

				switch {
				case r.Status == http.StatusServiceUnavailable:
					refused++
					r.want(t, string(op), http.StatusServiceUnavailable, "unavailable")

					if len(r.Headers["Retry-After"]) != 1 {
						t.Errorf("%s: a 503 without Retry-After", op)
					}
				case slices.Contains(whole, fault):
					t.Errorf("%s: %d, want 503\n%s", op, r.Status, r.Body)
				case r.Status == want ||
					want == http.StatusNoContent && r.Status == http.StatusAccepted:
					// a job that upkeep goes on with
					allowed++
				default:
					t.Errorf("%s: %d, want 503 or %d\n%s", op, r.Status, want, r.Body)
				}

				if fault == "TransactWriteItems" && c.method != http.MethodGet &&
					r.Status < http.StatusMultipleChoices && op != organization.ExplainKey &&
					op != organization.RestoreKey {
					t.Errorf("%s: %d, though nothing was written\n%s", op, r.Status, r.Body)
				}
			}

			if refused == 0 || !slices.Contains(whole, fault) && allowed == 0 {
				t.Errorf("%d refused, %d as without the fault: the fault is not where it should be",
					refused, allowed)
			}
		})
	}
}

// The catalogue is put by an operator's key alone: the same, for that.
func TestOutagesWhileTheCatalogueIsPut(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	k, _ := o.MustKey(t, func(k *apikey.Key) {
		k.OrganizationID = apikey.OperatorOrganization
		k.Permissions = operator.Permissions()
	})

	const body = `{"permissions": [{"name": "all:read", "title": "All", "routes": [{"api": "*", "method": "GET", "path": "/{proxy+}"}]}]}`
	for _, fault := range []string{"GetItem", "TransactWriteItems", "Query"} {
		o.functions.Traffic.Inject(storetest.Always(storetest.Broken, fault))

		r := o.call(t, byKey(k), http.MethodPut, "/v1/permissions", body, `If-Match: "1"`)
		if fault != "Query" || r.Status != http.StatusOK {
			r.want(t, fault, http.StatusServiceUnavailable, "unavailable")
		}
	}

	o.functions.Traffic.Inject(nil)
	got, version, err := o.Store.Catalogue(t.Context(), apikey.Production)

	want := []permission.Permission{{Name: "messages:read", Title: "Read messages"}}
	if diff := cmp.Diff(want, got); version == 1 && (diff != "" || err != nil) {
		t.Errorf("the catalogue: %v (-want +got):\n%s", err, diff)
	}
}
