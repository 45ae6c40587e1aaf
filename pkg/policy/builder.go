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
	documents *cache.Cache[documentKey, *kept]
}

// documentKey holds everything on which a document depends. A catalogue never changes, so its
// pointer stands for its contents.
type documentKey struct {
	catalogue  *permission.Catalogue
	api, stage string
	grant      string
	only       permission.Route
}

// kept is a cached document. The first caller makes it while others wait.
type kept struct {
	once     sync.Once
	document Document
	ok       bool
}

// NewBuilder returns a Builder that caches at most capacity documents, each of about 10 KB at
// most; it keeps at least two.
func NewBuilder(capacity int) *Builder {
	return &Builder{cache.New(capacity, func(documentKey) *kept { return &kept{} })}
}

// Build returns what [Build] returns. A nil Builder caches nothing.
func (b *Builder) Build(c *permission.Catalogue, api string, g permission.Grant, call ARN) Policy {
	if b == nil {
		return Build(c, api, g, call)
	}

	return build(c, api, g, call, b.compose)
}

func (b *Builder) compose(r request) (Document, bool) {
	k := b.documents.Get(documentKey{
		catalogue: r.catalogue,
		api:       r.api,
		stage:     r.stage,
		grant:     grantKey(r.grant),
		only:      r.only,
	})
	k.once.Do(func() { k.document, k.ok = r.compose() })
	return k.document, k.ok
}

// grantKey encodes a grant injectively: no two grants have the same key, even if their names
// contain separators.
func grantKey(g permission.Grant) string {
	key := strconv.AppendBool(make([]byte, 0, 128), g.All)
	for _, names := range [][]string{g.Permissions, g.Customers} {
		key = strconv.AppendInt(append(key, ':'), int64(len(names)), 10)
		for _, name := range names {
			key = strconv.AppendInt(append(key, ':'), int64(len(name)), 10)
			key = append(append(key, ':'), name...)
		}
	}

	return string(key)
}
