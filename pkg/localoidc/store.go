package localoidc

import (
	"crypto/rand"
	"errors"
	"sync"
	"time"
)

// How long things wait.
const (
	signInLife = 10 * time.Minute // a page on which nobody picks a person
	codeLife   = time.Minute      // a code that nobody exchanges
	maxWaiting = 1000
)

// signIn is what a client asked for.
type signIn struct {
	redirect, state, nonce, challenge string
	scopes                            []string
}

// grant is what a code stands for.
type grant struct {
	signIn
	person Person
	at     time.Time // when the person was picked
}

// store keeps values for a while, each under a name that cannot be guessed. It is in memory: after
// a restart, people sign in again.
type store[T any] struct {
	life time.Duration
	now  func() time.Time

	mu   sync.Mutex
	kept map[string]kept[T]
}

type kept[T any] struct {
	value T
	until time.Time
}

// put keeps the value and returns its name.
func (s *store[T]) put(value T) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	now := s.now()
	for name, k := range s.kept {
		if !now.Before(k.until) {
			delete(s.kept, name)
		}
	}

	if len(s.kept) >= maxWaiting {
		return "", errors.New("too many sign-ins are in progress; try again in a few minutes")
	}

	if s.kept == nil {
		s.kept = map[string]kept[T]{}
	}

	name := rand.Text()
	s.kept[name] = kept[T]{value, now.Add(s.life)}
	return name, nil
}

// get returns the value and keeps it.
func (s *store[T]) get(name string) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.kept[name]
	return k.value, ok && s.now().Before(k.until)
}

// take returns the value, to the first who asks.
func (s *store[T]) take(name string) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.kept[name]
	delete(s.kept, name)
	return k.value, ok && s.now().Before(k.until)
}
