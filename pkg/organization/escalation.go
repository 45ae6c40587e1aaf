package organization

import (
	"reflect"
	"slices"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// PermissionsWrite changes the catalogue. Only operator keys hold it, and nobody hands it out.
const PermissionsWrite = "permissions:write"

// Escalation is one thing that a caller asked for beyond what they hold.
type Escalation struct {
	Field   string // the field, such as permissions
	Message string
}

// Catalogue tells which permissions there are.
type Catalogue interface {
	// IsAdmin reports whether the permission is one of the built-in ones, which open the admin API.
	IsAdmin(name string) bool
}

// CanGrant reports whether the caller may hand out a permission in the organization. An operator's
// key is asked what every other admin key is asked: being one widens where it may, not what.
func (c *Caller) CanGrant(catalogue Catalogue, o *Organization, permission string) bool {
	if c.Owner != nil && !c.Owner.CanGrant(catalogue, o, permission) {
		return false
	}

	admin := catalogue.IsAdmin(permission)
	switch {
	case permission == PermissionsWrite:
		return false
	case c.Key != nil:
		return slices.Contains(c.Key.Permissions, permission) || c.grantsCatalogue() && !admin
	case c.Member == nil || c.Member.Role == RoleViewer:
		return false
	case c.Member.Role == RoleAdmin:
		return true
	default:
		return !admin &&
			(o.Settings.MemberPermissions == nil ||
				slices.Contains(o.Settings.MemberPermissions, permission))
	}
}

// SettingsEscalations lists what the settings after allow that those before did not, and that is not
// the caller's to allow: what an organization lets its members and keys do is worth what they can do
// with it, and a key loosens no bound that it has itself.
func (c *Caller) SettingsEscalations(
	catalogue Catalogue, o *Organization, before, after *Settings,
) (out []Escalation) {
	if c.admin() {
		return nil
	}

	refuse := func(field, message string) {
		out = append(out, Escalation{"settings." + field, message})
	}

	for _, name := range after.DefaultPermissions {
		if !slices.Contains(before.DefaultPermissions, name) && !c.CanGrant(catalogue, o, name) {
			refuse("defaultPermissions", "you may not hand out "+name)
		}
	}

	for _, field := range after.Exceeds(before) {
		switch field {
		case "organizationKeysBy", "personalKeysBy":
			if !c.CanGrant(catalogue, o, "keys:write") || c.scoped() {
				refuse(field, "to let others create keys, you need keys:write, for every customer")
			}
		case "memberPermissions":
			if after.MemberPermissions == nil && (!c.grantsCatalogue() || c.scoped()) {
				refuse(field, "to let members grant every permission, your key must be able to "+
					"grant every one, for every customer")
			}

			for _, name := range after.MemberPermissions {
				if !slices.Contains(before.MemberPermissions, name) &&
					!c.CanGrant(catalogue, o, name) {
					refuse(field, "you may not grant "+name)
				}
			}
		case "legacyKeysAccepted":
			if !c.grantsCatalogue() || c.scoped() {
				refuse(field, "legacy keys hold every permission: to accept them again, your key "+
					"must be able to grant every one")
			}
		case "longestLife":
			if c.Key != nil && !c.Key.ExpiresAt.IsZero() {
				refuse(field, "your own key expires: it cannot let others live longer")
			}
		case "allowedAddresses":
			if c.Key != nil &&
				!apikey.NetworksWithin(c.Key.AllowedAddresses, after.networks()) {
				refuse(field, "your own key works only from some networks: name at least one, and "+
					"only networks within those")
			}
		}
	}

	return out
}

// admin reports whether the caller is an admin, signed in, who sets what is an admin's to set.
func (c *Caller) admin() bool {
	return c.Key == nil && c.Member != nil && c.Member.Role == RoleAdmin
}

// grantsCatalogue reports whether the caller is a key that may hand out any data-plane permission.
func (c *Caller) grantsCatalogue() bool {
	return c.Key != nil && c.Key.Grantable == apikey.GrantCatalogue
}

// scoped reports whether the caller is a key of some customers.
func (c *Caller) scoped() bool { return c.Key != nil && len(c.Key.Customers) > 0 }

// Escalations lists what the key k would hold beyond what the caller may hand out, compared with
// what it held before; before is nil for a new key, and for a new secret, which hands everything
// out again. No excess means that the caller may.
func (c *Caller) Escalations(
	catalogue Catalogue, o *Organization, before, k *apikey.Key,
) []Escalation {
	made := before == nil // else only what grows is asked about
	switch {
	case made:
		before = &apikey.Key{}
	case c.Key != nil && c.Key.ID == k.ID:
		return itself(before, k)
	}

	var out []Escalation
	for _, p := range k.Permissions {
		// naming one of all of them is no growth
		had := slices.Contains(before.Permissions, p) ||
			before.AllPermissions && !catalogue.IsAdmin(p)
		if !had && !c.CanGrant(catalogue, o, p) {
			out = append(out, Escalation{"permissions", "you may not grant " + p})
		}
	}

	if k.AllPermissions && !before.AllPermissions && !c.admin() {
		out = append(out, Escalation{
			"allPermissions", "only a signed-in admin may grant all permissions",
		})
	}

	if k.Grantable == apikey.GrantCatalogue && before.Grantable != apikey.GrantCatalogue &&
		!c.admin() && !c.grantsCatalogue() {
		out = append(out, Escalation{
			"grantable",
			"only a signed-in admin, or a key that has it itself, may set this to catalogue",
		})
	}

	if c.Key == nil {
		return out
	}

	over, grown := k.Exceeds(c.Key, catalogue.IsAdmin), k.Exceeds(before, catalogue.IsAdmin)
	for _, rule := range []struct {
		bound   apikey.Bound
		message string
	}{
		{
			apikey.BoundCustomers,
			"your own key is scoped to some customers: name at least one of those, and no others",
		},
		{
			apikey.BoundRateLimits,
			"your own key has limits: set limits and a quota that do not exceed them",
		},
		{
			apikey.BoundAllowedAddresses,
			"your own key works only from some networks: name at least one, and only networks " +
				"within those",
		},
		{
			apikey.BoundExpiresAt,
			"the key would outlive your own, which ends at " + apikey.FormatTime(c.Key.ExpiresAt),
		},
	} {
		if slices.Contains(over, rule.bound) && (made || slices.Contains(grown, rule.bound)) {
			out = append(out, Escalation{string(rule.bound), rule.message})
		}
	}

	return append(out, c.operatorEscalations(before, k)...)
}

// operatorEscalations lists which bounds of an operator's key would change although it holds a
// permission that the caller's key does not: in the operators' organization there is no admin who
// could give back what a weaker key took away.
func (c *Caller) operatorEscalations(before, after *apikey.Key) []Escalation {
	if !before.Operator() || apikey.Within(c.Key.Permissions, before.Permissions) {
		return nil
	}

	return changedBounds(before, after,
		"this operator key holds a permission that yours does not: only a key that holds all of "+
			"its permissions may change it")
}

// itself lists what a key may not change about itself, in either direction: whoever holds it must
// neither shed what bounds it nor take the key away from those who gave it out.
func itself(before, after *apikey.Key) []Escalation {
	return changedBounds(before, after,
		"a key cannot change this about itself: another key or a person can")
}

// changedBounds lists what bounds a key and is different after a change, each with the message.
func changedBounds(before, after *apikey.Key, message string) (out []Escalation) {
	for _, f := range []struct {
		field string
		same  bool
	}{
		{"permissions", slices.Equal(before.Permissions, after.Permissions)},
		{"allPermissions", before.AllPermissions == after.AllPermissions},
		{"grantable", before.Grantable == after.Grantable},
		{"customers", slices.Equal(before.Customers, after.Customers)},
		{"rateLimits", slices.Equal(before.RateLimits, after.RateLimits)},
		{"quota", reflect.DeepEqual(before.Quota, after.Quota)},
		{"allowedAddresses", slices.Equal(before.AllowedAddresses, after.AllowedAddresses)},
		{"notBefore", before.NotBefore.Equal(after.NotBefore)},
		{"expiresAt", before.ExpiresAt.Equal(after.ExpiresAt)},
	} {
		if !f.same {
			out = append(out, Escalation{f.field, message})
		}
	}

	return out
}

// rolePermissions are the permissions that a key must hold itself to give a person a role: what the
// person may do with it, and what it lets them read. nil is for a role that does not exist.
func rolePermissions(role Role, admin []string) []string {
	reads := []string{"keys:read", "usage:read", "history:read"}
	switch role {
	case RoleViewer:
		return reads
	case RoleMember:
		return append(reads, "keys:write", "keys:rotate", "keys:revoke")
	case RoleAdmin:
		return slices.DeleteFunc(slices.Clone(admin), func(p string) bool {
			return p == PermissionsWrite
		})
	default:
		return nil
	}
}

// RoleEscalations lists what a member would hold beyond what the caller may hand out; admin are the
// permissions of the admin API. A signed-in admin hands out every role. A key hands out what it
// could do itself: see rolePermissions. A role that may create keys takes a key that may hand out
// the catalogue, and a grant takes what an admin takes.
func (c *Caller) RoleEscalations(admin []string, role Role, grants []Grant) []Escalation {
	if c.Key == nil {
		return nil // the table of who may lets admins alone come here
	}

	holds := func(role Role) bool {
		needed := rolePermissions(role, admin)
		return len(needed) > 0 && !slices.ContainsFunc(needed, func(p string) bool {
			return !slices.Contains(c.Key.Permissions, p)
		})
	}
	catalogue := c.grantsCatalogue() && !c.scoped()

	var out []Escalation
	if !holds(role) || role != RoleViewer && !catalogue {
		out = append(out, Escalation{
			"role", "your own key holds less than a member with this role",
		})
	}

	k := c.Key

	bounded := !k.ExpiresAt.IsZero() && !k.Provisional || len(k.AllowedAddresses) > 0 ||
		len(k.RateLimits) > 0 || k.Quota != nil
	if role != RoleViewer && bounded {
		out = append(out, Escalation{
			"role", "your own key has an end, limits or networks, which a person who makes keys has not",
		})
	}

	if len(grants) > 0 && (!holds(RoleAdmin) || !catalogue) {
		out = append(out, Escalation{
			"grants", "your own key holds less than a member with these grants",
		})
	}

	return out
}
