// Package cache keeps what is costly to make and used again, a limited number of it.
package cache

import "sync"

// Cache keeps a value for each key. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	create func(K) V
	limit  int // of a generation

	mu sync.Mutex
	// When the newer generation is full it becomes the older one, and values that were used in
	// neither are dropped.
	newer, older map[K]V
}

// New returns a cache of at most capacity values, but at least two. It makes the value of a key by
// create, which must return at once, since it is called under a lock; nil if nobody calls Get.
func New[K comparable, V any](capacity int, create func(K) V) *Cache[K, V] {
	return &Cache[K, V]{create: create, limit: max(1, capacity/2), newer: map[K]V{}}
}

// Get returns the value of a key, the same one for all callers until it is dropped.
func (c *Cache[K, V]) Get(key K) V {
	c.mu.Lock()
	defer c.mu.Unlock()

	v, ok := c.newer[key]
	if ok {
		return v
	}

	if v, ok = c.older[key]; !ok {
		v = c.create(key)
	}

	c.put(key, v)
	return v
}

// Find returns the value of a key, if it is there.
func (c *Cache[K, V]) Find(key K) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()

	if v, ok = c.newer[key]; ok {
		return v, true
	}

	if v, ok = c.older[key]; ok {
		c.put(key, v)
	}

	return v, ok
}

// Put sets the value of a key.
func (c *Cache[K, V]) Put(key K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.put(key, v)
}

// put puts a value among the newer ones.
func (c *Cache[K, V]) put(key K, v V) {
	if _, ok := c.newer[key]; !ok && len(c.newer) >= c.limit {
		c.newer, c.older = map[K]V{}, c.newer
	}

	c.newer[key] = v
}

// Remove drops the value of a key.
func (c *Cache[K, V]) Remove(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()

	delete(c.newer, key)
	delete(c.older, key)
}

// Clear drops all values.
func (c *Cache[K, V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.newer, c.older = map[K]V{}, nil
}

// Key is a key that is mostly text.
type Key[O comparable] struct {
	Of   O
	Text string
}

// GetBytes is Get for a key whose text was put together for the call: it becomes a string only if
// the value is not there.
func GetBytes[O comparable, V any](c *Cache[Key[O], V], of O, text []byte) V {
	c.mu.Lock()
	v, ok := c.newer[Key[O]{of, string(text)}] // the compiler makes no string of it here
	c.mu.Unlock()

	if ok {
		return v
	}

	return c.Get(Key[O]{of, string(text)})
}
