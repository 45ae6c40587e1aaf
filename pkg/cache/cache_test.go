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
