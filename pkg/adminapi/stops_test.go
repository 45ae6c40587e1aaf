package adminapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// attackers is how many connections write at once in these tests.
const attackers = 20

// attack makes a call over and over, from many connections, until stop is called. It returns when
// the first calls were answered.
func attack(t *testing.T, call func(i int) localtest.Answer) (stop func()) {
	t.Helper()
	var over atomic.Bool
	var all sync.WaitGroup

	var calls, written, refused atomic.Int64
	for range attackers {
		all.Go(func() {
			for !over.Load() && t.Context().Err() == nil {
				switch a := call(int(calls.Add(1))); a.Status {
				case http.StatusOK:
					written.Add(1)
				case http.StatusTooManyRequests:
					refused.Add(1)
				}
			}
		})
	}

	for written.Load() < 3 && t.Context().Err() == nil {
		time.Sleep(time.Millisecond)
	}

	return sync.OnceFunc(func() {
		over.Store(true)
		all.Wait()
		t.Logf("%d calls, %d changes, %d refused as too many", calls.Load(), written.Load(),
			refused.Load())
	})
}

// try is a call that may get no answer when the test ends.
func try(t *testing.T, c localtest.Client, method, path string, body any) localtest.Answer {
	t.Helper()

	a, err := c.Try(t, method, path, body)
	if err != nil {
		t.Log(err)
	}

	return a
}

// A stop by somebody entitled lands whoever else writes to the same rows, and what it names does
// nothing from then on.
func TestStopsWin(t *testing.T) {
	loud := map[string]any{
		"permissions": []string{"keys:read", "keys:write", "organization:write", "messages:read"},
		"tags":        []string{"loud"},
		"customers":   []string{"c1"},
	}
	for name, stop := range map[string]func(
		t *testing.T, o tenant, path string, k localtest.Made,
	) localtest.Answer{
		"revoke": func(t *testing.T, o tenant, path string, _ localtest.Made) localtest.Answer {
			return o.admin.Call(t, http.MethodPost, path+"/revoke", nil).Want(t, http.StatusOK)
		},
		"disable": func(t *testing.T, o tenant, path string, _ localtest.Made) localtest.Answer {
			return o.admin.Call(t, http.MethodPatch, path, map[string]any{
				"enabled": false,
			}).Want(t, http.StatusOK)
		},
		"delete": func(t *testing.T, o tenant, path string, _ localtest.Made) localtest.Answer {
			return o.admin.Call(t, http.MethodDelete, path, nil).Want(t, http.StatusNoContent)
		},
		"regenerate": func(t *testing.T, o tenant, path string, _ localtest.Made) localtest.Answer {
			return o.admin.Call(t, http.MethodPost, path+"/regenerate", nil).Want(t, http.StatusOK)
		},
		"leak": func(t *testing.T, _ tenant, _ string, k localtest.Made) localtest.Answer {
			return machine.As("").Call(t, http.MethodPost, "/v1/leaks", map[string]any{
				"secret": k.Secret,
			}).Want(t, http.StatusAccepted)
		},
		"bulk": func(t *testing.T, o tenant, _ string, _ localtest.Made) localtest.Answer {
			b := o.bulk(t, o.admin, map[string]any{
				"action":   "revoke",
				"filter":   map[string]any{"tag": "loud"},
				"dryRun":   false,
				"expected": 1,
			}, http.StatusAccepted)
			if b.Job.State != "done" {
				o.jobDone(t, b.Job.ID)
			}

			return localtest.Answer{}
		},
		"customer": func(t *testing.T, o tenant, _ string, _ localtest.Made) localtest.Answer {
			return o.admin.Call(t, http.MethodDelete,
				o.path("customers/c1?force=true"), nil).Want(t, http.StatusNoContent)
		},
		"organization": func(t *testing.T, o tenant, _ string, _ localtest.Made) localtest.Answer {
			a := o.admin.Call(t, http.MethodDelete, o.path(), nil).Want(t, http.StatusAccepted)
			time.Sleep(10 * time.Second) // by the contract, that is when its keys are refused
			return a
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newTenant(t)
			k := o.key(t, loud)
			path := o.keys + "/" + k.Key.ID
			client := machine.As(k.Secret)
			end := attack(t, func(i int) localtest.Answer {
				switch text := fmt.Sprint("change ", i); i % 4 {
				case 0:
					return try(t, client, http.MethodPatch, o.path(), map[string]any{"name": text})
				case 1:
					return try(t, client, http.MethodPatch, o.path("customers/c1"), map[string]any{
						"name": text,
					})
				default:
					return try(t, client, http.MethodPatch, path, map[string]any{
						"description": text,
					})
				}
			})
			defer end()

			began := time.Now()
			stop(t, o, path, k)
			t.Logf("stopped after %v", time.Since(began).Round(time.Millisecond))
			client.Call(t, http.MethodGet, "/production/messages", nil).Want(t,
				http.StatusUnauthorized)
			end()
			client.Call(t, http.MethodGet, "/production/messages", nil).Want(t,
				http.StatusUnauthorized)
		})
	}
}

// jobDone waits for a job to end, which must be well.
func (o tenant) jobDone(t *testing.T, id string) localtest.Answer {
	t.Helper()

	for {
		var j bulkJob
		a := o.admin.Call(t, http.MethodGet, o.path("jobs/"+id), nil).Want(t, http.StatusOK)
		a.Into(t, &j)

		switch j.State {
		case "done":
			return a
		case "failed":
			t.Fatalf("%+v", j)
		}

		time.Sleep(50 * time.Millisecond)
	}
}

// An admin who writes to their own row without end is demoted and removed all the same, with all
// that they could do.
func TestPeopleAreStopped(t *testing.T) {
	for name, stop := range map[string]func(t *testing.T, o tenant, email string){
		"demote": func(t *testing.T, o tenant, email string) {
			o.admin.Call(t, http.MethodPut, o.path("members/"+email), map[string]any{
				"role": "viewer",
			}).Want(t, http.StatusOK)
		},
		"remove": func(t *testing.T, o tenant, email string) {
			o.admin.Call(t, http.MethodDelete, o.path("members/"+email), nil).Want(t,
				http.StatusNoContent)
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newTenant(t)
			mallory := o.join(t, "mallory", "admin")
			own := mallory.CreateKey(t, o.id, map[string]any{
				"name":        "Mine",
				"environment": "production",
				"ownership":   "personal",
				"permissions": []string{"keys:read", "keys:write", "messages:read"},
			})
			path := o.path("members/" + mallory.email)
			keyPath := o.keys + "/" + own.Key.ID
			end := attack(t, func(i int) localtest.Answer {
				if i%2 == 0 {
					return try(t, mallory.Client, http.MethodPatch, keyPath, map[string]any{
						"description": fmt.Sprint(i),
						"enabled":     true,
					})
				}

				grants := []string{"manage_others_keys", "manage_organization_keys"}[:i/2%3]
				return try(t, mallory.Client, http.MethodPut, path, map[string]any{
					"role":   "admin",
					"grants": grants,
				})
			})
			defer end()

			began := time.Now()
			stop(t, o, mallory.email)
			t.Logf("stopped after %v", time.Since(began).Round(time.Millisecond))
			end()
			mallory.Call(t, http.MethodPut, path, map[string]any{
				"role": "admin",
			}).Want(t, map[string]int{
				"demote": 403,
				"remove": 404,
			}[name])
			machine.As(own.Secret).Call(t, http.MethodPost, o.keys, map[string]any{
				"name":        "More",
				"environment": "production",
			}).
				Want(t, map[string]int{"demote": 403, "remove": 401}[name])

			if name == "remove" {
				machine.As(own.Secret).Call(t, http.MethodGet, "/production/messages", nil).Want(t,
					http.StatusUnauthorized)
			}
		})
	}
}

// rival changes a key, a member or an organization as fast as it may, just before each transaction
// of the process.
func (d desk) rival(
	t *testing.T, pause time.Duration, change func() error,
) (changes *atomic.Int64) {
	t.Helper()
	changes = &atomic.Int64{}
	d.traffic.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation != "TransactWriteItems" {
			return storetest.None
		}

		d.Clock.Advance(pause)

		switch err := change(); {
		case err == nil:
			changes.Add(1)
		case !errors.Is(err, errPaced):
			t.Error(err)
		}

		return storetest.None
	})
	return changes
}

var errPaced = errors.New("changed too fast")

// changeKey changes a key as a caller would whose changes are that urgent.
func (d desk) changeKey(t *testing.T, k *apikey.Key, u apikey.Urgency) error {
	now, err := d.Store.Key(t.Context(), k.Environment, k.ID)
	if err != nil {
		return err
	}

	after := now.Clone()
	after.Version++

	if after.Pace, err = d.spend(now.Pace, u); err != nil {
		return err
	}

	return d.Store.Commit(t.Context(), d.Store.PutKey(t.Context(), after, now.Version).At(now.Pace))
}

// spend returns the pace of a row after one more change, or errPaced.
func (d desk) spend(p apikey.Pace, u apikey.Urgency) (apikey.Pace, error) {
	next, wait := p.Spend(u, d.Clock.Now())
	if wait > 0 {
		return p, errPaced
	}

	return next, nil
}

// A job that stops leaves out no key because somebody else changes it first, each time.
func TestAJobHoldsOthersOff(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	keys := d.keys(t, "acme", 3)
	j := d.job(t, "acme", len(keys))

	changes := d.rival(t, time.Second, func() error {
		return d.changeKey(t, keys[1], apikey.Restriction)
	})
	if _, err := newWorker(d.deployment).Run(t.Context()); err != nil {
		t.Fatal(err)
	}

	d.finished(t, j, len(keys))

	if changes.Load() != 1 {
		t.Errorf("the other came first %d times", changes.Load())
	}
}

// Whoever always comes first, with as many changes as the pace allows, is held off after the first
// one.
func TestAStopHoldsOthersOff(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	k, _ := d.MustKey(t, nil)

	bob := &organization.Member{
		OrganizationID: "acme",
		Email:          "bob@acme.test",
		Role:           organization.RoleMember,
		InvitedAt:      d.Clock.Now(),
		Version:        1,
	}
	if err := d.Store.Commit(t.Context(), d.Store.PutMember(bob, 0)); err != nil {
		t.Fatal(err)
	}

	rivalOfMember := func() error {
		now, err := d.Store.Member(t.Context(), "acme", "bob@acme.test")
		if err != nil {
			return err
		}

		after := *now
		after.Version++

		if after.Pace, err = d.spend(now.Pace, apikey.Ordinary); err != nil {
			return err
		}

		return d.Store.Commit(t.Context(), d.Store.PutMember(&after, now.Version).At(now.Pace))
	}

	changes := d.rival(t, time.Second, func() error {
		return d.changeKey(t, k, apikey.Restriction)
	})

	const key = "/v1/organizations/acme/keys/"
	if status, answer := d.call(t, adminapi.GroupRevocation, alice, "POST", key+k.ID+"/revoke",
		"{}"); status != http.StatusOK || changes.Load() != 1 {
		t.Errorf("revoke: %d %v after %d changes", status, answer, changes.Load())
	}

	changes = d.rival(t, time.Second, rivalOfMember)

	const member = "/v1/organizations/acme/members/bob@acme.test"
	if status, answer := d.call(t, adminapi.GroupOrganizations, alice, "PUT", member,
		`{"role": "viewer"}`); status != http.StatusOK || changes.Load() != 1 {
		t.Errorf("demote: %d %v after %d changes", status, answer, changes.Load())
	}
}

// A stop that reads that others are changing its row holds them off before it writes, so that no
// transaction is lost to them.
func TestABusyRowIsHeldAtOnce(t *testing.T) {
	t.Parallel()

	const keys = "/v1/organizations/acme/keys"
	for name, test := range map[string]struct {
		path, body string
		status     int
		before     int // transactions before the hold: the one that makes a job
	}{
		"by itself": {
			path:   keys + "/%s/revoke",
			body:   `{}`,
			status: http.StatusOK,
		},
		"in bulk": {
			path:   keys + "/bulk",
			body:   `{"action": "revoke", "filter": {"q": "%s"}, "dryRun": false, "expected": 1}`,
			status: http.StatusAccepted,
			before: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)

			k, _ := d.MustKey(t, nil)
			for range 8 {
				if err := d.changeKey(t, k, apikey.Ordinary); err != nil {
					t.Fatal(err)
				}
			}

			d.traffic.Traffic.Reset()

			status, answer := d.call(t, adminapi.GroupRevocation, alice, "POST",
				strings.Replace(test.path, "%s", k.ID, 1), strings.Replace(test.body, "%s", k.ID, 1))
			if status != test.status {
				t.Fatalf("%d %v", status, answer)
			}

			writes := d.traffic.Traffic.Requests("UpdateItem", "TransactWriteItems")

			first := slices.IndexFunc(writes, func(r storetest.Request) bool {
				return r.Operation == "UpdateItem"
			})
			if all := d.traffic.Traffic.Count("TransactWriteItems"); first != test.before ||
				all != test.before+1 {
				t.Errorf("%d transactions, %d before the hold", all, first)
			}

			now, err := d.Store.Key(t.Context(), k.Environment, k.ID)
			if err != nil || now.Revocation == nil {
				t.Errorf("%+v, %v", now, err)
			}
		})
	}
}

// What only narrows cannot be repeated away: it is tried until others have used up their pace.
func TestARestrictionOutlastsOthers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	k, _ := d.MustKey(t, nil)

	changes := d.rival(t, 0, func() error { return d.changeKey(t, k, apikey.Ordinary) })
	if status, answer := d.call(t, adminapi.GroupKeys, alice, "PATCH",
		"/v1/organizations/acme/keys/"+k.ID, `{"expiresIn": "1h"}`); status != http.StatusOK ||
		changes.Load() < 5 {
		t.Errorf("a key: %d %v after %d changes", status, answer, changes.Load())
	}

	changes = d.rival(t, 0, func() error {
		now, err := d.Store.Organization(t.Context(), "acme")
		if err != nil {
			return err
		}

		after := *now
		after.Version++

		if after.Pace, err = d.spend(now.Pace, apikey.Ordinary); err != nil {
			return err
		}

		return d.Store.Commit(t.Context(), d.Store.PutOrganization(&after, now.Version).At(now.Pace))
	})

	status, answer := d.call(t, adminapi.GroupOrganizations, alice, "PATCH", "/v1/organizations/acme",
		`{"settings": {"personalKeysBy": "nobody"}}`)
	if status != http.StatusOK || changes.Load() < 5 {
		t.Errorf("an organization: %d %v after %d changes", status, answer, changes.Load())
	}
}

// A change that was read before a stop came is not written after it, and is told to wait.
func TestAChangeGivesWayToAStop(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	k, _ := d.MustKey(t, nil)
	d.meanwhile(1, func() {
		if err := d.Store.Hold(t.Context(), apikey.Held(d.Clock.Now()),
			d.Store.StillKey(k)); err != nil {
			t.Error(err)
		}
	})

	status, answer := d.call(t, adminapi.GroupKeys, alice, "PATCH",
		"/v1/organizations/acme/keys/"+k.ID, `{"description": "theirs"}`)
	if status != http.StatusTooManyRequests || answer["code"] != "too_many_changes" {
		t.Errorf("%d %v", status, answer)
	}

	if after, err := d.Store.Key(t.Context(), k.Environment, k.ID); err != nil ||
		after.Version != k.Version {
		t.Errorf("%+v, %v", after, err)
	}
}

// A row takes ten changes at once; the next ones are told how long to wait, and stops are none of
// them.
func TestChangesArePaced(t *testing.T) {
	t.Parallel()
	d := newDesk(t)

	k, _ := d.MustKey(t, nil)
	for name, target := range map[string]struct {
		group              adminapi.Group
		method, path, stop string
		// what only narrows, in the order in which it is asked for; and what does not
		narrower, wider []string
		body            func(i int) string
	}{
		"a key": {
			adminapi.GroupKeys, "PATCH", "/v1/organizations/acme/keys/" + k.ID,
			`{"enabled": false}`,
			[]string{
				`{"expiresIn": "30d"}`,
				`{"allowedAddresses": ["192.0.2.0/24"]}`,
				`{"permissions": []}`,
				`{"rateLimits": [{"name": "most", "limit": 1, "window": "1m"}]}`,
			},
			[]string{
				`{"expiresIn": "40d"}`,
				`{"allowedAddresses": []}`,
			},
			func(i int) string { return fmt.Sprintf(`{"description": "%d"}`, i) },
		},
		"an organization": {
			adminapi.GroupOrganizations, "PATCH", "/v1/organizations/acme", "",
			[]string{
				`{"settings": {"allowedAddresses": ["192.0.2.0/24"]}}`,
				`{"settings": {"memberPermissions": []}}`,
				`{"settings": {"legacyKeysAccepted": false}}`,
			},
			[]string{
				`{"settings": {"allowedAddresses": []}}`,
				`{"settings": {"organizationKeysBy": "members"}}`,
			},
			func(i int) string { return fmt.Sprintf(`{"name": "Acme %d"}`, i) },
		},
		"a member": {
			adminapi.GroupOrganizations, "PUT", "/v1/organizations/acme/members/bob@acme.test",
			`{"role": "viewer"}`, nil, nil,
			func(i int) string {
				return []string{
					`{"role": "viewer"}`, `{"role": "member", "grants": ["manage_others_keys"]}`,
				}[i%2]
			},
		},
	} {
		refused := 0
		for i := range 40 {
			switch status, answer := d.call(t, target.group, alice, target.method, target.path,
				target.body(i)); status {
			case http.StatusOK, http.StatusCreated:
			case http.StatusTooManyRequests:
				if refused++; answer["code"] != "too_many_changes" {
					t.Errorf("%s: %v", name, answer)
				}
			default:
				t.Fatalf("%s: %d %v", name, status, answer)
			}
		}

		if refused == 0 {
			t.Errorf("%s: none of 40 changes at once is refused", name)
		}

		for i, body := range append(target.narrower, target.wider...) {
			want := http.StatusOK
			if i >= len(target.narrower) {
				want = http.StatusTooManyRequests
			}

			if status, answer := d.call(t, target.group, alice, target.method, target.path,
				body); status != want {
				t.Errorf("%s: %s is %d %v, want %d", name, body, status, answer, want)
			}
		}

		if target.stop == "" {
			continue
		}

		if status, answer := d.call(t, target.group, alice, target.method,
			target.path, target.stop); status != http.StatusOK {
			t.Errorf("%s: a stop is %d %v", name, status, answer)
		}
	}
}
