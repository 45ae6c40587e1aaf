package localoidc

import (
	"crypto/rand"
	"errors"
	"sync"
	"time"
)

// Lifetimes.
const (
	signInLife = 10 * time.Minute // of a sign-in page before a person is picked
	codeLife   = time.Minute      // of a code before it is exchanged
	maxWaiting = 1000
)

// signIn is a client's authorization request.
type signIn struct {
	redirect, state, nonce, challenge string
	scopes                            []string
}

// grant is the authorization behind a code.
type grant struct {
	signIn
	person Person
	at     time.Time // when the person was picked
}

// store keeps values for a limited time, each under a name that cannot be guessed. It is in
// memory: after a restart, people sign in again.
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

// put stores the value and returns its name.
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

// get returns the value without removing it.
func (s *store[T]) get(name string) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.kept[name]
	return k.value, ok && s.now().Before(k.until)
}

// take returns the value and removes it, so only the first caller gets it.
func (s *store[T]) take(name string) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.kept[name]
	delete(s.kept, name)
	return k.value, ok && s.now().Before(k.until)
}
