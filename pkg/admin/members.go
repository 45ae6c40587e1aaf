package admin

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

func viewMember(m *organization.Member) api.Member {
	out := api.Member{
		ID:       m.ID,
		Email:    m.Email,
		Role:     string(m.Role),
		Grants:   []string{},
		Status:   "invited",
		JoinedAt: orNull(m.JoinedAt),
	}
	for _, g := range m.Grants {
		out.Grants = append(out.Grants, string(g))
	}

	if m.Joined() {
		out.Status = "active"
	}

	return out
}

// membership reads what a person is in an organization; nil if nothing. An invitation becomes a
// membership here, at the first call with its verified e-mail. If the e-mail has been reassigned to
// another person since, they do not inherit the membership.
func (s *core) membership(
	ctx context.Context, r *Request, org string,
) (*organization.Member, error) {
	// an unverified address makes nobody a member
	if !organization.ValidID(org) || r.caller.Person.Email == "" {
		return nil, nil
	}

	for attempt := 1; ; attempt++ {
		m, err := s.tryMembership(ctx, r, org)
		switch {
		case errors.Is(err, organization.ErrNoMember):
			return nil, nil
		case errors.Is(err, organization.ErrMemberStale) && attempt < changeAttempts:
			// another call joined first, or the invitation was changed
		default:
			return m, err
		}
	}
}

func (s *core) tryMembership(
	ctx context.Context, r *Request, org string,
) (*organization.Member, error) {
	p := r.caller.Person

	m, err := s.store.Member(ctx, org, p.Email)
	switch {
	case err != nil:
		return nil, err
	case m.Joined() && m.ID != p.ID, !m.LeavingAt.IsZero():
		return nil, organization.ErrNoMember
	case m.Joined():
		return m, nil
	}

	joined := *m
	joined.ID = p.ID
	joined.JoinedAt = r.now
	joined.Version = m.Version + 1

	entry, err := s.memberEntry(r, history.MemberUpdated, m, &joined)
	if err != nil {
		return nil, err
	}

	return &joined, s.store.Commit(ctx, s.store.PutMember(&joined, m.Version).At(m.Pace),
		s.store.Append(entry))
}

// memberEntry returns the history entry of a member's change.
func (s *core) memberEntry(
	r *Request, action string, before, after *organization.Member,
) (history.Entry, error) {
	of := after
	if of == nil {
		of = before
	}

	e, err := s.event(r, action, of.OrganizationID, history.Object{
		Type: "member",
		ID:   of.Email,
		Name: of.Email,
	})
	if err != nil {
		return e, err
	}

	err = record(&e, before, after, viewMember)
	return e, err
}

// Members returns members of the request's organization after a position, by e-mail, and the
// position of the next page: "" at the end.
func (s *OrganizationService) Members(
	ctx context.Context, r *Request, after string, limit int,
) (shown []api.Member, next string, err error) {
	for next = after; ; {
		var members []organization.Member
		if members, next, err = s.store.MembersPage(ctx, r.call.Organization, next,
			limit-len(shown)); err != nil {
			return nil, "", err
		}

		for i := range members {
			if members[i].LeavingAt.IsZero() {
				shown = append(shown, viewMember(&members[i]))
			}
		}

		if next == "" || len(shown) == limit {
			return shown, next, nil
		}
	}
}

// Member returns a member, found by e-mail or id.
func (s *OrganizationService) Member(
	ctx context.Context, r *Request, user string,
) (api.Member, error) {
	m, err := s.findMember(ctx, r.call.Organization, user)
	if err == nil && !m.LeavingAt.IsZero() {
		err = organization.ErrNoMember
	}

	if err != nil {
		return api.Member{}, err
	}

	return viewMember(m), nil
}

// findMember finds a member by e-mail or id.
func (s *OrganizationService) findMember(
	ctx context.Context, org, user string,
) (*organization.Member, error) {
	if email, ok := organization.Email(user); ok {
		return s.store.Member(ctx, org, email)
	}

	if user == "" {
		return nil, organization.ErrNoMember
	}

	return s.store.MemberByID(ctx, org, user)
}

// CheckMember checks a reference to a member: an e-mail or an id. Error: *Error.
func CheckMember(user string) error {
	if _, ok := organization.Email(user); !ok && strings.ContainsAny(user, "@ ") {
		return Refuse(api.CodeValidation, "This is not an e-mail address.", api.FieldError{
			Location: "path.user",
			Message:  "expected an e-mail address, or a member's id",
			Value:    user,
		})
	}

	return nil
}

// AskedMember is the requested state of a member, found by e-mail or id.
type AskedMember struct {
	User   string
	Role   organization.Role
	Grants []organization.Grant
}

// memberChange is the result of changing a member.
type memberChange struct {
	shown          api.Member
	added, demoted bool
}

// PutMember invites a person to the request's organization, or changes a member's role and grants.
func (s *OrganizationService) PutMember(
	ctx context.Context, r *Request, in AskedMember,
) (shown api.Member, added bool, err error) {
	done, err := change(ctx, s.core, r, func(r *Request) (attempt[memberChange], error) {
		return s.tryPutMember(ctx, r, in)
	})
	if err == nil && done.demoted {
		s.bounds(ctx, r, &done.shown)
	}

	return done.shown, done.added, err
}

func (s *OrganizationService) tryPutMember(
	ctx context.Context, r *Request, in AskedMember,
) (got attempt[memberChange], err error) {
	before, after, err := s.memberAsAsked(ctx, r, in)
	if err != nil {
		return got, err
	}

	got.answer = memberChange{shown: viewMember(after), added: before == nil}

	action := history.MemberUpdated
	if got.answer.added {
		action = history.MemberAdded
	}

	entry, err := s.memberEntry(r, action, before, after)
	if err != nil || len(entry.Changes) == 0 {
		return got, err
	}

	got.urgency = urgencyOfRole(before, after)

	got.answer.demoted = got.urgency == apikey.Stop
	// a demotion grants nothing
	if excess := r.caller.RoleEscalations(r.catalogue.BuiltIn(),
		after.Role, after.Grants); !got.answer.demoted && len(excess) > 0 {
		return got, beyond(excess)
	}

	if after.Pace, err = r.spend(after.Pace, got.urgency); err != nil {
		return got, err
	}

	after.Version++

	put := s.store.PutMember(after, after.Version-1)
	if before != nil {
		put = paced(put, got.urgency, before.Pace)
	}

	writes := []store.Write{put, s.store.Append(entry)}
	got.writes, err = s.countAdmins(ctx, r, writes, before, after)
	return got, err
}

// memberAsAsked returns a member as it is, nil for a new one, and as requested.
func (s *OrganizationService) memberAsAsked(
	ctx context.Context, r *Request, in AskedMember,
) (before, after *organization.Member, err error) {
	after = &organization.Member{OrganizationID: r.call.Organization, InvitedAt: r.now}

	before, err = s.findMember(ctx, r.call.Organization, in.User)
	switch {
	case errors.Is(err, organization.ErrNoMember):
		email, ok := organization.Email(in.User)
		if !ok {
			return nil, nil, Refuse(api.CodeValidation, "There is no member with this id.",
				api.FieldError{
					Location: "path.user",
					Message:  "expected an e-mail address to invite, or a member's id",
					Value:    in.User,
				})
		}

		before = nil
		after.Email = email
	case err != nil:
		return nil, nil, err
	case !before.LeavingAt.IsZero():
		return nil, nil, Refuse(api.CodeConflict,
			"The member is being removed: try again when that is done.")
	default:
		*after = *before
	}

	after.Role = in.Role
	after.Grants = append([]organization.Grant{}, in.Grants...)
	slices.Sort(after.Grants)
	after.Grants = slices.Compact(after.Grants)
	return before, after, nil
}

// maxBounded is how many keys the answer to a demotion lists.
const maxBounded = 100

// bounds adds to the answer to a demotion the member's personal keys that it restricts: those with
// permissions of the admin API, which from now on do no more than the member may. If the keys
// cannot be read, the list stays short: the demotion is done, and the answer must not be an error.
func (s *OrganizationService) bounds(ctx context.Context, r *Request, out *api.Member) {
	if out.ID == "" {
		return // an invited person has no keys
	}

	for after, more := "", true; more && len(out.Bounded) < maxBounded; more = after != "" {
		page, next, err := s.store.OwnKeys(ctx, r.call.Organization, out.ID, after, store.MaxPage)
		if err != nil {
			s.logger.ErrorContext(ctx, "the keys that a demotion bounds are not told",
				"organization_id", r.call.Organization, "error", err)
			return
		}

		for _, placed := range page {
			if k := placed.Key; k.DeletedAt.IsZero() &&
				slices.ContainsFunc(k.Permissions, r.catalogue.IsAdmin) {
				out.Bounded = append(out.Bounded, api.BoundedKey{ID: k.ID, Name: k.Name})
			}
		}

		after = next
	}
}

// countAdmins adds the organization's new number of admins to a change that alters it. It is
// written on the organization's version, so that two concurrent demotions cannot both find another
// admin left.
func (s *OrganizationService) countAdmins(
	ctx context.Context, r *Request, writes []store.Write, before, after *organization.Member,
) ([]store.Write, error) {
	change := 0
	if before != nil && before.Role == organization.RoleAdmin {
		change--
	}

	if after != nil && after.Role == organization.RoleAdmin {
		change++
	}

	if change == 0 {
		return writes, nil
	}

	o, err := s.store.Organization(ctx, r.call.Organization)
	if err != nil {
		return nil, err
	}

	counted := *o
	if counted.Admins += change; counted.Admins < 1 {
		// a concurrent demotion of the same member may already be counted
		now, err := s.store.Member(ctx, before.OrganizationID, before.Email)
		switch {
		case errors.Is(err, organization.ErrNoMember), err == nil && now.Version != before.Version:
			return nil, organization.ErrMemberStale
		case err != nil:
			return nil, err
		default:
			return nil, organization.ErrLastAdmin
		}
	}

	counted.Version++

	urgency := apikey.Ordinary
	if change < 0 {
		urgency = apikey.Stop // one admin less precedes every other change of the organization
	}

	if counted.Pace, err = r.spend(o.Pace, urgency); err != nil {
		return nil, err
	}

	return append(writes, paced(s.store.PutOrganization(&counted, o.Version), urgency, o.Pace)), nil
}
