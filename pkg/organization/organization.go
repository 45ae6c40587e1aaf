// Package organization is the tenant: what an organization is, what its settings are, and who may
// do what in it.
//
// It promises that every operation of the admin API goes through one table of rules (Rules), one
// decision over it (Caller.May), and one rule on what a caller may grant (Caller.Escalations and
// related methods). It does not know HTTP or storage.
package organization

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Errors about an organization.
var (
	ErrNotFound = errors.New("organization: no such organization")
	ErrExists   = errors.New("organization: the id is taken")
	ErrStale    = fmt.Errorf("organization: %w", apikey.ErrStale)
)

// Settings control what members may do, how long keys may live, and which calls of keys are
// accepted. The zero value of each is the default.
type Settings struct {
	// OrganizationKeysBy is "admins" (default) or "members".
	OrganizationKeysBy string `json:"organizationKeysBy"`
	// PersonalKeysBy is "members" (default), "admins" or "nobody".
	PersonalKeysBy string `json:"personalKeysBy"`
	// MemberPermissions are those that members may grant; nil for the whole catalogue.
	MemberPermissions []string `json:"memberPermissions"`
	// DefaultPermissions are those of a new key; nil for the catalogue's defaults.
	DefaultPermissions []string `json:"defaultPermissions"`
	// LongestLife is the maximum life of keys; no entry means no limit.
	LongestLife        map[apikey.Environment]time.Duration `json:"longestLife"`
	LegacyKeysAccepted bool                                 `json:"legacyKeysAccepted"`
	// AllowedAddresses are networks in their canonical form; empty means every address.
	AllowedAddresses []string `json:"allowedAddresses"`
	SampleRequests   float64  `json:"sampleRequests"`
}

// DefaultSettings returns the settings of a new organization.
func DefaultSettings() Settings {
	return Settings{
		OrganizationKeysBy: "admins",
		PersonalKeysBy:     "members",
		LegacyKeysAccepted: true,
		SampleRequests:     0.1,
	}
}

// Exceeds lists the fields, by their names in JSON, in which s allows more than other.
func (s *Settings) Exceeds(other *Settings) (fields []string) {
	add := func(field string, exceeds bool) {
		if exceeds {
			fields = append(fields, field)
		}
	}

	// from the fewest people who may create keys to the most
	order := []string{"nobody", "admins", "members"}
	more := func(a, b string) bool { return slices.Index(order, a) > slices.Index(order, b) }

	add("organizationKeysBy", more(s.OrganizationKeysBy, other.OrganizationKeysBy))
	add("personalKeysBy", more(s.PersonalKeysBy, other.PersonalKeysBy))
	add("memberPermissions", other.MemberPermissions != nil && (s.MemberPermissions == nil ||
		slices.ContainsFunc(s.MemberPermissions, func(name string) bool {
			return !slices.Contains(other.MemberPermissions, name)
		})))
	add("legacyKeysAccepted", s.LegacyKeysAccepted && !other.LegacyKeysAccepted)
	add("longestLife", slices.ContainsFunc(apikey.Environments(), func(e apikey.Environment) bool {
		longest, bounded := other.LongestLife[e]
		life, ends := s.LongestLife[e]
		return bounded && (!ends || life > longest)
	}))
	add("allowedAddresses", !apikey.NetworksWithin(other.networks(), s.networks()))
	return fields
}

// Restricts reports whether a change from before only narrows what is allowed. The default
// permissions of new keys do not count.
func (s *Settings) Restricts(before *Settings) bool {
	return len(s.Exceeds(before)) == 0 && len(before.Exceeds(s)) > 0
}

// networks returns the allowed addresses, which are in their canonical form.
func (s *Settings) networks() []netip.Prefix {
	out := make([]netip.Prefix, 0, len(s.AllowedAddresses))
	for _, text := range s.AllowedAddresses {
		// the zero value, which contains nothing, if it is not a network
		network, _ := netip.ParsePrefix(text)
		out = append(out, network)
	}

	return out
}

// Organization is a tenant: it owns keys, members, customers and settings.
type Organization struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
	Settings  Settings  `json:"settings"`
	Admins    int       `json:"admins"`  // the number of members who are admins; never 0
	Version   int64     `json:"version"` // 1 when created; the ETag
	// DeletedAt is zero if it is not deleted. Its name and settings stay.
	DeletedAt time.Time `json:"deletedAt"`

	DeletedBy   apikey.Actor `json:"deletedBy"`
	DeletionJob string       `json:"deletionJob"` // the job that deletes its contents

	Pace apikey.Pace `json:"pace"` // the rate at which the row is changed
}

// ValidID reports whether id may be an organization's id, a slug: ^[a-z][a-z0-9-]{1,38}$.
func ValidID(id string) bool {
	if len(id) < 2 || len(id) > 39 || id[0] < 'a' {
		return false
	}

	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}

	return true
}

// Slug makes an id from a name, or returns "" if no character of the name can be used.
func Slug(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9')
	})

	s := strings.TrimLeft(strings.Join(words, "-"), "-0123456789")
	if len(s) > 39 {
		s = s[:39]
	}

	s = strings.TrimRight(s, "-")
	if !ValidID(s) {
		return ""
	}

	return s
}
