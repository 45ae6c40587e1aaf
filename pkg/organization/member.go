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

// Why a member cannot be had or changed.
var (
	ErrNoMember    = errors.New("organization: no such member")
	ErrMemberStale = fmt.Errorf("organization: the member: %w", apikey.ErrStale)
	ErrLastAdmin   = errors.New("organization: cannot remove the last admin")
)

// Role is what a member is.
type Role string

// The roles.
const (
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
	RoleViewer Role = "viewer"
)

// Grant widens what a member may do.
type Grant string

// The grants.
const (
	ManageOrganizationKeys Grant = "manage_organization_keys"
	ManageOthersKeys       Grant = "manage_others_keys"
)

// Member is a person in an organization, from the invitation on. The e-mail names the person until
// they sign in with it; from then on the identity provider's id counts too, so that an address that
// passes to somebody else does not pass on the membership.
type Member struct {
	OrganizationID string    `json:"organizationId"`
	ID             string    `json:"id"` // "" until the first sign-in
	Email          string    `json:"email"`
	Role           Role      `json:"role"`
	Grants         []Grant   `json:"grants"`
	InvitedAt      time.Time `json:"invitedAt"`
	JoinedAt       time.Time `json:"joinedAt"`
	// set while the removal disables their keys: they are no member any more
	LeavingAt  time.Time `json:"leavingAt"`
	LeavingJob string    `json:"leavingJob"` // the job that does so
	Version    int64     `json:"version"`

	Pace apikey.Pace `json:"pace"` // how fast the row is changed
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

// maxEmail is the length of the longest address (RFC 5321, section 4.5.3.1.3, less the brackets),
// in bytes.
const maxEmail = 254

// Email returns an address as members are named by it, or false where a text is no address that
// may name one. Every address goes through here before it is kept or compared, and is compared
// byte by byte from then on.
//
// Only A to Z are folded. Folding all of Unicode would make somebody's address of somebody
// else's: İ (U+0130) folds to i, and the Kelvin sign (U+212A) to k. So other letters must come as
// folding leaves them; one that it would turn into another is refused, and so is what cannot be
// seen.
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

// folds reports whether a character is none that an address may have: a letter beyond ASCII that
// another stands for when case does not count, or nothing to be seen.
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

// Person is somebody who is signed in. The identity provider says who they are, and nothing of what
// they may do.
type Person struct {
	ID    string
	Email string // verified
	Name  string
}
