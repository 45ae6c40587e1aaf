package identity

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// How long keys are used, and how often the issuer is asked for them.
const (
	// after that they are asked for again, so that a key which the issuer withdrew stops
	freshFor  = time.Hour
	usableFor = 24 * time.Hour // so long they serve while the issuer cannot be reached
	// between two questions, whatever tokens name: junk cannot make us ask more often
	askAgain = 30 * time.Second
	// the same while there are no keys at all, so that a hiccup at a cold start is short
	askAtFirst = 2 * time.Second
)

// keySet keeps the issuer's keys. At most one question to the issuer is under way.
type keySet struct {
	fetch func(context.Context) ([]jose.JSONWebKey, error) // ends by itself within seconds
	now   func() time.Time

	mu       sync.Mutex
	keys     map[string][]jose.JSONWebKey // by id; nil before the first answer; replaced whole
	answered time.Time                    // when the question was asked whose answer keys are
	asked    time.Time                    // when the last question was asked
	failed   error                        // why the last question had no answer
	question chan struct{}                // closed when the question under way ends; nil if none is
}

// find returns the keys with the id, which are one as a rule. ErrInvalid says that the issuer has
// no such key, as of at most askAgain ago; ErrUnavailable that nobody can tell.
func (s *keySet) find(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	if question := s.await(ctx, id); question != nil {
		select {
		case <-question:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	keys := s.usable(id)
	switch {
	case keys != nil:
		return keys, nil
	case s.failed != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, s.failed)
	}

	return nil, invalid("names a key that the issuer does not have")
}

// await returns the question to wait for before there is an answer for the id, asking it if it is
// due; nil if there is none.
func (s *keySet) await(ctx context.Context, id string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()

	now, known := s.now(), s.usable(id) != nil
	if s.question != nil {
		if known {
			return nil // somebody else is renewing them
		}

		return s.question
	}

	if known && within(freshFor, s.answered, now) {
		return nil
	}

	pause := askAgain
	if s.keys == nil {
		pause = askAtFirst
	}

	if within(pause, s.asked, now) {
		return nil
	}

	s.asked = now
	s.question = make(chan struct{})
	// The answer is everybody's: it does not end with the call that happened to ask.
	go s.ask(context.WithoutCancel(ctx), now)
	return s.question
}

// usable returns the keys with the id unless they are too old to be trusted. The caller holds the
// lock.
func (s *keySet) usable(id string) []jose.JSONWebKey {
	if !within(usableFor, s.answered, s.now()) {
		return nil
	}

	return s.keys[id]
}

// within reports whether something was less than a time ago. What is yet to come was it not: the
// clock went back, and nobody knows.
func within(d time.Duration, at, now time.Time) bool {
	return !now.Before(at) && now.Sub(at) < d
}

// ask asks the issuer for its keys. Without an answer, the old ones stay.
func (s *keySet) ask(ctx context.Context, at time.Time) {
	keys, err := s.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()

	s.failed = err
	if err == nil {
		s.answered = at

		s.keys = make(map[string][]jose.JSONWebKey, len(keys))
		for _, key := range keys {
			s.keys[key.KeyID] = append(s.keys[key.KeyID], key)
		}
	}

	close(s.question)
	s.question = nil
}
