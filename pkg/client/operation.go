package client

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
)

// The methods of resources are made of these: each is one call of an operation.

// in returns the path of something of an organization.
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

// post makes a change once however often it is sent: with an Idempotency-Key, if the options have
// none. They come last, so that theirs counts.
func post[T any](
	ctx context.Context, c *Client, operation string, path []string, body any, options ...Option,
) (T, error) {
	options = slices.Insert(slices.Clone(options), 0, IdempotencyKey(rand.Text()))
	return do[T](ctx, c, newCall(operation, http.MethodPost, path, options).say(body))
}

// send is what has a body and no Idempotency-Key.
func send[T any](
	ctx context.Context, c *Client, operation, method string, path []string, body any,
	options ...Option,
) (T, error) {
	return do[T](ctx, c, newCall(operation, method, path, options).say(body))
}

// remove deletes.
func remove[T any](
	ctx context.Context, c *Client, operation string, path []string, options ...Option,
) (T, error) {
	return do[T](ctx, c, newCall(operation, http.MethodDelete, path, options))
}

// none is the answer, or the body, without anything in it.
type none struct{}
