package policy

import (
	"strconv"
	"sync"

	"github.com/bitting-keys/bitting/pkg/permission"
)

// Builder remembers the documents that [Build] makes, so that a warm check builds
// none anew. It is safe for concurrent use. What depends on the path of a single
// call is never kept: a caller cannot fill it by varying paths.
type Builder struct {
	// Two generations: when the newer one is full it becomes the older one, and what
	// was used in neither is forgotten.
	generation int // documents in a generation, at most

	mu           sync.Mutex
	newer, older map[documentKey]*kept
}

// documentKey is all on which a document depends. A catalogue never changes, so its
// pointer stands for what it says.
type documentKey struct {
	catalogue  *permission.Catalogue
	api, stage string
	grant      string
	only       permission.Route
}

// kept is a document that is made once, by whoever asks first while others wait.
type kept struct {
	once     sync.Once
	document Document
	ok       bool
}

// NewBuilder returns a Builder that keeps at most capacity documents, of at most
// some 10 KB each; it keeps at least two.
func NewBuilder(capacity int) *Builder {
	return &Builder{generation: max(1, capacity/2), newer: make(map[documentKey]*kept)}
}

// Build returns what [Build] returns. A nil Builder keeps nothing.
func (b *Builder) Build(c *permission.Catalogue, api string, g permission.Grant, call ARN) Policy {
	if b == nil {
		return Build(c, api, g, call)
	}

	return build(c, api, g, call, b.compose)
}

func (b *Builder) compose(r request) (Document, bool) {
	k := b.lookup(documentKey{
		catalogue: r.catalogue,
		api:       r.api,
		stage:     r.stage,
		grant:     grantKey(r.grant),
		only:      r.only,
	})
	k.once.Do(func() { k.document, k.ok = r.compose() })
	return k.document, k.ok
}

func (b *Builder) lookup(key documentKey) *kept {
	b.mu.Lock()
	defer b.mu.Unlock()

	if k := b.newer[key]; k != nil {
		return k
	}

	k := b.older[key]
	if k == nil {
		k = &kept{}
	}

	if len(b.newer) >= b.generation {
		b.older, b.newer = b.newer, make(map[documentKey]*kept)
	}

	b.newer[key] = k
	return k
}

// grantKey writes a grant so that no two grants look the same, whatever is in their
// names.
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
