package client

import (
	"net/http"
	"strconv"
)

// Option is what a call says besides its input.
type Option func(*call)

// IfMatch makes a change conditional on the ETag of what it starts from; another one now is
// [ErrStale].
func IfMatch(etag string) Option { return header("If-Match", etag) }

// IfVersion is IfMatch by the version that a key has.
func IfVersion(version int64) Option {
	return IfMatch(`"` + strconv.FormatInt(version, 10) + `"`)
}

// IfNoneMatch makes a read conditional: [ErrNotModified] where the ETag is still the same.
func IfNoneMatch(etag string) Option { return header("If-None-Match", etag) }

// ETag keeps the ETag of the answer, for IfMatch.
func ETag(into *string) Option { return func(c *call) { c.etag = into } }

// IdempotencyKey is sent instead of a made-up one: the same key and body get the same answer for
// 24 hours, without the secret, also from another process.
func IdempotencyKey(key string) Option { return header("Idempotency-Key", key) }

// Force goes on although something is in use: the removal of permissions that keys hold, and of a
// customer that keys are scoped to.
func Force() Option { return func(c *call) { c.query.Set("force", "true") } }

func header(name, value string) Option {
	return func(c *call) {
		if c.header == nil {
			c.header = http.Header{}
		}

		c.header.Set(name, value)
	}
}
