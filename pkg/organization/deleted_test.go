package organization_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// afterDeletion is who may do what in a deleted organization: the caller who deleted it, an
// operator with every permission, one with none, and all others, who are the columns of the tables
// above and an admin key of the organization.
var afterDeletion = map[organization.Operation]struct{ deleter, operator bool }{
	organization.DeleteOrganization: {true, true},
	organization.GetJob:             {true, true},
	organization.ListJobs:           {false, true},
	organization.ListHistory:        {false, true},
	organization.KeyHistory:         {false, true},
}

func TestMayAfterDeletion(t *testing.T) {
	t.Parallel()

	all := make([]string, 0, len(keysTable))
	for permission := range keysTable {
		all = append(all, permission)
	}

	key := func(org, id string, permissions ...string) *organization.Caller {
		return &organization.Caller{
			Key: &apikey.Key{ID: id, OrganizationID: org, Permissions: permissions},
		}
	}

	others := map[string]*organization.Caller{
		"a key of it":      key(acme, "k9", all...),
		"a key of another": key("globex", "k9", all...),
	}
	for _, name := range columns {
		others[name] = person(name)
	}

	for name, deleter := range map[string]*organization.Caller{
		"a person": person("boss"),
		"a key":    key(acme, "k0", "organization:write"),
	} {
		o := &organization.Organization{
			ID:        acme,
			Settings:  organization.DefaultSettings(),
			DeletedAt: time.Now(),
			DeletedBy: deleter.Actor(),
		}

		deleter.Member = nil // the job removed it
		for op := range organization.Rules() {
			want := afterDeletion[op]
			if err := deleter.MayAfterDeletion(op, o); (err == nil) != want.deleter ||
				err != nil && !errors.Is(err, organization.ErrHidden) {
				t.Errorf("%s who deleted it, %s: %v", name, op, err)
			}

			if err := key(apikey.OperatorOrganization, "op",
				all...).MayAfterDeletion(op, o); (err == nil) != want.operator {
				t.Errorf("an operator, %s: %v", op, err)
			}

			var forbidden *organization.ForbiddenError
			if err := key(apikey.OperatorOrganization, "op", "usage:read").MayAfterDeletion(op,
				o); want.operator && !errors.As(err, &forbidden) ||
				!want.operator && !errors.Is(err, organization.ErrHidden) {
				t.Errorf("an operator without the permission, %s: %v", op, err)
			}

			for who, c := range others {
				if err := c.MayAfterDeletion(op, o); !errors.Is(err, organization.ErrHidden) {
					t.Errorf("%s, %s: %v", who, op, err)
				}

				if err := c.May(op, o, nil); !errors.Is(err, organization.ErrHidden) {
					t.Errorf("%s, %s by the table itself: %v", who, op, err)
				}
			}
		}
	}

	// A caller without a name is not taken for the one who deleted an organization that was not
	// deleted by a person.
	if err := (&organization.Caller{
		Person: &organization.Person{},
	}).MayAfterDeletion(organization.GetJob, &organization.Organization{
		ID:        acme,
		DeletedBy: apikey.Actor{Type: apikey.ActorUser},
	}); err == nil {
		t.Error("a person without an id may")
	}
}

// An operation on many keys is allowed as on each of them.
func TestMayEach(t *testing.T) {
	t.Parallel()

	keys := map[string]*apikey.Key{"organization": organizationKey, "others'": personalKey}
	for _, by := range []string{"admins", "members"} {
		o := &organization.Organization{ID: acme, Settings: organization.DefaultSettings()}
		o.Settings.OrganizationKeysBy = by

		callers := map[string]*organization.Caller{
			"a key": {
				Key: &apikey.Key{
					ID:             "k",
					OrganizationID: acme,
					Permissions:    []string{"keys:revoke"},
				},
			},
		}
		for _, name := range columns {
			callers[name] = person(name)
		}

		for name, c := range callers {
			reach, err := c.MayEach(organization.RevokeKey, o)

			own := &apikey.Key{OrganizationID: acme, Ownership: apikey.Personal, Owner: c.Actor()}
			if mayOwn := c.May(organization.RevokeKey, o, own); (mayOwn == nil) != (err == nil) {
				t.Errorf("%s: %v, their own: %v", name, err, mayOwn)
			}

			if err != nil {
				continue
			}

			got := map[string]bool{
				"organization": reach.Organization,
				"others'":      reach.Others || reach.Person == personalKey.Owner.ID,
			}

			want := map[string]bool{}
			for sort, k := range keys {
				want[sort] = c.May(organization.RevokeKey, o, k) == nil
			}

			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, organizationKeysBy %s (-one by one +each):\n%s", name, by, diff)
			}

			if (reach.Person != "") != (c.Person != nil) {
				t.Errorf("%s: %+v", name, reach)
			}
		}

		var forbidden *organization.ForbiddenError
		if _, err := callers["a key"].MayEach(organization.UpdateKey,
			o); !errors.As(err, &forbidden) || forbidden.Required != "keys:write" {
			t.Errorf("%v", err)
		}
	}
}

// A caller acting for another is named as the other, and has no rights.
func TestActingAs(t *testing.T) {
	t.Parallel()

	o := &organization.Organization{ID: acme, Settings: organization.DefaultSettings()}
	for _, a := range []apikey.Actor{
		{
			Type:  apikey.ActorUser,
			ID:    "u",
			Email: "u@acme.test",
		}, {
			Type:    apikey.ActorKey,
			ID:      "k",
			KeyName: "Admin",
		}, {
			Type:    apikey.ActorOperator,
			ID:      "k",
			KeyName: "Operator",
		},
	} {
		c := organization.ActingAs(a, acme)
		if diff := cmp.Diff(a, c.Actor()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}

		if err := c.May(organization.UpdateKey, o, organizationKey); err == nil {
			t.Errorf("%+v may", a)
		}
	}
}
