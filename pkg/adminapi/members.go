package adminapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

const (
	membersPath = "/v1/organizations/{org}/members"
	memberPath  = membersPath + "/{user}"
)

func (a *API) registerMembers() {
	register(a, operation{
		id:      organization.ListMembers,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    membersPath,
		summary: "List members",
		about:   "By e-mail.",
	}, a.listMembers)
	register(a, operation{
		id:      organization.GetMember,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    memberPath,
		summary: "Show a member",
	}, a.getMember)
	register(a, operation{
		id:      organization.PutMember,
		group:   GroupOrganizations,
		method:  http.MethodPut,
		path:    memberPath,
		summary: "Invite or change a member",
		about: "By e-mail, or for a member by id. An invitation becomes active at the first " +
			"sign-in with that verified e-mail. 201 for a new member, 200 for a changed one.",
	}, a.putMember)
	register(a, operation{
		id:      organization.DeleteMember,
		group:   GroupOrganizations,
		method:  http.MethodDelete,
		path:    memberPath,
		status:  http.StatusAccepted,
		summary: "Remove a member",
		about: "They are no member any more at once, and their personal keys are disabled " +
			"before this answers 204. Where those are very many, a job goes on with them: 202.",
	}, a.deleteMember)
}

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

// membership reads what a person is in an organization; nil where they are nothing there. An
// invitation becomes a membership here, at the first call with its verified e-mail. An e-mail that
// came to somebody else since is not theirs.
func (a *API) membership(
	ctx context.Context, s *request, org string,
) (*organization.Member, error) {
	// an address that nobody verified makes nobody a member
	if !organization.ValidID(org) || s.caller.Person.Email == "" {
		return nil, nil
	}

	for attempt := 1; ; attempt++ {
		m, err := a.tryMembership(ctx, s, org)
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

func (a *API) tryMembership(
	ctx context.Context, s *request, org string,
) (*organization.Member, error) {
	p := s.caller.Person

	m, err := a.store.Member(ctx, org, p.Email)
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
	joined.JoinedAt = s.now
	joined.Version = m.Version + 1

	entry, err := a.memberEntry(s, "member.updated", m, &joined)
	if err != nil {
		return nil, err
	}

	return &joined, a.store.Commit(ctx, a.store.PutMember(&joined, m.Version).At(m.Pace),
		a.store.Append(entry))
}

// memberEntry makes the history entry of a member's change.
func (a *API) memberEntry(
	s *request, action string, before, after *organization.Member,
) (history.Entry, error) {
	of := after
	if of == nil {
		of = before
	}

	e, err := a.event(s, action, of.OrganizationID, history.Object{
		Type: "member",
		ID:   of.Email,
		Name: of.Email,
	})
	if err != nil {
		return e, err
	}

	e.Changes, err = shownDifferences(before, after, viewMember)
	return e, err
}

type listMembersInput struct {
	OrganizationPath
	Page
}

type memberPage api.Page[api.Member]

type listMembersOutput struct{ Body memberPage }

func (a *API) listMembers(
	ctx context.Context, _ *request, in *listMembersInput,
) (*listMembersOutput, error) {
	query := scope{List: "members", Organization: in.Org}

	after, err := a.readCursor(ctx, query, in.Cursor)
	if err != nil {
		return nil, err
	}

	out := &listMembersOutput{}

	out.Body.Items = []api.Member{}
	for {
		members, next, err := a.store.MembersPage(ctx, in.Org, after, in.Limit-len(out.Body.Items))
		if err != nil {
			return nil, err
		}

		for i := range members {
			if members[i].LeavingAt.IsZero() {
				out.Body.Items = append(out.Body.Items, viewMember(&members[i]))
			}
		}

		if after = next; after == "" || len(out.Body.Items) == in.Limit {
			break
		}
	}

	out.Body.NextCursor, err = a.nextCursor(ctx, query, after)
	return out, err
}

// MemberPath is the path of an operation on a member.
type MemberPath struct {
	Org  string `path:"org"`
	User string `path:"user" maxLength:"254" doc:"An e-mail, or a member's id"`
}

type memberOutput struct {
	Status int
	Body   api.Member

	demoted bool
}

func (a *API) getMember(ctx context.Context, _ *request, in *MemberPath) (*memberOutput, error) {
	m, err := a.findMember(ctx, in.Org, in.User)
	if err == nil && !m.LeavingAt.IsZero() {
		err = organization.ErrNoMember
	}

	if err != nil {
		return nil, err
	}

	return &memberOutput{Status: http.StatusOK, Body: viewMember(m)}, nil
}

// findMember finds a member by e-mail or by id.
func (a *API) findMember(ctx context.Context, org, user string) (*organization.Member, error) {
	if email, ok := organization.Email(user); ok {
		return a.store.Member(ctx, org, email)
	}

	if user == "" {
		return nil, organization.ErrNoMember
	}

	return a.store.MemberByID(ctx, org, user)
}

type putMemberInput struct {
	MemberPath
	Body struct {
		Role   organization.Role    `json:"role" enum:"admin,member,viewer"`
		Grants []organization.Grant `json:"grants,omitempty" enum:"manage_organization_keys,manage_others_keys" maxItems:"2"`
	}
}

// Resolve implements huma.Resolver: what is no member's id must be an e-mail.
func (in *putMemberInput) Resolve(huma.Context) []error {
	if _, ok := organization.Email(in.User); !ok && strings.ContainsAny(in.User, "@ ") {
		return []error{validation.with("The address is not one.", api.FieldError{
			Location: "path.user",
			Message:  "expected an e-mail address, or a member's id",
			Value:    in.User,
		})}
	}

	return nil
}

func (a *API) putMember(
	ctx context.Context, s *request, in *putMemberInput,
) (*memberOutput, error) {
	out, err := change(ctx, a, s, func(s *request) (attempt[*memberOutput], error) {
		return a.tryPutMember(ctx, s, in)
	})
	if err != nil {
		return nil, err
	}

	if out.demoted {
		a.bounds(ctx, s, out)
	}

	return out, nil
}

func (a *API) tryPutMember(
	ctx context.Context, s *request, in *putMemberInput,
) (got attempt[*memberOutput], err error) {
	before, after, err := a.memberAsAsked(ctx, s, in)
	if err != nil {
		return got, err
	}

	out := &memberOutput{Status: http.StatusOK, Body: viewMember(after)}

	action := "member.updated"
	if before == nil {
		out.Status = http.StatusCreated
		action = "member.added"
	}

	got.answer = out

	entry, err := a.memberEntry(s, action, before, after)
	if err != nil || len(entry.Changes) == 0 {
		return got, err
	}

	got.urgency = urgencyOfRole(before, after)

	out.demoted = got.urgency == apikey.Stop
	if excess := s.caller.RoleEscalations(s.catalogue.BuiltIn(),
		after.Role, after.Grants); !out.demoted && len(excess) > 0 {
		return got, beyond(excess)
	}

	if after.Pace, err = spend(after.Pace, got.urgency, s.now); err != nil {
		return got, err
	}

	after.Version++

	put := a.store.PutMember(after, after.Version-1)
	if before != nil {
		put = paced(put, got.urgency, before.Pace)
	}

	got.writes, err = a.countAdmins(ctx, s, []store.Write{put, a.store.Append(entry)}, before,
		after, in.Org)
	return got, err
}

// memberAsAsked is a member as it is, nil for a new one, and as the body asks for.
func (a *API) memberAsAsked(
	ctx context.Context, s *request, in *putMemberInput,
) (before, after *organization.Member, err error) {
	after = &organization.Member{OrganizationID: in.Org, InvitedAt: s.now}

	before, err = a.findMember(ctx, in.Org, in.User)
	switch {
	case errors.Is(err, organization.ErrNoMember):
		email, ok := organization.Email(in.User)
		if !ok {
			return nil, nil, validation.with("There is no member with this id.", api.FieldError{
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
		return nil, nil, conflict.with("The member is being removed: try again when that is done.")
	default:
		*after = *before
	}

	after.Role = in.Body.Role
	after.Grants = append([]organization.Grant{}, in.Body.Grants...)
	return before, after, nil
}

// maxBounded is how many keys the answer to a demotion names.
const maxBounded = 100

// bounds tells in the answer to a demotion which personal keys of the member it bounds: those that
// hold permissions of the admin API, and from now on do no more than the member may. Where they
// cannot be read, the demotion is done all the same, and the answer must not say otherwise.
func (a *API) bounds(ctx context.Context, s *request, out *memberOutput) {
	if out.Body.ID == "" {
		return // an invited person has no keys
	}

	for after, more := "", true; more && len(out.Body.Bounded) < maxBounded; more = after != "" {
		page, next, err := a.store.OwnKeys(ctx, s.organizationID, out.Body.ID, after, store.MaxPage)
		if err != nil {
			a.logger.ErrorContext(ctx, "the keys that a demotion bounds are not told",
				"organization_id", s.organizationID, "error", err)
			return
		}

		for _, placed := range page {
			if k := placed.Key; k.DeletedAt.IsZero() &&
				slices.ContainsFunc(k.Permissions, s.catalogue.IsAdmin) {
				out.Body.Bounded = append(out.Body.Bounded, api.BoundedKey{ID: k.ID, Name: k.Name})
			}
		}

		after = next
	}
}

// countAdmins adds the organization's new number of admins to a change that changes it. It is
// written on the organization's version, so that two demotions at once cannot both find another
// admin left.
func (a *API) countAdmins(
	ctx context.Context, s *request, writes []store.Write, before, after *organization.Member,
	org string,
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

	o, err := a.store.Organization(ctx, org)
	if err != nil {
		return nil, err
	}

	counted := *o
	if counted.Admins += change; counted.Admins < 1 {
		return nil, organization.ErrLastAdmin
	}

	counted.Version++

	urgency := apikey.Ordinary
	if change < 0 {
		urgency = apikey.Stop // one admin less goes before every other change of the organization
	}

	if counted.Pace, err = spend(o.Pace, urgency, s.now); err != nil {
		return nil, err
	}

	return append(writes, paced(a.store.PutOrganization(&counted, o.Version), urgency, o.Pace)), nil
}
