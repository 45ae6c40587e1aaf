package store

import (
	"context"
	"strings"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// Member reads a member by e-mail, strongly consistent. Errors: organization.ErrNoMember,
// ErrDamaged, ErrUnavailable.
func (s *Store) Member(ctx context.Context, org, email string) (*organization.Member, error) {
	return object[organization.Member](ctx, s, memberRow(org, email), aMember(org),
		organization.ErrNoMember)
}

// PutMember writes a member. replaces is the version that the change started from, 0 for a new one.
// Failure: organization.ErrMemberStale.
func (s *Store) PutMember(m *organization.Member, replaces int64) Write {
	item, err := encode(m, memberRow(m.OrganizationID, m.Email))
	listed(item, personList(m.Email), m.OrganizationID)
	return versioned(item, err, replaces, organization.ErrMemberStale,
		organization.ErrMemberStale).underSeal()
}

// aMember names a row in errors, which are logged: without the address.
func aMember(org string) string { return "a member of " + org }

// RemoveMember removes a member at its version. Failure: organization.ErrMemberStale.
func (s *Store) RemoveMember(m *organization.Member) Write {
	return atVersion(dynamo.Remove, memberRow(m.OrganizationID, m.Email), m.Version,
		organization.ErrMemberStale)
}

// StillMember writes nothing, but fails a transaction if the member was changed or removed since it
// was read. Failure: organization.ErrMemberStale.
func (s *Store) StillMember(m *organization.Member) Write {
	return atVersion(dynamo.Look, memberRow(m.OrganizationID, m.Email), m.Version,
		organization.ErrMemberStale)
}

// StillOrganization writes nothing, but fails a transaction if the organization was changed since
// it was read. Failure: organization.ErrStale.
func (s *Store) StillOrganization(o *organization.Organization) Write {
	return atVersion(dynamo.Look, organizationRow(o.ID), o.Version, organization.ErrStale)
}

// StillKey writes nothing, but fails a transaction if the key was changed since it was read.
// Failure: apikey.ErrStale.
func (s *Store) StillKey(k *apikey.Key) Write {
	return atVersion(dynamo.Look, sealed.KeyRow(k.Environment, k.ID), k.Version, apikey.ErrStale)
}

// atVersion removes a row, or looks at it, at the version that was read.
func atVersion(kind dynamo.WriteKind, at dynamo.Key, version int64, stale error) Write {
	w := versioned(at.Item(), nil, version, stale, stale)
	w.row.Kind = kind
	return w
}

// Members returns an organization's members by e-mail, strongly consistent. Damaged rows are logged
// and left out. Errors: ErrUnavailable.
func (s *Store) Members(ctx context.Context, org string) ([]organization.Member, error) {
	members, _, err := s.members(ctx, org)
	return members, err
}

// MemberByID reads the member with an identity provider's id, strongly consistent. If no readable
// member has it, but a row is damaged, that may be it. Errors: organization.ErrNoMember,
// ErrDamaged, ErrUnavailable.
func (s *Store) MemberByID(ctx context.Context, org, id string) (*organization.Member, error) {
	members, left, err := s.members(ctx, org)
	if err != nil {
		return nil, err
	}

	for i := range members {
		if members[i].Joined() && members[i].ID == id {
			return &members[i], nil
		}
	}

	if left != nil {
		return nil, left
	}

	return nil, organization.ErrNoMember
}

// members reads all members; left is the error of a damaged one that was left out.
func (s *Store) members(
	ctx context.Context, org string,
) (out []organization.Member, left, err error) {
	for after := ""; ; {
		page, next, damage, err := s.membersPage(ctx, org, after, maxMembers)
		if err != nil {
			return nil, nil, err
		}

		if out = append(out, page...); damage != nil {
			left = damage
		}

		if next == "" {
			return out, left, nil
		}

		after = next
	}
}

// maxMembers is the most members in a query: about as many as fit into the megabyte that it may
// read.
const maxMembers = 2000

// MembersPage returns a page of an organization's members by e-mail, strongly consistent, and the
// position of the next page: "" at the end. Damaged rows are logged and left out. Errors:
// ErrUnavailable.
func (s *Store) MembersPage(
	ctx context.Context, org, after string, limit int,
) (page []organization.Member, next string, err error) {
	page, next, _, err = s.membersPage(ctx, org, after, limit)
	return page, next, err
}

func (s *Store) membersPage(
	ctx context.Context, org, after string, limit int,
) (page []organization.Member, next string, left, err error) {
	r := dynamo.Range{Partition: organizationPartition(org)}
	r.First, r.Last = inOrder(memberSort(""), after)

	items, next, err := s.page(ctx, r, limit, "members")
	if err != nil {
		return nil, "", nil, err
	}

	page, left, err = decodeAll[organization.Member](ctx, s, items, r.Partition, aMember(org))
	return page, strings.TrimPrefix(next, memberSort("")), left, err
}

// OrganizationsOf returns the ids of the organizations that an e-mail is a member of. It reads the
// index, which lags by moments: the caller must read each membership itself.
func (s *Store) OrganizationsOf(ctx context.Context, email string) ([]string, error) {
	var out []string
	err := s.walk(ctx, personList(email), func(e entry) { out = append(out, e.position) })
	return out, err
}
