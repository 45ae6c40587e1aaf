package cache_test

import (
	"testing"

	"github.com/bitting-keys/bitting/pkg/cache"
)

// What is dropped is made again, whichever generation it was in.
func TestDropped(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		drop func(*cache.Cache[int, *int])
		made int // of two values
	}{
		"one": {func(c *cache.Cache[int, *int]) { c.Remove(0) }, 1},
		"all": {func(c *cache.Cache[int, *int]) { c.Clear() }, 2},
	} {
		for _, others := range []int{0, 1, 2} {
			made := 0
			c := cache.New(6, func(key int) *int { made++; return &key })

			for key := range 2 + others {
				c.Get(key)
			}

			test.drop(c)

			made = 0
			c.Get(0)
			c.Get(1)

			if made != test.made {
				t.Errorf("%s, with %d others: %d were made again", name, others, made)
			}
		}
	}
}
