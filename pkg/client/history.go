package client

import (
	"context"
	"iter"

	"github.com/bitting-keys/bitting/pkg/api"
)

// ListHistory returns the changes in an organization, newest first.
func (c *Client) ListHistory(
	ctx context.Context, org string, query api.ListHistory,
) iter.Seq2[api.Entry, error] {
	return walk(ctx, org, query.List, func(
		ctx context.Context, org string, page api.List,
	) (api.Page[api.Entry], error) {
		query.List = page
		return c.ListHistoryPage(ctx, org, query)
	})
}

// ListHistoryPage returns a page of ListHistory.
func (c *Client) ListHistoryPage(
	ctx context.Context, org string, query api.ListHistory,
) (api.Page[api.Entry], error) {
	return get[api.Page[api.Entry]](ctx, c, "listHistory", in(org, "history"), query)
}

// KeyHistory returns the changes of a key, newest first.
func (c *Client) KeyHistory(
	ctx context.Context, org, key string, query api.List,
) iter.Seq2[api.Entry, error] {
	return walk(ctx, org, query, func(
		ctx context.Context, org string, query api.List,
	) (api.Page[api.Entry], error) {
		return c.KeyHistoryPage(ctx, org, key, query)
	})
}

// KeyHistoryPage returns a page of KeyHistory.
func (c *Client) KeyHistoryPage(
	ctx context.Context, org, key string, query api.List,
) (api.Page[api.Entry], error) {
	return get[api.Page[api.Entry]](ctx, c, "keyHistory", in(org, "keys", key, "history"), query)
}
