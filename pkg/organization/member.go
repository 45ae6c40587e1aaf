package organization

import (
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Errors about a member.
var (
	ErrNoMember    = errors.New("organization: no such member")
	ErrMemberStale = fmt.Errorf("organization: the member: %w", apikey.ErrStale)
	ErrLastAdmin   = errors.New("organization: cannot remove the last admin")
)

// Role is a member's role.
type Role string

// The roles.
const (
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
	RoleViewer Role = "viewer"
)

// Roles are all roles.
func Roles() []Role { return []Role{RoleAdmin, RoleMember, RoleViewer} }

// Grant extends what a member may do.
type Grant string

// The grants.
const (
	ManageOrganizationKeys Grant = "manage_organization_keys"
	ManageOthersKeys       Grant = "manage_others_keys"
)

// Grants are all grants.
func Grants() []Grant { return []Grant{ManageOrganizationKeys, ManageOthersKeys} }

// Member is a person in an organization, from the invitation on. The e-mail address identifies the
// person until they sign in with it. From then on the identity provider's id counts too, so that
// an address that passes to another person does not pass on the membership.
type Member struct {
	OrganizationID string    `json:"organizationId"`
	ID             string    `json:"id"` // "" until the first sign-in
	Email          string    `json:"email"`
	Role           Role      `json:"role"`
	Grants         []Grant   `json:"grants"`
	InvitedAt      time.Time `json:"invitedAt"`
	JoinedAt       time.Time `json:"joinedAt"`
	// LeavingAt is set while a removal disables their keys. They are no longer a member then.
	LeavingAt  time.Time `json:"leavingAt"`
	LeavingJob string    `json:"leavingJob"` // the job of the removal
	Version    int64     `json:"version"`

	Pace apikey.Pace `json:"pace"` // the rate at which the row is changed
}

// Joined reports whether the person has signed in since the invitation.
func (m *Member) Joined() bool { return m.ID != "" }

// Has reports whether the member has a grant. An admin needs none.
func (m *Member) Has(g Grant) bool { return m.Role == RoleAdmin || slices.Contains(m.Grants, g) }

// Includes reports whether the member has every right of other.
func (m *Member) Includes(other *Member) bool {
	rank := []Role{RoleViewer, RoleMember, RoleAdmin}
	return slices.Index(rank, m.Role) >= slices.Index(rank, other.Role) &&
		!slices.ContainsFunc(other.Grants, func(g Grant) bool { return !m.Has(g) })
}

// maxEmail is the maximum length of an address (RFC 5321, section 4.5.3.1.3, less the brackets),
// in bytes.
const maxEmail = 254

// Email returns an address in the form that identifies members, or false if the text is not a
// valid address. Every address goes through here before it is stored or compared, and is compared
// byte by byte from then on.
//
// Only A to Z are folded. Folding all of Unicode would turn one person's address into another's: İ
// (U+0130) folds to i, and the Kelvin sign (U+212A) to k. So other letters must already be in
// folded form. A letter that folding would change is refused, and so are invisible characters.
func Email(text string) (string, bool) {
	address, err := mail.ParseAddress(text)
	if err != nil || address.Address != text || len(text) > maxEmail {
		return "", false
	}

	if strings.ContainsFunc(text, folds) {
		return "", false
	}

	return strings.Map(lower, text), true
}

// folds reports whether an address must not contain a character: a letter beyond ASCII that
// folding would change, or an invisible one.
func folds(r rune) bool {
	return r > unicode.MaxASCII && unicode.ToLower(unicode.ToUpper(r)) != r || !unicode.IsPrint(r)
}

// lower folds the letters of ASCII.
func lower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}

	return r
}

// Person is a signed-in person. The identity provider establishes who they are, but not what they
// may do.
type Person struct {
	ID    string
	Email string // verified
	Name  string
}
