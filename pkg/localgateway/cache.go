package localgateway

import (
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxCached bounds the cache. While it is full of valid answers, new ones are not stored.
const maxCached = 10_000

// cache holds authorizers' answers by authorizer and identity values. As at API Gateway, each
// stage of an API has its own.
type cache struct {
	mu      sync.Mutex
	entries map[string]cached
}

type cached struct {
	answer  authorization
	expires time.Time
}

func newCache() *cache { return &cache{entries: map[string]cached{}} }

// cacheKey is injective: no two lists of values share a key.
func cacheKey(authorizer string, values []string) string {
	var b strings.Builder
	b.WriteString(strconv.Quote(authorizer))

	for _, v := range values {
		b.WriteString(strconv.Quote(v))
	}

	return b.String()
}

func (c *cache) get(key string, now time.Time) (authorization, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()

	entry, ok := c.entries[key]
	if !ok || !now.Before(entry.expires) {
		return authorization{}, false
	}

	return entry.answer, true
}

func (c *cache) put(key string, answer authorization, now time.Time, ttl time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()

	if len(c.entries) >= maxCached {
		for k, entry := range c.entries {
			if !now.Before(entry.expires) {
				delete(c.entries, k)
			}
		}
	}

	if len(c.entries) < maxCached {
		c.entries[key] = cached{answer, now.Add(ttl)}
	}
}
