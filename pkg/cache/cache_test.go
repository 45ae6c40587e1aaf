package cache_test

import (
	"testing"

	"github.com/bitting-keys/bitting/pkg/cache"
)

// What is in use stays, however many others come; the cache never holds more than its capacity.
func TestCacheKeepsWhatIsInUse(t *testing.T) {
	t.Parallel()

	made := map[int]int{}
	c := cache.New(4, func(key int) *int {
		made[key]++
		return &key
	})

	first := c.Get(0)
	for other := 1; other < 100; other++ {
		if v := c.Get(other); *v != other {
			t.Fatalf("%d for %d", *v, other)
		}

		if c.Get(0) != first {
			t.Fatalf("0 was made again after %d others", other)
		}
	}

	for key := range 100 {
		c.Get(key)
	}

	again := 0
	for key := 1; key < 100; key++ {
		again += made[key] - 1
	}

	if again < 95 {
		t.Errorf("only %d of 99 were dropped", again)
	}
}

// What was put is found, until so many others were that it is dropped; what is found stays. What is
// put again takes no other's place.
func TestCacheFindsWhatWasPut(t *testing.T) {
	t.Parallel()

	c := cache.New[int, int](4, nil)

	if _, ok := c.Find(1); ok {
		t.Error("found what was never put")
	}

	c.Put(1, 10)
	c.Put(2, 20)

	for range 10 {
		c.Put(2, 21)
	}

	if v, ok := c.Find(1); !ok || v != 10 {
		t.Errorf("%d, %t for what was put first", v, ok)
	}

	for other := 3; other < 100; other++ {
		c.Put(other, other)

		if v, ok := c.Find(1); !ok || v != 10 {
			t.Fatalf("%d, %t after %d others", v, ok, other)
		}
	}

	if _, ok := c.Find(2); ok {
		t.Error("what nobody looked for was not dropped")
	}
}

func TestCacheKeepsTwoAtLeast(t *testing.T) {
	t.Parallel()

	made := 0
	c := cache.New(0, func(string) int { made++; return made })

	for range 3 {
		c.Get("a")
		c.Get("b")
	}

	if made != 2 {
		t.Errorf("made %d times", made)
	}
}

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
