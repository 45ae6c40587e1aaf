package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/bitting-keys/bitting/pkg/api"
)

// CreateKey makes a key. Its secret is in this answer only.
func (c *Client) CreateKey(
	ctx context.Context, org string, body api.CreateKey, options ...Option,
) (api.KeySecret, error) {
	return post[api.KeySecret](ctx, c, "createKey", in(org, "keys"), body, options...)
}

// ListKeys returns the keys that match, newest first. Without a status, it returns active keys.
func (c *Client) ListKeys(
	ctx context.Context, org string, query api.ListKeys,
) iter.Seq2[api.Key, error] {
	return all(query.Cursor, func(cursor string) ([]api.Key, *string, error) {
		query.Cursor = cursor
		p, err := c.ListKeysPage(ctx, org, query)
		return p.Items, p.NextCursor, err
	})
}

// ListKeysPage returns a page of ListKeys. It may be short and still have a cursor.
func (c *Client) ListKeysPage(
	ctx context.Context, org string, query api.ListKeys,
) (api.Page[api.Key], error) {
	return get[api.Page[api.Key]](ctx, c, "listKeys", in(org, "keys"), query)
}

// GetKey returns a key.
func (c *Client) GetKey(
	ctx context.Context, org, key string, options ...Option,
) (api.Key, error) {
	return get[api.Key](ctx, c, "getKey", in(org, "keys", key), nil, options...)
}

// UpdateKey changes a key, from the next check on.
func (c *Client) UpdateKey(
	ctx context.Context, org, key string, body api.UpdateKey, options ...Option,
) (api.Key, error) {
	return send[api.Key](ctx, c, "updateKey", http.MethodPatch, in(org, "keys", key), body,
		options...)
}

// DeleteKey ends a key for good. Its record remains readable.
func (c *Client) DeleteKey(ctx context.Context, org, key string, options ...Option) error {
	_, err := remove[none](ctx, c, "deleteKey", in(org, "keys", key), options...)
	return err
}

// RegenerateKey replaces the secret of a key at once, and lifts its revocation.
func (c *Client) RegenerateKey(
	ctx context.Context, org, key string, options ...Option,
) (api.KeySecret, error) {
	return post[api.KeySecret](ctx, c, "regenerateKey", in(org, "keys", key, "regenerate"), none{},
		options...)
}

// RotateKey gives a key a new secret, while the old one remains valid for a while.
func (c *Client) RotateKey(
	ctx context.Context, org, key string, body api.RotateKey, options ...Option,
) (api.KeySecret, error) {
	return post[api.KeySecret](ctx, c, "rotateKey", in(org, "keys", key, "rotate"), body,
		options...)
}

// GetRotation returns the use of both secrets of a running rotation, and [ErrNoRotation] if none is
// running.
func (c *Client) GetRotation(ctx context.Context, org, key string) (api.RotationState, error) {
	return get[api.RotationState](ctx, c, "getRotation", in(org, "keys", key, "rotation"), nil)
}

// FinishRotation ends the old secret of a rotation.
func (c *Client) FinishRotation(
	ctx context.Context, org, key string, options ...Option,
) (api.KeyOnly, error) {
	return post[api.KeyOnly](ctx, c, "finishRotation", in(org, "keys", key, "rotation", "finish"),
		none{}, options...)
}

// RevokeKey stops a key. RestoreKey undoes that, unless the key is compromised.
func (c *Client) RevokeKey(
	ctx context.Context, org, key string, body api.RevokeKey, options ...Option,
) (api.Revoked, error) {
	return post[api.Revoked](ctx, c, "revokeKey", in(org, "keys", key, "revoke"), body, options...)
}

// RestoreKey lifts a revocation.
func (c *Client) RestoreKey(
	ctx context.Context, org, key string, options ...Option,
) (api.KeyOnly, error) {
	return post[api.KeyOnly](ctx, c, "restoreKey", in(org, "keys", key, "restore"), none{},
		options...)
}

// ImportKeys imports keys of another system by the hashes of their secrets. Keys that fail are in
// Failed, and are not an error.
func (c *Client) ImportKeys(
	ctx context.Context, org string, body api.ImportKeys, options ...Option,
) (api.Imported, error) {
	return post[api.Imported](ctx, c, "importKeys", in(org, "keys", "import"), body, options...)
}

// BulkKeys changes all keys that a filter finds, by a job. It only counts them unless DryRun is
// false. [Client.WaitJob] waits for the job.
func (c *Client) BulkKeys(
	ctx context.Context, org string, body api.BulkKeys, options ...Option,
) (api.BulkAnswer, error) {
	return post[api.BulkAnswer](ctx, c, "bulkKeys", in(org, "keys", "bulk"), body, options...)
}

// ExplainKey explains step by step what a call with a key would get. It changes nothing.
func (c *Client) ExplainKey(
	ctx context.Context, org, key string, body api.ExplainKey,
) (api.Explanation, error) {
	call := newCall("explainKey", http.MethodPost, in(org, "keys", key, "explain"), nil).say(body)
	call.repeatable = true
	return do[api.Explanation](ctx, c, call)
}

// Whoami returns what the holder of the client's key may know about it.
func (c *Client) Whoami(ctx context.Context) (api.Whoami, error) {
	return get[api.Whoami](ctx, c, "whoami", []string{"whoami"}, nil)
}
