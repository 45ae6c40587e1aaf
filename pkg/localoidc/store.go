package localoidc

import (
	"crypto/rand"
	"sync"
	"time"
)

// Lifetimes.
const (
	signInLife  = 10 * time.Minute    // of a sign-in page before a person is picked
	codeLife    = time.Minute         // of a code before it is exchanged
	sessionLife = 12 * time.Hour      // of a session, however often it is used
	refreshLife = 30 * 24 * time.Hour // of a refresh token that is not used
)

// Bounds on what is kept.
const (
	maxKept = 1000    // values in a store
	maxText = 4 << 10 // bytes that a client has us remember: its state and nonce
)

// signIn is a client's authorization request.
type signIn struct {
	redirect, state, nonce, challenge string
	scopes                            []string
}

// session is a person in a browser, which silent renewal asks for.
type session struct {
	person Person
	at     time.Time // when the person was picked
}

// grant is the authorization behind a code.
type grant struct {
	signIn
	session
}

// refresh is the authorization behind a refresh token. Its name stays the same while its secret
// changes with each use, so that a token that was used before is seen to be one.
type refresh struct {
	session
	scopes []string
	secret string
}

// store keeps values for a limited time, each under a name that cannot be guessed. The oldest
// makes room for one too many. It is in memory: after a restart, people sign in again.
type store[T any] struct {
	life time.Duration
	now  func() time.Time

	mu   sync.Mutex
	kept map[string]kept[T]
	puts int
}

type kept[T any] struct {
	value T
	until time.Time
	order int // of the put
}

// put stores the value and returns its name.
func (s *store[T]) put(value T) string {
	name := rand.Text()
	s.set(name, value)
	return name
}

// set stores the value under a name that put returned.
func (s *store[T]) set(name string, value T) {
	s.mu.Lock()
	defer s.mu.Unlock()

	now, oldest := s.now(), name
	for other, k := range s.kept {
		if !now.Before(k.until) {
			delete(s.kept, other)
		} else if oldest == name || k.order < s.kept[oldest].order {
			oldest = other
		}
	}

	if len(s.kept) >= maxKept {
		delete(s.kept, oldest)
	}

	if s.kept == nil {
		s.kept = map[string]kept[T]{}
	}

	s.puts++
	s.kept[name] = kept[T]{value, now.Add(s.life), s.puts}
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
