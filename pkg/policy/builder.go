package policy

import (
	"strconv"
	"sync"

	"github.com/bitting-keys/bitting/pkg/cache"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// Builder caches the documents that [Build] makes, so that a warm check builds none. It is safe
// for concurrent use. Documents that depend on the path of a single call are never cached: a
// caller cannot fill the cache by varying paths.
type Builder struct {
	documents *cache.Cache[cache.Key[*permission.Catalogue], *kept]
}

// kept is a cached document. The first caller makes it while others wait.
type kept struct {
	once     sync.Once
	document composed
	ok       bool
}

// NewBuilder returns a Builder that caches at most capacity documents, each of about 20 KB at
// most; it keeps at least two.
func NewBuilder(capacity int) *Builder {
	return &Builder{
		cache.New(capacity, func(cache.Key[*permission.Catalogue]) *kept { return &kept{} }),
	}
}

// Build returns what [Build] returns. A nil Builder caches nothing.
func (b *Builder) Build(c *permission.Catalogue, api string, g permission.Grant, call ARN) Policy {
	if b == nil {
		return Build(c, api, g, call)
	}

	return build(c, api, g, call, b.compose)
}

func (b *Builder) compose(r request) (composed, bool) {
	// Enough for most keys: a key with many customers needs more, on the heap.
	var space [512]byte

	// A catalogue never changes, so its pointer stands for its contents.
	k := cache.GetBytes(b.documents, r.catalogue, r.appendKey(space[:0]))
	k.once.Do(func() { k.document, k.ok = r.compose() })
	return k.document, k.ok
}

// appendKey appends, injectively, everything on which the document depends but the catalogue: no two
// requests have the same key, even if their names contain separators.
func (r request) appendKey(key []byte) []byte {
	key = strconv.AppendBool(key, r.grant.All)
	for _, name := range [...]string{
		r.api, r.at.Partition, r.at.Region, r.at.Account, r.at.API, r.at.Stage,
		r.only.API, r.only.Method, r.only.Path,
	} {
		key = appendName(key, name)
	}

	for _, names := range [...][]string{r.grant.Permissions, r.grant.Customers} {
		key = strconv.AppendInt(append(key, ':'), int64(len(names)), 10)
		for _, name := range names {
			key = appendName(key, name)
		}
	}

	return key
}

func appendName(key []byte, name string) []byte {
	key = strconv.AppendInt(append(key, ':'), int64(len(name)), 10)
	return append(append(key, ':'), name...)
}
