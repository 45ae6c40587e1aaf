package client

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
)

// The methods of resources consist of these: each makes one call of an operation.

// in returns a path within an organization.
func in(org string, more ...string) []string {
	return append([]string{"organizations", org}, more...)
}

// get reads, with a query; nil for none.
func get[T any](
	ctx context.Context, c *Client, operation string, path []string, query any, options ...Option,
) (T, error) {
	call := newCall(operation, http.MethodGet, path, options)
	if query != nil {
		call.ask(query)
	}

	return do[T](ctx, c, call)
}

// post makes a change idempotent, with an Idempotency-Key, unless the options have one. The options
// come last, so that theirs counts.
func post[T any](
	ctx context.Context, c *Client, operation string, path []string, body any, options ...Option,
) (T, error) {
	options = slices.Insert(slices.Clone(options), 0, IdempotencyKey(rand.Text()))
	return do[T](ctx, c, newCall(operation, http.MethodPost, path, options).say(body))
}

// send makes a call with a body and without an Idempotency-Key.
func send[T any](
	ctx context.Context, c *Client, operation, method string, path []string, body any,
	options ...Option,
) (T, error) {
	return do[T](ctx, c, newCall(operation, method, path, options).say(body))
}

// remove makes a DELETE.
func remove[T any](
	ctx context.Context, c *Client, operation string, path []string, options ...Option,
) (T, error) {
	return do[T](ctx, c, newCall(operation, http.MethodDelete, path, options))
}

// none is an empty answer or body.
type none struct{}
