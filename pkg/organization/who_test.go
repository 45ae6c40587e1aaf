package organization_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
)

const acme = "acme"

// columns are the people of the tables below: an admin, a member, a member with each grant, a
// viewer, the owner of the personal key, and the admin of another organization.
var columns = []string{
	"admin", "member", "org-grant", "others-grant", "viewer", "owner", "stranger",
}

// peopleTable is who may do what for operations that concern no key, or a key of the organization,
// with an organization's default settings: + may, - may not, 0 may not know of it.
const peopleTable = `
                     admin member org-grant others-grant viewer owner stranger
getMe                  +      +       +           +        +      +       +
createOrganization     +      +       +           +        +      +       +
getOrganization        +      +       +           +        +      +       0
updateOrganization     +      -       -           -        -      -       0
deleteOrganization     +      -       -           -        -      -       0
listMembers            +      +       +           +        +      +       0
getMember              +      +       +           +        +      +       0
putMember              +      -       -           -        -      -       0
deleteMember           +      -       -           -        -      -       0
createCustomer         +      -       -           -        -      -       0
listCustomers          +      +       +           +        +      +       0
getCustomer            +      +       +           +        +      +       0
updateCustomer         +      -       -           -        -      -       0
deleteCustomer         +      -       -           -        -      -       0
getPermissions         +      +       +           +        +      +       +
putPermissions         -      -       -           -        -      -       -
createKey              +      +       +           +        -      +       0
importKeys             +      -       +           -        -      -       0
listKeys               +      +       +           +        +      +       0
getKey                 +      +       +           +        +      +       0
updateKey              +      -       +           -        -      -       0
deleteKey              +      -       +           -        -      -       0
regenerateKey          +      -       +           -        -      -       0
rotateKey              +      -       +           -        -      -       0
getRotation            +      +       +           +        +      +       0
finishRotation         +      -       +           -        -      -       0
revokeKey              +      -       +           -        -      -       0
restoreKey             +      -       +           -        -      -       0
bulkKeys               +      +       +           +        -      +       0
listJobs               +      +       +           +        +      +       0
getJob                 +      +       +           +        +      +       0
explainKey             +      +       +           +        +      +       0
keyHistory             +      +       +           +        +      +       0
keyAdvice              +      +       +           +        +      +       0
listAdvice             +      +       +           +        +      +       0
keyUsage               +      +       +           +        +      +       0
getUsage               +      +       +           +        +      +       0
keyRequests            +      +       +           +        +      +       0
getRequest             +      +       +           +        +      +       0
listHistory            +      -       -           -        -      -       0
`

// personalTable is the same for a personal key of the owner.
const personalTable = `
                     admin member org-grant others-grant viewer owner stranger
getKey                 +      0       0           +        0      +       0
updateKey              +      0       0           +        0      +       0
deleteKey              +      0       0           +        0      +       0
regenerateKey          +      0       0           +        0      +       0
rotateKey              +      0       0           +        0      +       0
getRotation            +      0       0           +        0      +       0
finishRotation         +      0       0           +        0      +       0
revokeKey              +      0       0           +        0      +       0
restoreKey             +      0       0           +        0      +       0
explainKey             +      0       0           +        0      +       0
keyHistory             +      0       0           +        0      +       0
keyAdvice              +      0       0           +        0      +       0
keyUsage               +      0       0           +        0      +       0
keyRequests            +      0       0           +        0      +       0
`

// keysTable is what an admin key of the organization with one permission may do, in addition to
// what every admin key may.
var keysTable = map[string][]organization.Operation{
	"keys:read": {
		organization.ListKeys, organization.GetKey, organization.GetRotation,
		organization.ExplainKey, organization.ListJobs, organization.GetJob,
	},
	"keys:write": {
		organization.CreateKey, organization.ImportKeys, organization.UpdateKey,
		organization.DeleteKey, organization.BulkKeys,
	},
	"keys:rotate": {
		organization.RegenerateKey, organization.RotateKey, organization.FinishRotation,
	},
	"keys:revoke": {organization.RevokeKey, organization.RestoreKey, organization.BulkKeys},
	"usage:read": {
		organization.KeyUsage, organization.GetUsage, organization.KeyRequests,
		organization.GetRequest, organization.KeyAdvice, organization.ListAdvice,
	},
	"history:read": {organization.KeyHistory, organization.ListHistory},
	"members:write": {
		organization.ListMembers, organization.GetMember, organization.PutMember,
		organization.DeleteMember,
	},
	"organization:write": {
		organization.UpdateOrganization, organization.DeleteOrganization,
		organization.CreateCustomer, organization.UpdateCustomer, organization.DeleteCustomer,
	},
	"permissions:write": {},
}

// everyKey is what every admin key may do.
var everyKey = []organization.Operation{
	organization.GetOrganization, organization.ListCustomers, organization.GetCustomer,
	organization.GetPermissions,
}

// operatorsToo is what an operator key with one permission may do in addition.
var operatorsToo = map[string][]organization.Operation{
	"organization:write": {organization.CreateOrganization},
	"permissions:write":  {organization.PutPermissions},
}

// about returns which of the three a decision concerns: nothing, the organization, or a key.
func about(op organization.Operation) (org, key bool) {
	switch op {
	case organization.GetMe, organization.CreateOrganization, organization.GetPermissions,
		organization.PutPermissions:
		return false, false
	case organization.GetKey, organization.UpdateKey, organization.DeleteKey,
		organization.RegenerateKey, organization.RotateKey, organization.GetRotation,
		organization.FinishRotation, organization.RevokeKey, organization.RestoreKey,
		organization.ExplainKey, organization.KeyHistory, organization.KeyUsage,
		organization.KeyRequests, organization.KeyAdvice:
		return true, true
	default:
		return true, false
	}
}

func decide(t *testing.T, c *organization.Caller, op organization.Operation, k *apikey.Key) string {
	t.Helper()
	o := &organization.Organization{ID: acme, Settings: organization.DefaultSettings()}

	inOrg, onKey := about(op)
	if !inOrg {
		o = nil
	}

	if !onKey {
		k = nil
	}

	err := c.May(op, o, k)

	var forbidden *organization.ForbiddenError
	switch {
	case err == nil:
		return "+"
	case errors.Is(err, organization.ErrHidden), errors.Is(err, apikey.ErrNotFound):
		return "0"
	case errors.As(err, &forbidden):
		return "-"
	default:
		t.Fatalf("%s: %v", op, err)
		return ""
	}
}

func person(name string) *organization.Caller {
	c := &organization.Caller{Person: &organization.Person{ID: name, Email: name + "@acme.test"}}

	m := &organization.Member{OrganizationID: acme, ID: name, Role: organization.RoleMember}
	switch name {
	case "admin":
		m.Role = organization.RoleAdmin
	case "viewer":
		m.Role = organization.RoleViewer
	case "org-grant":
		m.Grants = []organization.Grant{organization.ManageOrganizationKeys}
	case "others-grant":
		m.Grants = []organization.Grant{organization.ManageOthersKeys}
	case "stranger":
		m.OrganizationID = "globex"
		m.Role = organization.RoleAdmin
	}

	c.Member = m
	return c
}

var (
	organizationKey = &apikey.Key{
		ID:             "k1",
		OrganizationID: acme,
		Ownership:      apikey.Organization,
		Owner:          apikey.Actor{Type: apikey.ActorUser, ID: "owner"},
	}
	personalKey = &apikey.Key{
		ID:             "k2",
		OrganizationID: acme,
		Ownership:      apikey.Personal,
		Owner:          apikey.Actor{Type: apikey.ActorUser, ID: "owner"},
	}
)

// TestPeople runs every cell of the tables, and fails for an operation that has no row.
func TestPeople(t *testing.T) {
	t.Parallel()

	cells := 0
	for _, table := range []struct {
		text string
		key  *apikey.Key
	}{{peopleTable, organizationKey}, {personalTable, personalKey}} {
		seen := map[organization.Operation]bool{}
		for _, line := range strings.Split(strings.TrimSpace(table.text), "\n")[1:] {
			fields := strings.Fields(line)
			op := organization.Operation(fields[0])

			seen[op] = true
			for i, want := range fields[1:] {
				cells++

				if got := decide(t, person(columns[i]), op, table.key); got != want {
					t.Errorf("%s by %s on a key that is %s: got %s, want %s", op, columns[i],
						table.key.Ownership, got, want)
				}
			}
		}

		for op := range organization.Rules() {
			if _, onKey := about(op); !seen[op] && (onKey || table.key == organizationKey) {
				t.Errorf("%s has no row for a key that is %s", op, table.key.Ownership)
			}
		}
	}

	t.Logf("%d cells", cells)
}

// TestKeys runs every operation by an admin key and by an operator key with each single permission,
// and by another organization's key.
func TestKeys(t *testing.T) {
	t.Parallel()

	cells := 0
	for permission, own := range keysTable {
		for op := range organization.Rules() {
			inOrg, _ := about(op)

			may := slices.Contains(own, op) || slices.Contains(everyKey, op)
			for _, c := range []struct {
				org  string
				want string
			}{
				{acme, map[bool]string{true: "+", false: "-"}[may]},
				{"globex", map[bool]string{
					true:  "0",
					false: map[bool]string{true: "+", false: "-"}[may],
				}[inOrg]},
				{apikey.OperatorOrganization, map[bool]string{
					true:  "+",
					false: "-",
				}[may || slices.Contains(operatorsToo[permission], op)]},
			} {
				cells++

				caller := &organization.Caller{
					Key: &apikey.Key{
						ID:             "caller",
						OrganizationID: c.org,
						Permissions:    []string{permission},
					},
				}
				if got := decide(t, caller, op, personalKey); got != c.want {
					t.Errorf("%s by a key of %s with %s: got %s, want %s", op, c.org, permission,
						got, c.want)
				}
			}
		}
	}

	t.Logf("%d cells", cells)
}

// TestSettingsWiden shows that members manage the organization's keys if the settings allow it,
// and make personal ones if they may.
func TestSettingsWiden(t *testing.T) {
	t.Parallel()
	o := &organization.Organization{ID: acme, Settings: organization.DefaultSettings()}

	o.Settings.OrganizationKeysBy = "members"
	if err := person("member").May(organization.UpdateKey, o, organizationKey); err != nil {
		t.Errorf("member, organizationKeysBy members: %v", err)
	}

	if err := person("viewer").May(organization.UpdateKey, o, organizationKey); err == nil {
		t.Error("a viewer may change keys")
	}

	for by, want := range map[string]map[string]bool{
		"members": {"admin": true, "member": true, "viewer": false},
		"admins":  {"admin": true, "member": false, "viewer": false},
		"nobody":  {"admin": false, "member": false, "viewer": false},
	} {
		o.Settings.PersonalKeysBy = by
		for who, may := range want {
			if got := person(who).MayCreate(o, apikey.Personal); got != may {
				t.Errorf("personalKeysBy %s: %s may create: %v, want %v", by, who, got, may)
			}
		}
	}
}

// Restoring a key requires what making it requires, and a key that another person revoked stays
// revoked.
func TestMayRevive(t *testing.T) {
	t.Parallel()
	revokedBy := func(of *apikey.Key, by apikey.Actor) (before, after *apikey.Key) {
		before = of.Clone()
		before.Enabled = true
		before.Revocation = &apikey.Revocation{By: by}
		after = before.Clone()
		after.Revocation = nil
		return before, after
	}
	enabled := func(of *apikey.Key) (before, after *apikey.Key) {
		after = of.Clone()
		after.Enabled = true
		return of, after
	}
	actor := func(name string) apikey.Actor { return apikey.Actor{Type: apikey.ActorUser, ID: name} }
	ownKey := &organization.Caller{
		Key:   &apikey.Key{ID: "own", OrganizationID: acme, Ownership: apikey.Personal},
		Owner: person("owner"),
	}
	adminKey := &organization.Caller{Key: &apikey.Key{ID: "admin", OrganizationID: acme}}

	for name, test := range map[string]struct {
		caller         *organization.Caller
		personalKeysBy string
		change         func() (before, after *apikey.Key)
		may            bool
	}{
		"revoked by the owner": {person("owner"), "members", func() (_, _ *apikey.Key) {
			return revokedBy(personalKey, actor("owner"))
		}, true},
		"revoked by the owner's key": {ownKey, "members", func() (_, _ *apikey.Key) {
			return revokedBy(personalKey, ownKey.Actor())
		}, true},
		"revoked by the owner, restored with their key": {ownKey, "members", func() (_, _ *apikey.Key) {
			return revokedBy(personalKey, actor("owner"))
		}, true},
		"revoked by a leak": {person("owner"), "members", func() (_, _ *apikey.Key) {
			return revokedBy(personalKey, apikey.Actor{Type: apikey.ActorSystem, ID: "leaks"})
		}, true},
		"revoked by an admin": {person("owner"), "members", func() (_, _ *apikey.Key) {
			return revokedBy(personalKey, actor("admin"))
		}, false},
		"revoked by an admin, restored with the owner's key": {ownKey, "members", func() (_, _ *apikey.Key) {
			return revokedBy(personalKey, actor("admin"))
		}, false},
		"revoked by an admin's key": {person("owner"), "members", func() (_, _ *apikey.Key) {
			return revokedBy(personalKey, adminKey.Actor())
		}, false},
		"another admin's revocation": {person("admin"), "members", func() (_, _ *apikey.Key) {
			return revokedBy(personalKey, actor("another"))
		}, true},
		"a manager of others' keys": {person("others-grant"), "members", func() (_, _ *apikey.Key) {
			return revokedBy(personalKey, actor("admin"))
		}, true},
		"an admin key": {adminKey, "nobody", func() (_, _ *apikey.Key) {
			return revokedBy(personalKey, actor("owner"))
		}, true},
		"a key of the organization": {person("org-grant"), "nobody", func() (_, _ *apikey.Key) {
			return revokedBy(organizationKey, actor("admin"))
		}, true},
		"enabled": {person("owner"), "members", func() (_, _ *apikey.Key) {
			return enabled(personalKey)
		}, true},
		"enabled, without personal keys": {person("owner"), "nobody", func() (_, _ *apikey.Key) {
			return enabled(personalKey)
		}, false},
		"restored, where admins make personal keys": {person("owner"), "admins", func() (_, _ *apikey.Key) {
			return revokedBy(personalKey, actor("owner"))
		}, false},
		"disabled, without personal keys": {person("owner"), "nobody", func() (_, _ *apikey.Key) {
			before, after := enabled(personalKey)
			return after, before
		}, true},
	} {
		o := &organization.Organization{ID: acme, Settings: organization.DefaultSettings()}
		o.Settings.PersonalKeysBy = test.personalKeysBy
		before, after := test.change()

		var forbidden *organization.ForbiddenError
		if err := test.caller.MayRevive(o, before, after, now); (err == nil) != test.may ||
			err != nil && !errors.As(err, &forbidden) {
			t.Errorf("%s: %v, want %v", name, err, test.may)
		}
	}
}

// A change restricts if it allows nothing more and something less.
func TestSettingsRestrict(t *testing.T) {
	t.Parallel()
	first := organization.DefaultSettings()

	for name, test := range map[string]struct {
		change, back func(s *organization.Settings)
		exceeds      string // the field in which the reverse change exceeds
	}{
		"who makes personal keys": {func(s *organization.Settings) {
			s.PersonalKeysBy = "nobody"
		}, func(s *organization.Settings) { s.PersonalKeysBy = "admins" }, "personalKeysBy"},
		"who makes keys": {func(s *organization.Settings) {}, func(s *organization.Settings) {
			s.OrganizationKeysBy = "members"
		}, "organizationKeysBy"},
		"what members hand out": {func(s *organization.Settings) {
			s.MemberPermissions = []string{"a:read"}
		}, func(s *organization.Settings) {
			s.MemberPermissions = []string{"a:read", "a:write"}
		}, "memberPermissions"},
		"legacy keys": {func(s *organization.Settings) {
			s.LegacyKeysAccepted = false
		}, func(s *organization.Settings) { s.LegacyKeysAccepted = true }, "legacyKeysAccepted"},
		"how long keys live": {func(s *organization.Settings) {
			s.LongestLife = map[apikey.Environment]time.Duration{apikey.Staging: time.Hour}
		}, func(s *organization.Settings) {
			s.LongestLife = map[apikey.Environment]time.Duration{apikey.Staging: 2 * time.Hour}
		}, "longestLife"},
		"where calls come from": {func(s *organization.Settings) {
			s.AllowedAddresses = []string{"192.0.2.0/24"}
		}, func(s *organization.Settings) {
			s.AllowedAddresses = []string{"192.0.2.0/24", "198.51.100.0/24"}
		}, "allowedAddresses"},
	} {
		narrow, wide := first, first
		test.change(&narrow)
		test.back(&wide)

		if fields := wide.Exceeds(&narrow); len(fields) != 1 || fields[0] != test.exceeds {
			t.Errorf("%s: it exceeds by %v, want %s", name, fields, test.exceeds)
		}

		if !narrow.Restricts(&wide) || wide.Restricts(&narrow) || narrow.Restricts(&narrow) {
			t.Errorf("%s is not a restriction, or its opposite is", name)
		}

		mixed := narrow
		if mixed.OrganizationKeysBy = "members"; test.exceeds != "organizationKeysBy" &&
			mixed.Restricts(&wide) {
			t.Errorf("%s restricts although it also allows more", name)
		}
	}
}

// adminPermissions stands for the catalogue.
type adminPermissions struct{}

func (adminPermissions) IsAdmin(name string) bool { _, ok := keysTable[name]; return ok }

// TestRolesHandedOutByKeys shows that a key cannot give a person more than it has itself.
func TestRolesHandedOutByKeys(t *testing.T) {
	t.Parallel()
	reads := []string{"members:write", "keys:read", "usage:read", "history:read"}
	changes := append(slices.Clone(reads), "keys:write", "keys:rotate", "keys:revoke")
	every := append(slices.Clone(changes), "organization:write")
	builtIn := append(slices.Clone(every), "permissions:write")
	key := func(g apikey.Grantable, permissions ...string) *apikey.Key {
		return &apikey.Key{OrganizationID: acme, Permissions: permissions, Grantable: g}
	}
	operator := func(k *apikey.Key) *apikey.Key {
		k.OrganizationID = apikey.OperatorOrganization
		return k
	}
	scoped := key(apikey.GrantCatalogue, every...)
	scoped.Customers = []string{"42"}

	grant := []organization.Grant{organization.ManageOthersKeys}
	for name, test := range map[string]struct {
		key    *apikey.Key
		role   organization.Role
		grants []organization.Grant
		may    bool
	}{
		"viewer by members:write alone": {
			key("", "members:write"), organization.RoleViewer, nil, false,
		},
		"viewer without the history": {
			key("", reads[:3]...), organization.RoleViewer, nil, false,
		},
		"viewer by what the key may read": {
			key("", reads...), organization.RoleViewer, nil, true,
		},
		"member by what the key may read": {
			key(apikey.GrantCatalogue, reads...), organization.RoleMember, nil, false,
		},
		"member by own": {
			key("", changes...), organization.RoleMember, nil, false,
		},
		"member by catalogue": {
			key(apikey.GrantCatalogue, changes...), organization.RoleMember, nil, true,
		},
		"admin by catalogue": {
			key(apikey.GrantCatalogue, changes...), organization.RoleAdmin, nil, false,
		},
		"grant by catalogue": {
			key(apikey.GrantCatalogue, changes...), organization.RoleMember, grant, false,
		},
		"grant for a viewer": {
			key("", reads...), organization.RoleViewer, grant, false,
		},
		"admin by all": {
			key(apikey.GrantCatalogue, every...), organization.RoleAdmin, nil, true,
		},
		"grant by all": {
			key(apikey.GrantCatalogue, every...), organization.RoleMember, grant, true,
		},
		"admin by all, some customer": {scoped, organization.RoleAdmin, nil, false},
		"admin by the operator's members:write": {
			operator(key(apikey.GrantCatalogue, "members:write")), organization.RoleAdmin, nil,
			false,
		},
		"viewer by the operator's": {
			operator(key(apikey.GrantCatalogue, "members:write")), organization.RoleViewer, nil,
			false,
		},
		"admin by the operator's all": {
			operator(key(apikey.GrantCatalogue, builtIn...)), organization.RoleAdmin, nil, true,
		},
		"an unknown role": {key(apikey.GrantCatalogue, changes...), "owner", nil, false},
	} {
		excess := (&organization.Caller{
			Key: test.key,
		}).RoleEscalations(builtIn, test.role, test.grants)
		if may := len(excess) == 0; may != test.may {
			t.Errorf("%s: may %v, want %v (%v)", name, may, test.may, excess)
		}
	}
}

// TestGrantsByCaller checks what each caller may grant.
func TestGrantsByCaller(t *testing.T) {
	t.Parallel()
	o := &organization.Organization{ID: acme, Settings: organization.DefaultSettings()}
	narrow := &organization.Organization{ID: acme, Settings: organization.DefaultSettings()}
	narrow.Settings.MemberPermissions = []string{"messages:read"}

	key := func(org string, g apikey.Grantable, permissions ...string) *organization.Caller {
		return &organization.Caller{
			Key: &apikey.Key{OrganizationID: org, Permissions: permissions, Grantable: g},
		}
	}
	for _, test := range []struct {
		who        string
		caller     *organization.Caller
		in         *organization.Organization
		permission string
		want       bool
	}{
		{"admin", person("admin"), o, "keys:write", true},
		{"admin", person("admin"), narrow, "messages:write", true},
		{"admin", person("admin"), o, "permissions:write", false},
		{"member", person("member"), o, "messages:write", true},
		{"member", person("member"), o, "keys:read", false},
		{"member", person("member"), narrow, "messages:read", true},
		{"member", person("member"), narrow, "messages:write", false},
		{"viewer", person("viewer"), o, "messages:read", false},
		{"key, own", key(acme, "", "keys:write", "messages:read"), o, "messages:read", true},
		{"key, own", key(acme, "", "keys:write", "messages:read"), o, "messages:write", false},
		{
			"key, catalogue", key(acme, apikey.GrantCatalogue, "keys:write"), o, "messages:write",
			true,
		},
		{"key, catalogue", key(acme, apikey.GrantCatalogue, "keys:write"), o, "keys:revoke", false},
		{
			"operator", key(apikey.OperatorOrganization, "", "keys:write"), o, "messages:write",
			false,
		},
		{
			"operator, catalogue",
			key(apikey.OperatorOrganization, apikey.GrantCatalogue, "keys:write"), o,
			"messages:write", true,
		},
		{"operator", key(apikey.OperatorOrganization, "", "keys:write"), o, "keys:revoke", false},
		{
			"operator", key(apikey.OperatorOrganization, "", "permissions:write"), o,
			"permissions:write", false,
		},
	} {
		if got := test.caller.CanGrant(adminPermissions{}, test.in,
			test.permission); got != test.want {
			t.Errorf("%s hands out %s: %v, want %v", test.who, test.permission, got, test.want)
		}
	}
}
