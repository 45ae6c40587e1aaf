package organization

import (
	"reflect"
	"slices"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// PermissionsWrite changes the catalogue. Only operator keys hold it, and it cannot be granted.
const PermissionsWrite = "permissions:write"

// Escalation is one thing that a caller asked for beyond their own rights.
type Escalation struct {
	Field   string // the field, such as permissions
	Message string
}

// Catalogue knows which permissions exist.
type Catalogue interface {
	// IsAdmin reports whether the permission is one of the built-in ones, which open the admin API.
	IsAdmin(name string) bool
}

// CanGrant reports whether the caller may grant a permission in the organization. An operator's
// key needs what every other admin key needs: being an operator widens where it may act, not what
// it may do.
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

// SettingsEscalations lists what the new settings allow, the old ones did not, and the caller
// cannot grant. Rights of members and keys are worth what they can do with them, and a key must
// not loosen a bound on itself.
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

// admin reports whether the caller is a signed-in admin who may change what admins may change.
func (c *Caller) admin() bool {
	return c.Key == nil && c.Member != nil && c.Member.Role == RoleAdmin
}

// grantsCatalogue reports whether the caller is a key that may grant any data-plane permission.
func (c *Caller) grantsCatalogue() bool {
	return c.Key != nil && c.Key.Grantable == apikey.GrantCatalogue
}

// scoped reports whether the caller is a key that is scoped to customers.
func (c *Caller) scoped() bool { return c.Key != nil && len(c.Key.Customers) > 0 }

// Escalations lists what the key k would hold beyond what the caller may grant, compared with what
// it held before. before is nil for a new key, and for a new secret, which hands out everything
// again. The caller may make the change if the list is empty.
func (c *Caller) Escalations(
	catalogue Catalogue, o *Organization, before, k *apikey.Key,
) []Escalation {
	isNew := before == nil // otherwise only growth counts
	switch {
	case isNew:
		before = &apikey.Key{}
	case c.Key != nil && c.Key.ID == k.ID:
		return selfChanges(before, k)
	}

	var out []Escalation
	for _, p := range k.Permissions {
		// naming a permission that was already included is not growth
		held := slices.Contains(before.Permissions, p) ||
			before.AllPermissions && !catalogue.IsAdmin(p)
		if !held && !c.CanGrant(catalogue, o, p) {
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
		if slices.Contains(over, rule.bound) && (isNew || slices.Contains(grown, rule.bound)) {
			out = append(out, Escalation{string(rule.bound), rule.message})
		}
	}

	return append(out, c.operatorEscalations(before, k)...)
}

// operatorEscalations lists the bounds of an operator's key that would change although it holds a
// permission that the caller's key does not: the operators' organization has no admin who could
// restore what a weaker key took away.
func (c *Caller) operatorEscalations(before, after *apikey.Key) []Escalation {
	if !before.Operator() || apikey.Within(c.Key.Permissions, before.Permissions) {
		return nil
	}

	return changedBounds(before, after,
		"this operator key holds a permission that yours does not: only a key that holds all of "+
			"its permissions may change it")
}

// selfChanges lists what a key may not change about itself, in either direction: its holder must
// neither loosen its bounds nor take the key away from those who issued it.
func selfChanges(before, after *apikey.Key) []Escalation {
	return changedBounds(before, after,
		"a key cannot change this about itself: another key or a person can")
}

// changedBounds lists the bounds of a key that a change affects, each with the message.
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

// rolePermissions returns the permissions that a key must hold to give a person a role: for what
// the person may do with it, and for what it lets them read. It returns nil for a role that does
// not exist.
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

// RoleEscalations lists what a member would hold beyond what the caller may grant; admin are the
// permissions of the admin API.
//
//   - A signed-in admin may grant every role.
//   - A key may grant what it could do itself: see rolePermissions.
//   - A role that may create keys requires a key that may grant the catalogue.
//   - A grant requires what the role admin requires.
func (c *Caller) RoleEscalations(admin []string, role Role, grants []Grant) []Escalation {
	if c.Key == nil {
		return nil // by Rules, only admins get here
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
