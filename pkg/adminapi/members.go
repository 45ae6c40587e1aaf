package adminapi

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
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
	}, lists[organizationList](a, "members", a.admin.Members))
	register(a, operation{
		id:      organization.GetMember,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    memberPath,
		summary: "Show a member",
		about:   "By e-mail address or id.",
	}, a.getMember)
	register(a, operation{
		id:      organization.PutMember,
		group:   GroupOrganizations,
		method:  http.MethodPut,
		path:    memberPath,
		summary: "Invite or change a member",
		about: "By e-mail address; an existing member also by id. An invitation becomes active " +
			"at the first sign-in with that verified address. 201 for a new member, 200 for a " +
			"changed one.",
		outcomes: []outcome{
			{status: http.StatusOK, about: "Changed", body: reflect.TypeFor[api.Member]()},
			{status: http.StatusCreated, about: "Invited", body: reflect.TypeFor[api.Member]()},
		},
	}, a.putMember)
	register(a, operation{
		id:       organization.DeleteMember,
		group:    GroupOrganizations,
		method:   http.MethodDelete,
		path:     memberPath,
		status:   http.StatusAccepted,
		outcomes: removed(),
		summary:  "Remove a member",
		about: "The person stops being a member at once, and their personal keys are " +
			"disabled before the response, 204. If there are very many, a job continues: 202.",
	}, a.deleteMember)
}

// MemberPath is the path of an operation on a member.
type MemberPath struct {
	Org  string `path:"org"`
	User string `path:"user" maxLength:"254" doc:"An e-mail address, or a member's id"`
}

type memberOutput struct {
	Status int
	Body   api.Member
}

type putMemberInput struct {
	MemberPath
	Body struct {
		Role   organization.Role    `json:"role" enum:"admin,member,viewer"`
		Grants []organization.Grant `json:"grants,omitempty" enum:"manage_organization_keys,manage_others_keys" maxItems:"2"`
	}
}

// Resolve implements huma.Resolver.
func (in *putMemberInput) Resolve(ctx huma.Context) []error {
	return resolved(ctx, admin.CheckMember(in.User))
}

func (a *API) getMember(
	ctx context.Context, r *admin.Request, in *MemberPath,
) (*memberOutput, error) {
	m, err := a.admin.Member(ctx, r, in.User)
	return &memberOutput{Status: http.StatusOK, Body: m}, err
}

func (a *API) putMember(
	ctx context.Context, r *admin.Request, in *putMemberInput,
) (*memberOutput, error) {
	m, added, err := a.admin.PutMember(ctx, r, admin.AskedMember{
		User:   in.User,
		Role:   in.Body.Role,
		Grants: in.Body.Grants,
	})

	out := &memberOutput{Status: http.StatusOK, Body: m}
	if added {
		out.Status = http.StatusCreated
	}

	return out, err
}

func (a *API) deleteMember(
	ctx context.Context, r *admin.Request, in *MemberPath,
) (*acceptedOutput, error) {
	return accepted(a.admin.RemoveMember(ctx, r, in.User))
}
