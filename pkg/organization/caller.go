package organization

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// ErrHidden means that the caller may not know whether the thing exists. The answer is the same as
// if it did not.
var ErrHidden = errors.New("organization: not visible to the caller")

// ForbiddenError means that the caller may see the thing but may not do this to it.
type ForbiddenError struct {
	Required string // the admin permission that an admin key lacks; "" if the reason is another
	Reason   string // for people: what is required
}

// Error implements error.
func (e *ForbiddenError) Error() string {
	if e.Required != "" {
		return fmt.Sprintf("organization: this needs the permission %s", e.Required)
	}

	return "organization: " + e.Reason
}

// Caller is the caller of the admin API, as its authorizer established: an admin or operator key,
// or a person. A Caller with only System set is a part of the service that acts on its own; no
// rule is applied to it.
type Caller struct {
	System string      // such as "leaks"; "" for callers
	Key    *apikey.Key // nil for a person
	// Owner is the owner of a personal key, as a caller; the key has no more rights than they
	// have.
	Owner  *Caller
	Person *Person // nil for a key
	// Member is the person's membership in the organization of the call; nil if they have none.
	Member *Member

	SourceIP  string
	UserAgent string
	RequestID string
}

// Operator reports whether the caller stands above all organizations.
func (c *Caller) Operator() bool { return c.Key != nil && c.Key.Operator() }

// Actor returns the caller as history and ownership name it.
func (c *Caller) Actor() apikey.Actor {
	switch {
	case c.System != "":
		return apikey.Actor{Type: apikey.ActorSystem, ID: c.System}
	case c.Person != nil:
		return apikey.Actor{Type: apikey.ActorUser, ID: c.Person.ID, Email: c.Person.Email}
	case c.Operator():
		return apikey.Actor{Type: apikey.ActorOperator, ID: c.Key.ID, KeyName: c.Key.Name}
	default:
		return apikey.Actor{Type: apikey.ActorKey, ID: c.Key.ID, KeyName: c.Key.Name}
	}
}

// ID identifies the caller among all callers, for state that is kept per caller.
func (c *Caller) ID() string {
	if c.Person != nil {
		return "user:" + c.Person.ID
	}

	return "key:" + c.Key.ID
}

// Owns reports whether the key is the caller's own: one that they own, or the very key that was
// sent.
func (c *Caller) Owns(k *apikey.Key) bool {
	if c.Person != nil {
		return k.Owner.Type == apikey.ActorUser && k.Owner.ID == c.Person.ID
	}

	return k.ID == c.Key.ID || k.Owner.Type != apikey.ActorUser && k.Owner.ID == c.Key.ID
}

// Holds reports whether the caller is entitled to the key's secret, however much the key may do:
// it is the very key that was sent, or the personal key of the person who calls. Having created a
// key does not count: by now it may do more, and its creator less.
func (c *Caller) Holds(k *apikey.Key) bool {
	if c.Key != nil && c.Key.ID == k.ID {
		return true
	}

	return k.Ownership == apikey.Personal && c.Owns(k)
}

// Sees reports whether the caller may know of the organization.
func (c *Caller) Sees(org string) bool {
	if c.Person != nil {
		return c.Member != nil && c.Member.OrganizationID == org
	}

	return c.Operator() || c.Key.OrganizationID == org
}

// SeesKey reports whether the caller may know of a key of an organization that they see. A key of
// the admin API sees all keys, as an admin does, unless it is a personal one.
func (c *Caller) SeesKey(k *apikey.Key) bool {
	person := c.Behind()
	if person == nil || k.Ownership == apikey.Organization || person.Owns(k) {
		return true
	}

	return person.Member.Has(ManageOthersKeys)
}

// Behind returns the person whose role bounds the caller: themselves, or the owner of a personal
// key; nil for a key without an owner.
func (c *Caller) Behind() *Caller {
	if c.Person != nil {
		return c
	}

	return c.Owner
}

// May decides an operation. o is the organization and k the key that it is about; nil if there is
// none. Errors: ErrHidden, apikey.ErrNotFound, *ForbiddenError.
func (c *Caller) May(op Operation, o *Organization, k *apikey.Key) error {
	rule, ok := Rules()[op]
	switch {
	case !ok:
		return fmt.Errorf("organization: operation %q has no rule", op)
	case o != nil && !c.Sees(o.ID):
		return ErrHidden
	case o != nil && !o.DeletedAt.IsZero() && !c.Operator():
		return ErrHidden // MayAfterDeletion decides the rest
	case k != nil && !c.SeesKey(k):
		return apikey.ErrNotFound // the same answer as for a key that does not exist
	case c.Person != nil:
		return c.personMay(rule.People, o, k)
	case c.Owner != nil && c.Owner.personMay(rule.People, o, k) != nil:
		return &ForbiddenError{
			Reason: "a personal key may do no more than its owner, and " + rule.People.owner(),
		}
	case rule.Operators && !c.Operator():
		return &ForbiddenError{Reason: "only an operator or a signed-in person may do this"}
	case rule.Key == NoPermission:
		return &ForbiddenError{Reason: "only a signed-in person may do this"}
	case rule.Key == AnyPermission:
		return nil
	}

	needed := strings.Fields(rule.Key)
	if !slices.ContainsFunc(needed, func(p string) bool {
		return slices.Contains(c.Key.Permissions, p)
	}) {
		return &ForbiddenError{Required: needed[0]}
	}

	return nil
}

// personMay decides for people.
func (c *Caller) personMay(who People, o *Organization, k *apikey.Key) error {
	switch who {
	case Anyone:
		return nil
	case Members:
		if c.Member != nil {
			return nil
		}
	case Admins:
		if c.Member != nil && c.Member.Role == RoleAdmin {
			return nil
		}
	case Creators:
		if c.MayCreate(o, apikey.Organization) || c.MayCreate(o, apikey.Personal) {
			return nil
		}
	case Importers:
		if c.MayCreate(o, apikey.Organization) {
			return nil
		}
	case Changers:
		if c.Member != nil && c.Member.Role != RoleViewer {
			return nil
		}
	case Managers:
		if c.manages(o, k) {
			return nil
		}
	case Nobody:
	}

	return &ForbiddenError{Reason: who.needs()}
}

// MayCreate reports whether the caller may create keys of this ownership. For a person, their role
// decides.
func (c *Caller) MayCreate(o *Organization, ownership apikey.Ownership) bool {
	person := c.Behind()
	if person == nil {
		return true
	}

	m := person.Member
	switch {
	case m == nil || m.Role == RoleViewer:
		return false
	case ownership == apikey.Organization:
		return m.Has(ManageOrganizationKeys) || o.Settings.OrganizationKeysBy == "members"
	case m.Role == RoleAdmin:
		return o.Settings.PersonalKeysBy != "nobody"
	default:
		return o.Settings.PersonalKeysBy == "members"
	}
}

// MayRevive decides on a change at now that makes a revoked, disabled or expired key usable again.
// It requires the right to create such a key. If a personal key was revoked by another person, only
// those who manage others' keys may restore it. Error: *ForbiddenError.
func (c *Caller) MayRevive(
	o *Organization, before, after *apikey.Key, now time.Time,
) error {
	restored := before.Revocation != nil && after.Revocation == nil
	enabled := after.Enabled && !before.Enabled

	person := c.Behind()
	switch {
	case !restored && !enabled && !after.Outlives(before, now), person == nil:
		return nil
	case !c.MayCreate(o, before.Ownership):
		return &ForbiddenError{
			Reason: "your role and the organization's settings do not let you create such a key, " +
				"so you cannot restore one",
		}
	case restored && before.Ownership == apikey.Personal && !person.Member.Has(ManageOthersKeys) &&
		!c.acted(before.Revocation.By):
		return &ForbiddenError{
			Reason: "somebody else revoked this key: only those who manage other people's keys may " +
				"restore it",
		}
	default:
		return nil
	}
}

// acted reports whether an actor is the caller, the person behind the caller's key, or the service
// itself, as for a leak.
func (c *Caller) acted(by apikey.Actor) bool {
	return by.Type == apikey.ActorSystem || by.ID == c.Actor().ID || by.ID == c.Behind().Actor().ID
}

// manages reports whether a person may change a key that they see.
func (c *Caller) manages(o *Organization, k *apikey.Key) bool {
	m := c.Member
	switch {
	case m == nil || m.Role == RoleViewer:
		return false
	case k.Ownership == apikey.Organization:
		return m.Has(ManageOrganizationKeys) || o.Settings.OrganizationKeysBy == "members"
	default:
		return c.Owns(k) || m.Has(ManageOthersKeys)
	}
}
