package localgateway

import (
	"sync"

	generations "github.com/bitting-keys/bitting/pkg/cache"
)

// memo keeps what was made of texts that come again and again, and that depends on the text alone: an
// authorizer's answer for a key is mostly the same for all of its calls, and the policy in it is
// even where a limit counts down beside it. Reading both anew would be most of a call's work here.
type memo[V any] struct {
	entries *generations.Cache[memoKey, *made[V]]
}

type memoKey = generations.Key[struct{}]

type made[V any] struct {
	once  sync.Once
	value V
	err   error
}

// maxMade bounds a memo: what is made of an answer has some 5 KB.
const maxMade = 1000

func newMemo[V any]() memo[V] {
	return memo[V]{generations.New(maxMade, func(memoKey) *made[V] { return &made[V]{} })}
}

// of returns what is made of a text. All callers get the same value, and must not change it.
func (m memo[V]) of(text []byte, read func() (V, error)) (V, error) {
	e := generations.GetBytes(m.entries, struct{}{}, text)
	e.once.Do(func() { e.value, e.err = read() })
	return e.value, e.err
}
