package adminapi_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// commit writes as another process does.
func (d desk) commit(t *testing.T, writes ...store.Write) {
	t.Helper()

	if err := d.Store.Commit(t.Context(), writes...); err != nil {
		t.Error(err)
	}
}

func (d desk) bob(t *testing.T, role organization.Role) *organization.Member {
	t.Helper()

	bob := &organization.Member{
		OrganizationID: "acme",
		ID:             "user-2",
		Email:          "bob@acme.test",
		Role:           role,
		InvitedAt:      d.Clock.Now(),
		JoinedAt:       d.Clock.Now(),
		Version:        1,
	}
	d.commit(t, d.Store.PutMember(bob, 0))
	return bob
}

// What a removal disabled, nobody enables beside it: it would be told of as done, with the key
// alive. That holds also where the removal begins between the read and the write of the change.
func TestNobodyEnablesBesideARemoval(t *testing.T) {
	t.Parallel()

	for name, prepare := range map[string]func(d desk) (k *apikey.Key, leave func()){
		"owner": func(d desk) (*apikey.Key, func()) {
			bob := d.bob(t, organization.RoleMember)
			k, _ := d.MustKey(t, func(k *apikey.Key) {
				k.Enabled = false
				k.Ownership = apikey.Personal
				k.Owner = apikey.Actor{Type: apikey.ActorUser, ID: bob.ID, Email: bob.Email}
			})

			return k, func() {
				leaving := *bob
				leaving.LeavingAt = d.Clock.Now()
				leaving.Version++
				d.commit(t, d.Store.PutMember(&leaving, bob.Version))
			}
		},
		"customer": func(d desk) (*apikey.Key, func()) {
			c := &organization.Customer{
				OrganizationID: "acme",
				ID:             "c1",
				Name:           "One",
				CreatedAt:      d.Clock.Now(),
				Version:        1,
			}
			d.commit(t, d.Store.PutCustomer(c, 0))
			k, _ := d.MustKey(t, func(k *apikey.Key) {
				k.Enabled = false
				k.Customers = []string{c.ID}
			})

			return k, func() {
				leaving := *c
				leaving.Leaving = true
				leaving.Version++
				d.commit(t, d.Store.PutCustomer(&leaving, c.Version))
			}
		},
	} {
		for when, race := range map[string]bool{"before": false, "beside": true} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				d := newDesk(t)

				k, leave := prepare(d)
				if race {
					d.meanwhile(1, leave)
				} else {
					leave()
				}

				status, answer := d.call(t, adminapi.GroupKeys, alice, "PATCH",
					"/v1/organizations/acme/keys/"+k.ID, `{"enabled": true}`)
				if status != http.StatusConflict || answer["code"] != "conflict" ||
					!strings.Contains(answer["detail"].(string), "being") {
					t.Errorf("%d %v", status, answer)
				}
			})
		}
	}
}

// Whoever demotes an admin whom another call demotes at the same moment is not told that there would
// be no admin left: it looks again.
func TestTwoDemotionsOfOneAdmin(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	bob := d.bob(t, organization.RoleAdmin)

	o, err := d.Store.Organization(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}

	two := *o
	two.Admins = 2
	two.Version++
	d.commit(t, d.Store.PutOrganization(&two, o.Version))

	other := sync.OnceFunc(func() {
		demoted, one := *bob, two
		demoted.Role = organization.RoleMember
		demoted.Version++
		one.Admins = 1
		one.Version++
		d.commit(t, d.Store.PutMember(&demoted, bob.Version), d.Store.PutOrganization(&one, two.Version))
	})
	d.traffic.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		// after bob was read, before the organization's admins are
		if r.Operation == "GetItem" && strings.Contains(string(r.Body), "organization#acme") &&
			!strings.Contains(string(r.Body), "member#") {
			other()
		}

		return storetest.None
	})

	status, answer := d.call(t, adminapi.GroupOrganizations, alice, "PUT",
		"/v1/organizations/acme/members/bob@acme.test", `{"role": "viewer"}`)
	if status != http.StatusOK || answer["role"] != "viewer" {
		t.Errorf("%d %v", status, answer)
	}
}
