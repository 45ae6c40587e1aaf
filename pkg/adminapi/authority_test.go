package adminapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// desk is a process of the admin API over tables of a test's own, in which something can happen
// just before a transaction.
type desk struct {
	yard
	deployment *full.Deployment
	traffic    *storetest.Process
}

func newDesk(t *testing.T) desk {
	t.Helper()
	y := newYard(t, "acme")
	p := y.Restart()
	return desk{y, &full.Deployment{
		Deployment: &boot.Deployment{
			Configuration: boot.Configuration{Brand: storetest.Brand, Profile: "strict"},
			Keyring:       p.Keyring,
			Checker: &check.Checker{
				Brand:        storetest.Brand,
				Environments: apikey.Environments(),
				Keys:         p.Store,
				FirstUses:    p.Hot,
				Peppers:      p.Keyring,
				Settings:     check.NewSettingsCache(p.Store, y.Clock.Now),
				Imports:      check.NewImports(p.Store, y.Clock.Now),
				Now:          y.Clock.Now,
			},
			Logger: y.Log.Logger(),
			Now:    y.Clock.Now,
		},
		Store: p.Store,
		Hot:   p.Hot,
	}, p}
}

// meanwhile lets something happen once, before the nth transaction of the process.
func (d desk) meanwhile(n int, happens func()) {
	once := sync.OnceFunc(happens)
	d.traffic.Traffic.Reset()
	d.traffic.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation == "TransactWriteItems" && r.N >= n {
			once()
		}

		return storetest.None
	})
}

// call calls the admin API as the caller that its authorizer let in.
func (d desk) call(
	t *testing.T, group adminapi.Group, authorizer map[string]any, method, path, body string,
	once ...string,
) (status int, answer map[string]any) {
	t.Helper()

	headers := map[string]any{"Content-Type": "application/json"}
	for _, key := range once {
		headers["Idempotency-Key"] = key
	}

	event, err := json.Marshal(map[string]any{
		"httpMethod": method,
		"path":       path,
		"headers":    headers,
		"body":       body,
		"requestContext": map[string]any{
			"requestId":  "r",
			"authorizer": authorizer,
			"identity":   map[string]any{"sourceIp": "192.0.2.1"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	text, err := adminapi.Function(d.deployment, group).Invoke(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}

	var got struct {
		StatusCode int
		Body       string
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}

	_ = json.Unmarshal([]byte(got.Body), &answer) // a 204 has none
	return got.StatusCode, answer
}

var alice = map[string]any{"userId": "user-1", "userEmail": "alice@acme.test"}

func withKey(k *apikey.Key) map[string]any {
	return map[string]any{"keyId": k.ID, "environment": string(k.Environment)}
}

// demote makes alice a viewer, as another process does.
func (d desk) demote(t *testing.T) {
	m, err := d.Store.Member(t.Context(), "acme", "alice@acme.test")
	if err != nil {
		t.Error(err)
		return
	}

	demoted := *m
	demoted.Role = organization.RoleViewer

	demoted.Version = m.Version + 1
	if err := d.Store.Commit(t.Context(), d.Store.PutMember(&demoted, m.Version)); err != nil {
		t.Error(err)
	}
}

// revoke revokes a key, as another process does.
func (d desk) revoke(t *testing.T, k *apikey.Key) {
	now, err := d.Store.Key(t.Context(), k.Environment, k.ID)
	if err != nil {
		t.Error(err)
		return
	}

	after := now.Clone()
	after.Revocation = &apikey.Revocation{At: d.Clock.Now()}

	after.Version = now.Version + 1
	if err := d.Store.Commit(t.Context(),
		d.Store.PutKey(t.Context(), after, now.Version)); err != nil {
		t.Error(err)
	}
}

// Whoever loses the right to a change between the question and the write changes nothing, also
// where the row that gave the right is the very one that they change.
func TestWhoMayIsAskedAtEachAttempt(t *testing.T) {
	t.Parallel()

	const members = "/v1/organizations/acme/members/"
	for name, test := range map[string]struct {
		group              adminapi.Group
		method, path, body string
	}{
		"their own role": {
			adminapi.GroupOrganizations, "PUT", members + "alice@acme.test",
			`{"role": "admin", "grants": ["manage_others_keys"]}`,
		},
		"another's role": {
			adminapi.GroupOrganizations, "PUT", members + "bob@acme.test", `{"role": "viewer"}`,
		},
		"a removal": {adminapi.GroupOrganizations, "DELETE", members + "carol@acme.test", ""},
		"settings": {
			adminapi.GroupOrganizations, "PATCH", "/v1/organizations/acme", `{"name": "Other"}`,
		},
		"a deletion": {adminapi.GroupOrganizations, "DELETE", "/v1/organizations/acme", ""},
		"a customer": {
			adminapi.GroupOrganizations, "POST", "/v1/organizations/acme/customers",
			`{"name": "C"}`,
		},
		"a key": {
			adminapi.GroupKeys, "POST", "/v1/organizations/acme/keys",
			`{"name": "k", "environment": "staging"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)

			carol := &organization.Member{
				OrganizationID: "acme",
				Email:          "carol@acme.test",
				Role:           organization.RoleViewer,
				InvitedAt:      d.Clock.Now(),
				Version:        1,
			}
			if err := d.Store.Commit(t.Context(), d.Store.PutMember(carol, 0)); err != nil {
				t.Fatal(err)
			}

			d.meanwhile(1, func() { d.demote(t) })

			if status, answer := d.call(t, test.group, alice, test.method,
				test.path, test.body); status != http.StatusForbidden {
				t.Errorf("%d %v", status, answer)
			}

			if m, err := d.Store.Member(t.Context(), "acme", "alice@acme.test"); err != nil ||
				m.Role != organization.RoleViewer {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
}

// A key that is revoked between the question and the write changes nothing, neither itself nor
// others.
func TestARevokedKeyChangesNothing(t *testing.T) {
	t.Parallel()

	for _, own := range []bool{true, false} {
		d := newDesk(t)
		caller, _ := d.MustKey(t, func(k *apikey.Key) {
			k.Permissions = []string{"keys:read", "keys:write"}
		})

		target, _ := d.MustKey(t, nil)
		if own {
			target = caller
		}

		d.meanwhile(1, func() { d.revoke(t, caller) })
		status, answer := d.call(t, adminapi.GroupKeys, withKey(caller), "PATCH",
			"/v1/organizations/acme/keys/"+target.ID, `{"description": "theirs"}`)

		after, err := d.Store.Key(t.Context(), target.Environment, target.ID)
		if status != http.StatusUnauthorized || err != nil || after.Description == "theirs" {
			t.Errorf("own %v: %d %v, %+v, %v", own, status, answer, after, err)
		}
	}
}

// An import goes step by step, and ends with its maker's right.
func TestImportEndsWithItsMaker(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	maker, _ := d.MustKey(t, func(k *apikey.Key) { k.Permissions = []string{"keys:write"} })

	_, entries := many(100)
	for i := range entries {
		entries[i]["permissions"] = []string{}
	}

	body, err := json.Marshal(map[string]any{"keys": entries})
	if err != nil {
		t.Fatal(err)
	}

	d.meanwhile(3, func() { d.revoke(t, maker) }) // the first is that the environment has imports

	status, answer := d.call(t, adminapi.GroupKeys, withKey(maker), "POST",
		"/v1/organizations/acme/keys/import", string(body))
	if status != http.StatusUnauthorized {
		t.Errorf("%d %v", status, answer)
	}

	imported := 0
	for _, item := range d.Items(t) {
		if item["secret"] != nil {
			imported++
		}
	}

	if imported--; imported != 20 { // but for the maker's own
		t.Errorf("%d keys, want those of the step before", imported)
	}
}

// A bulk change ends with its maker's right, and its job says so.
func TestBulkEndsWithItsMaker(t *testing.T) {
	t.Parallel()

	for name, lose := range map[string]func(t *testing.T, d desk){
		"demoted": func(t *testing.T, d desk) { d.demote(t) },
		"removed": func(t *testing.T, d desk) {
			m, err := d.Store.Member(t.Context(), "acme", "alice@acme.test")
			if err == nil {
				err = d.Store.Commit(t.Context(), d.Store.RemoveMember(m))
			}

			if err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			keys := d.keys(t, "acme", 100)
			j := d.job(t, "acme", len(keys))
			d.meanwhile(2, func() { lose(t, d) })

			if _, err := newWorker(d.deployment).Run(t.Context()); err != nil {
				t.Fatal(err)
			}

			got := d.read(t, j)
			if got.State != job.Failed || got.Result.Changed != 45 || len(got.Errors) != 1 ||
				got.Errors[0].Code != "permission_denied" {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A bulk stop of all keys ends the key that makes it last, so that it comes to its end over several
// steps.
func TestBulkEndsItsOwnKeyLast(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	keys := d.keys(t, "acme", 100)
	maker, _ := d.MustKey(t, func(k *apikey.Key) {
		k.Permissions = []string{"keys:read", "keys:revoke"}
	})
	j := d.job(t, "acme", len(keys)+1)
	j.CreatedBy = apikey.Actor{
		Type:    apikey.ActorKey,
		ID:      maker.ID,
		KeyName: maker.Name,
	}
	j.Version = 2
	d.put(t, j, 1)

	if _, err := newWorker(d.deployment).Run(t.Context()); err != nil {
		t.Fatal(err)
	}

	d.finished(t, j, len(keys)+1)
	d.disabled(t, j, append(keys, maker))
}

// An operator's key widens where it may, not what: what it lacks, it neither hands out nor takes.
func TestOperatorsTakeNoMoreThanTheyHold(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	operator := func(fields map[string]any) localtest.Client {
		return machine.As(machine.Operator().CreateKey(t, "_operators", merged(map[string]any{
			"name":        "Op",
			"environment": "production",
		}, fields)).Secret)
	}
	strong := o.with(t, map[string]any{"permissions": adminPermissions()})
	var self struct{ KeyID string }
	strong.Call(t, http.MethodGet, "/v1/whoami", nil).Want(t, http.StatusOK).Into(t, &self)

	rotator := operator(map[string]any{"permissions": []string{"keys:rotate"}})
	for _, what := range []string{"regenerate", "rotate"} {
		rotator.Call(t, http.MethodPost, o.keys+"/"+self.KeyID+"/"+what, nil).Refused(t,
			http.StatusUnprocessableEntity, "escalation")
	}

	inviter := operator(map[string]any{"permissions": []string{"members:write"}})
	for _, role := range []string{"admin", "member", "viewer"} {
		inviter.Call(t, http.MethodPut, o.path("members/x@people.test"), map[string]any{
			"role": role,
		}).Refused(t, http.StatusUnprocessableEntity, "escalation")
	}

	bound := operator(map[string]any{
		"permissions": []string{"keys:write"},
		"expiresIn":   "1h",
		"rateLimits":  []map[string]any{{"name": "r", "limit": 100, "window": "1m"}},
	})

	limits := []map[string]any{{"name": "r", "limit": 1, "window": "1m"}}
	for name, fields := range map[string]map[string]any{
		"without end":    {"permissions": []string{}, "expiresIn": "2h", "rateLimits": limits},
		"without limits": {"permissions": []string{}},
		"all permissions": {
			"permissions":    []string{},
			"rateLimits":     limits,
			"allPermissions": true,
		},
		"grantable": {
			"permissions": []string{},
			"rateLimits":  limits,
			"grantable":   "catalogue",
		},
		"a permission": {"permissions": []string{"messages:read"}, "rateLimits": limits},
	} {
		bound.Call(t, http.MethodPost, o.keys, merged(map[string]any{
			"name":        name,
			"environment": "production",
		}, fields)).
			Refused(t, http.StatusUnprocessableEntity, "escalation")
	}

	bound.Call(t, http.MethodGet, "/v1/whoami", nil).Want(t, http.StatusOK).Into(t, &self)

	for _, fields := range []map[string]any{{
		"expiresAt": nil,
	}, {
		"rateLimits": nil,
	}, {
		"allPermissions": true,
	}, {
		"grantable": "catalogue",
	}} {
		bound.Call(t, http.MethodPatch, "/v1/organizations/_operators/keys/"+self.KeyID,
			fields).Refused(t, http.StatusUnprocessableEntity, "escalation")
	}

	// An organization that it makes has a default key with no more than it may hand out.
	maker := operator(map[string]any{
		"permissions": []string{"organization:write"},
		"expiresIn":   "1h",
	})
	var made struct{ Key localtest.Key }
	maker.Call(t, http.MethodPost, "/v1/organizations", map[string]any{
		"name":       t.Name(),
		"firstAdmin": "a@example.test",
	}).
		Want(t, http.StatusCreated).Into(t, &made)

	if made.Key.ExpiresAt == "" || len(made.Key.Permissions) != 0 {
		t.Errorf("%+v", made.Key)
	}
}

// A personal key does no more than its owner may do now, and a demotion says which keys it bounds.
func TestPersonalKeysAreBoundedByTheirOwner(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	boss := o.join(t, "boss", "admin")
	own := boss.CreateKey(t, o.id, map[string]any{
		"name":        "Mine",
		"environment": "production",
		"ownership":   "personal",
		"permissions": append(adminPermissions(), "messages:read"),
		"grantable":   "catalogue",
	})
	other := o.join(t, "other", "member").CreateKey(t, o.id, map[string]any{
		"name":        "Theirs",
		"environment": "production",
		"ownership":   "personal",
	})
	mine := machine.As(own.Secret)
	member := o.path("members/" + boss.email)
	mine.Call(t, http.MethodGet, o.keys+"/"+other.Key.ID, nil).Want(t, http.StatusOK)

	var demoted struct {
		BoundedKeys []struct{ ID, Name string }
	}
	o.admin.Call(t, http.MethodPut, member, map[string]any{
		"role": "viewer",
	}).Want(t, http.StatusOK).Into(t, &demoted)

	if len(demoted.BoundedKeys) != 1 || demoted.BoundedKeys[0].ID != own.Key.ID {
		t.Errorf("%+v", demoted)
	}

	mine.Call(t, http.MethodPut, member, map[string]any{
		"role": "admin",
	}).Refused(t, http.StatusForbidden, "permission_denied")
	mine.Call(t, http.MethodPost, o.keys, map[string]any{
		"name":        "x",
		"environment": "production",
	}).Refused(t, http.StatusForbidden, "permission_denied")
	mine.Call(t, http.MethodGet, o.path("history"), nil).Refused(t, http.StatusForbidden,
		"permission_denied")
	mine.Call(t, http.MethodGet, o.keys+"/"+other.Key.ID, nil).Refused(t, http.StatusNotFound,
		"not_found")

	names, _ := page(t, mine, o.keys+"?ownership=personal")
	if len(names) != 1 {
		t.Errorf("it lists %v", names)
	}

	// the data plane is not the role's
	mine.Call(t, http.MethodGet, "/production/messages", nil).Want(t, http.StatusOK)

	o.admin.Call(t, http.MethodPut, member, map[string]any{"role": "member"}).Want(t, http.StatusOK)
	mine.Call(t, http.MethodPost, o.keys, map[string]any{
		"name":        "x",
		"environment": "production",
	}).Refused(t, http.StatusForbidden, "permission_denied")
	o.admin.Call(t, http.MethodPut, member, map[string]any{
		"role":   "member",
		"grants": []string{"manage_organization_keys"},
	}).Want(t, http.StatusOK)
	mine.Call(t, http.MethodPost, o.keys, map[string]any{
		"name":        "x",
		"environment": "production",
	}).Want(t, http.StatusCreated)
	mine.Call(t, http.MethodPost, o.keys, map[string]any{
		"name":        "x",
		"environment": "production",
		"permissions": []string{"keys:read"},
	}).
		Refused(t, http.StatusUnprocessableEntity, "escalation")
}

// A key changes nothing of itself that bounds it, however it is spelled.
func TestAKeyKeepsItsBounds(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	made := machine.Operator().CreateKey(t, o.id, map[string]any{
		"name":             "Self",
		"environment":      "production",
		"permissions":      []string{"keys:read", "keys:write", "messages:read"},
		"rateLimits":       []map[string]any{{"name": "a", "limit": 600, "window": "1m"}},
		"quota":            map[string]any{"limit": 1000, "period": "day"},
		"allowedAddresses": []string{"127.0.0.0/8", "::1/128"},
		"expiresIn":        "1d",
	})

	self, path := machine.As(made.Secret), o.keys+"/"+made.Key.ID
	for field, value := range map[string]any{
		"rateLimits":       []map[string]any{{"name": "b", "limit": 600, "window": "1m"}},
		"quota":            nil,
		"allowedAddresses": []string{},
		"expiresIn":        "2d",
		"notBefore":        "2020-01-01T00:00:00Z",
		"permissions":      []string{"keys:write", "messages:read"},
		"customers":        []string{"c1"},
	} {
		p := self.Call(t, http.MethodPatch, path, map[string]any{
			field: value,
		}).Refused(t, http.StatusUnprocessableEntity, "escalation")
		if got := p.Locations(); len(got) != 1 || got[0] != "body."+field {
			t.Errorf("%s: %v", field, got)
		}
	}

	self.Call(t, http.MethodPatch, path, map[string]any{
		"name": "Myself",
		"tags": []string{"t"},
	}).Want(t, http.StatusOK)

	// Nor does it make another one that works from anywhere.
	child := map[string]any{
		"name":        "Child",
		"environment": "production",
		"permissions": []string{"messages:read"},
		"rateLimits":  []map[string]any{{"name": "a", "limit": 600, "window": "1m"}},
		"quota":       map[string]any{"limit": 1000, "period": "day"},
	}

	p := self.Call(t, http.MethodPost, o.keys, child).Refused(t, http.StatusUnprocessableEntity,
		"escalation")
	if got := fmt.Sprint(p.Locations()); got != "[body.allowedAddresses]" {
		t.Error(got)
	}

	self.Call(t, http.MethodPost, o.keys, merged(child, map[string]any{
		"allowedAddresses": []string{"127.0.0.1"},
	})).Want(t, http.StatusCreated)
}
