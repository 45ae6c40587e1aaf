package client

import (
	"net/http"
	"strconv"
)

// Option is an optional header or parameter of a call.
type Option func(*call)

// IfMatch makes a change conditional on the ETag that it starts from. If the current one differs,
// the error is [ErrStale].
func IfMatch(etag string) Option { return header("If-Match", etag) }

// IfVersion is IfMatch for the version of a key.
func IfVersion(version int64) Option {
	return IfMatch(`"` + strconv.FormatInt(version, 10) + `"`)
}

// IfNoneMatch makes a read conditional. If the ETag still matches, the error is [ErrNotModified].
func IfNoneMatch(etag string) Option { return header("If-None-Match", etag) }

// ETag stores the ETag of the answer, for IfMatch.
func ETag(into *string) Option { return func(c *call) { c.etag = into } }

// IdempotencyKey replaces the generated key: the same key and body get the same answer for 24
// hours, without the secret, also from another process.
func IdempotencyKey(key string) Option { return header("Idempotency-Key", key) }

// Force proceeds although something is in use: for the removal of permissions that keys hold, and
// of a customer that keys are scoped to.
func Force() Option { return func(c *call) { c.query.Set("force", "true") } }

func header(name, value string) Option {
	return func(c *call) {
		if c.header == nil {
			c.header = http.Header{}
		}

		c.header.Set(name, value)
	}
}
