package client

import (
	"context"
	"iter"

	"github.com/bitting-keys/bitting/pkg/api"
)

// KeyUsage returns the usage of a key.
func (c *Client) KeyUsage(
	ctx context.Context, org, key string, query api.GetUsage,
) (api.Usage, error) {
	return get[api.Usage](ctx, c, "keyUsage", in(org, "keys", key, "usage"), query)
}

// KeyUsageCSV returns how a key was used as a file of CSV.
func (c *Client) KeyUsageCSV(
	ctx context.Context, org, key string, query api.GetUsage,
) ([]byte, error) {
	return get[[]byte](ctx, c, "keyUsageCsv", in(org, "keys", key, "usage.csv"), query)
}

// GetUsage returns how an organization's keys were used.
func (c *Client) GetUsage(
	ctx context.Context, org string, query api.GetUsage,
) (api.Usage, error) {
	return get[api.Usage](ctx, c, "getUsage", in(org, "usage"), query)
}

// GetUsageCSV returns how an organization's keys were used as a file of CSV.
func (c *Client) GetUsageCSV(ctx context.Context, org string, query api.GetUsage) ([]byte, error) {
	return get[[]byte](ctx, c, "getUsageCsv", in(org, "usage.csv"), query)
}

// KeyRequests returns a key's last calls, newest first.
func (c *Client) KeyRequests(
	ctx context.Context, org, key string, query api.KeyRequests,
) iter.Seq2[api.Request, error] {
	return walk(ctx, org, query.List, func(
		ctx context.Context, org string, page api.List,
	) (api.Page[api.Request], error) {
		query.List = page
		return c.KeyRequestsPage(ctx, org, key, query)
	})
}

// KeyRequestsPage returns a page of KeyRequests.
func (c *Client) KeyRequestsPage(
	ctx context.Context, org, key string, query api.KeyRequests,
) (api.Page[api.Request], error) {
	return get[api.Page[api.Request]](ctx, c, "keyRequests", in(org, "keys", key, "requests"),
		query)
}

// GetRequest returns a recorded call by its requestId, with the reasons for a refusal.
func (c *Client) GetRequest(
	ctx context.Context, org, request string,
) (api.RecordedRequest, error) {
	return get[api.RecordedRequest](ctx, c, "getRequest", in(org, "requests", request), nil)
}

// KeyAdvice returns the advice on a key. window is how long something must have been unused, such
// as 30d; "" for the default.
func (c *Client) KeyAdvice(
	ctx context.Context, org, key, window string,
) (api.KeyAdvice, error) {
	return get[api.KeyAdvice](ctx, c, "keyAdvice", in(org, "keys", key, "advice"),
		api.ListAdvice{Window: window})
}

// ListAdvice returns the advice on an organization's keys, key by key.
func (c *Client) ListAdvice(
	ctx context.Context, org string, query api.ListAdvice,
) iter.Seq2[api.AdviceItem, error] {
	return all(query.Cursor, func(cursor string) ([]api.AdviceItem, *string, error) {
		query.Cursor = cursor
		p, err := c.ListAdvicePage(ctx, org, query)
		return p.Items, p.NextCursor, err
	})
}

// ListAdvicePage returns a page of ListAdvice.
func (c *Client) ListAdvicePage(
	ctx context.Context, org string, query api.ListAdvice,
) (api.AdvicePage, error) {
	return get[api.AdvicePage](ctx, c, "listAdvice", in(org, "advice"), query)
}
