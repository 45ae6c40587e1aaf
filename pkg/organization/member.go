package organization

import (
	"errors"
	"net/mail"
	"slices"
	"strings"
	"time"
)

// Why a member cannot be had or changed.
var (
	ErrNoMember    = errors.New("organization: no such member")
	ErrMemberStale = errors.New("organization: the member was changed meanwhile")
	ErrLastAdmin   = errors.New("organization: the last admin stays")
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

// Member is a person in an organization, from the invitation on. The e-mail names the person until they sign in with it; from then on the identity
// provider's id counts too, so that an address that passes to somebody else does not pass on the membership.
type Member struct {
	OrganizationID string    `json:"organizationId"`
	ID             string    `json:"id"` // "" until the first sign-in
	Email          string    `json:"email"`
	Role           Role      `json:"role"`
	Grants         []Grant   `json:"grants"`
	InvitedAt      time.Time `json:"invitedAt"`
	JoinedAt       time.Time `json:"joinedAt"`
	LeavingAt      time.Time `json:"leavingAt"`  // set while the removal disables their keys: they are no member any more
	LeavingJob     string    `json:"leavingJob"` // the job that does so
	Version        int64     `json:"version"`
}

// Joined tells whether the person has signed in since the invitation.
func (m *Member) Joined() bool { return m.ID != "" }

// Has tells whether the member has a grant. An admin needs none.
func (m *Member) Has(g Grant) bool { return m.Role == RoleAdmin || slices.Contains(m.Grants, g) }

// Email returns an address as members are named by it, or false where a text is no plain e-mail address.
func Email(text string) (string, bool) {
	address, err := mail.ParseAddress(text)
	if err != nil || address.Address != text || len(text) > 254 {
		return "", false
	}
	return strings.ToLower(text), true
}

// Person is somebody who is signed in. The identity provider says who they are, and nothing of what they may do.
type Person struct {
	ID    string
	Email string // verified
	Name  string
}
