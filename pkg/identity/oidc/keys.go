package oidc

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/bitting-keys/bitting/pkg/cache"
	"github.com/bitting-keys/bitting/pkg/identity"
)

// How long keys are used, and how often the issuer is asked for them.
const (
	// after that they are fetched again, so that a key the issuer withdrew stops working
	freshFor  = time.Hour
	usableFor = 24 * time.Hour // how long they are used while the issuer is unreachable
	// retryAfter is the time between two requests for any tokens: junk cannot make us ask more
	// often.
	retryAfter = 30 * time.Second
	// firstRetryAfter is the same while there are no keys at all, so that a hiccup at a cold start
	// is short.
	firstRetryAfter = 2 * time.Second
)

// keySet keeps the issuer's keys. At most one request to the issuer is under way.
type keySet struct {
	fetch func(context.Context) ([]jose.JSONWebKey, error) // ends by itself within seconds
	now   func() time.Time

	mu       sync.Mutex
	keys     map[string][]jose.JSONWebKey // by id; nil before the first answer; replaced whole
	answered time.Time                    // when the request that returned keys was sent
	asked    time.Time                    // when the last request was sent
	failed   error                        // why the last request had no answer
	pending  chan struct{}                // closed when the request under way ends; nil if none is
}

// find returns the keys with the id, usually one. ErrInvalid means that the issuer has no such
// key, as of at most retryAfter ago; ErrUnavailable that this is unknown.
func (s *keySet) find(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	if pending := s.await(ctx, id); pending != nil {
		select {
		case <-pending:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", identity.ErrUnavailable, context.Cause(ctx))
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	keys := s.usable(id)
	switch {
	case keys != nil:
		return keys, nil
	case s.failed != nil:
		return nil, fmt.Errorf("%w: %w", identity.ErrUnavailable, s.failed)
	}

	return nil, invalid("names a key that the issuer does not have")
}

// await returns the request to wait for before there is an answer for the id, and sends it if it
// is due; nil if there is none.
func (s *keySet) await(ctx context.Context, id string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()

	now, known := s.now(), s.usable(id) != nil
	if s.pending != nil {
		if known {
			return nil // another caller is renewing them
		}

		return s.pending
	}

	if known && cache.Fresh(freshFor, s.answered, now) {
		return nil
	}

	pause := retryAfter
	if s.keys == nil {
		pause = firstRetryAfter
	}

	if cache.Fresh(pause, s.asked, now) {
		return nil
	}

	s.asked = now
	s.pending = make(chan struct{})
	// All callers share the answer, so it does not end with the call that happened to ask.
	go s.ask(context.WithoutCancel(ctx), now)
	return s.pending
}

// usable returns the keys with the id unless they are too old to be trusted. The caller must hold
// the lock.
func (s *keySet) usable(id string) []jose.JSONWebKey {
	if !cache.Fresh(usableFor, s.answered, s.now()) {
		return nil
	}

	return s.keys[id]
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

	close(s.pending)
	s.pending = nil
}
