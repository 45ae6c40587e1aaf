package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/bitting-keys/bitting/pkg/api"
)

// ListMembers returns an organization's members, by e-mail.
func (c *Client) ListMembers(
	ctx context.Context, org string, query api.List,
) iter.Seq2[api.Member, error] {
	return walk(ctx, org, query, c.ListMembersPage)
}

// ListMembersPage returns a page of ListMembers.
func (c *Client) ListMembersPage(
	ctx context.Context, org string, query api.List,
) (api.Page[api.Member], error) {
	return get[api.Page[api.Member]](ctx, c, "listMembers", in(org, "members"), query)
}

// GetMember returns a member, by e-mail or id.
func (c *Client) GetMember(ctx context.Context, org, user string) (api.Member, error) {
	return get[api.Member](ctx, c, "getMember", in(org, "members", user), nil)
}

// PutMember invites a person by e-mail, or changes a member.
func (c *Client) PutMember(
	ctx context.Context, org, user string, body api.PutMember,
) (api.Member, error) {
	return send[api.Member](ctx, c, "putMember", http.MethodPut, in(org, "members", user), body)
}

// DeleteMember removes a member, and disables their personal keys. If they are many, it returns the
// job that continues with them; else nil.
func (c *Client) DeleteMember(ctx context.Context, org, user string) (*api.Job, error) {
	return jobOrDone(remove[*api.JobAnswer](ctx, c, "deleteMember", in(org, "members", user)))
}
