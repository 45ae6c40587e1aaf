package apikey_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// model is the contract of a key in the simplest form: which secrets are accepted, and until when.
type model struct {
	now     time.Time
	issued  int               // the number of the newest secret
	ends    map[int]time.Time // when a secret ended or will end; the newest has no entry
	enabled bool
	revoked bool
	leaked  bool
	deleted bool
	expires time.Time

	// the newest rotation counts its overlap from the first use of the newest secret, which has
	// not happened yet
	waits   bool
	overlap time.Duration // its length
}

func (m *model) expired() bool { return !m.expires.IsZero() && !m.now.Before(m.expires) }
func (m *model) active() bool  { return m.enabled && !m.revoked && !m.deleted && !m.expired() }
func (m *model) rotating() bool {
	for _, end := range m.ends {
		if m.now.Before(end) {
			return true
		}
	}

	return false
}

// accepted lists the secrets that are accepted.
func (m *model) accepted() []int {
	var out []int
	for n := 1; n <= m.issued; n++ {
		end, ends := m.ends[n]
		if m.active() && (!ends || m.now.Before(end)) {
			out = append(out, n)
		}
	}

	return out
}

// renew gives the model a new secret, and ends the others after overlap.
func (m *model) renew(overlap time.Duration) {
	for n := 1; n <= m.issued; n++ {
		if end, ends := m.ends[n]; !ends {
			m.ends[n] = m.now.Add(overlap)
			if !m.expires.IsZero() && m.expires.Before(m.ends[n]) {
				m.ends[n] = m.expires // even if the key's life is extended later
			}
		} else if m.now.Before(end) {
			m.ends[n] = m.now
		}
	}

	m.issued++
	m.waits = false
}

// use is the first use of the newest secret: if that is awaited, the others end overlap later, if
// not earlier.
func (m *model) use(at time.Time) {
	for n, end := range m.ends {
		if m.waits && m.now.Before(end) && at.Add(m.overlap).Before(end) {
			m.ends[n] = at.Add(m.overlap)
		}
	}

	m.waits = false
}

// After any changes in any order, a key accepts what the model accepts.
func TestLifeFollowsTheModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			now:     now,
			issued:  1,
			ends:    map[int]time.Time{},
			enabled: true,
		}
		k := key()
		agree := func(what string, err error, allowed bool) {
			if (err == nil) != allowed {
				t.Fatalf("%s: %v, though the model says %v", what, err, allowed)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"regenerate": func(*rapid.T) {
				allowed := !m.deleted && !m.expired()
				agree("regenerate", k.Regenerate(fresh(m.issued+1), m.now), allowed)

				if allowed {
					m.renew(0)
					m.revoked = false
					m.leaked = false
				}
			},
			"rotate": func(t *rapid.T) {
				overlap := time.Duration(rapid.IntRange(-1, 40*24).Draw(t, "hours")) * time.Hour
				allowed := m.active() && !m.rotating()
				agree("rotate", k.Rotate(fresh(m.issued+1), overlap, m.now), allowed)

				if allowed {
					m.renew(max(0, min(overlap, 30*24*time.Hour)))
				}
			},
			"rotate from the first use": func(t *rapid.T) {
				overlap := time.Duration(rapid.IntRange(-1, 40*24).Draw(t, "hours")) * time.Hour
				longest := time.Duration(rapid.IntRange(-1, 40*24).Draw(t,
					"hours at most")) * time.Hour
				allowed := m.active() && !m.rotating()
				agree("rotate from the first use",
					k.RotateFromFirstUse(fresh(m.issued+1), overlap, longest, m.now), allowed)

				if allowed {
					m.renew(max(0, min(longest, 30*24*time.Hour)))
					m.waits = m.rotating()
					m.overlap = max(0, min(overlap, 30*24*time.Hour))
				}
			},
			"use the new secret": func(*rapid.T) {
				if m.active() {
					k.FirstUsed(m.now)
					m.use(m.now)
				}
			},
			"finish": func(*rapid.T) {
				allowed := !m.deleted && m.rotating()
				agree("finish", k.FinishRotation(m.now), allowed)

				if allowed {
					for n, end := range m.ends {
						if m.now.Before(end) {
							m.ends[n] = m.now
						}
					}
				}
			},
			"revoke": func(t *rapid.T) {
				leaked := rapid.Bool().Draw(t, "compromised")
				agree("revoke", k.Revoke(apikey.Actor{}, "", leaked, m.now), !m.deleted)

				if !m.deleted {
					m.revoked = true
					m.leaked = m.leaked || leaked
				}
			},
			"restore": func(*rapid.T) {
				allowed := !m.deleted && !m.leaked
				agree("restore", k.Restore(), allowed)

				if allowed {
					m.revoked = false
				}
			},
			"delete": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "rarely") == 0 {
					k.Delete(m.now)
					m.deleted = true
				}
			},
			"enable":  func(*rapid.T) { k.Enabled, m.enabled = true, true },
			"disable": func(*rapid.T) { k.Enabled, m.enabled = false, false },
			"expire": func(t *rapid.T) {
				m.expires = m.now.Add(time.Duration(rapid.IntRange(-24, 24*60).Draw(t,
					"hours")) * time.Hour)
				k.ExpiresAt = m.expires
			},
			"expire never": func(*rapid.T) { k.ExpiresAt, m.expires = time.Time{}, time.Time{} },
			"wait": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(0, 24*20).Draw(t,
					"hours")) * time.Hour)
			},
			"": func(t *rapid.T) { hold(t, k, m) },
		})
	})
}

// hold checks the invariants of a key.
func hold(t *rapid.T, k *apikey.Key, m *model) {
	var accepted []int
	for n := 1; n <= m.issued; n++ {
		which := k.Recognise(m.now, func(v apikey.Verifier) bool {
			return string(v.Hash) == string(verifier(n).Hash)
		})
		if k.Status(m.now) == apikey.Active && (which == apikey.Current || which == apikey.Old) {
			accepted = append(accepted, n)
		}

		if which == apikey.Current != (n == m.issued) {
			t.Fatalf("secret %d of %d is read as %d", n, m.issued, which)
		}

		if m.issued-n <= 5 && which == apikey.Unknown {
			t.Fatalf("secret %d of %d is forgotten", n, m.issued)
		}
	}

	if want := m.accepted(); !slices.Equal(want, accepted) {
		t.Fatalf("accepts the secrets %v, want %v", accepted, want)
	}

	switch {
	case (k.Status(m.now) == apikey.Active) != m.active():
		t.Fatalf("status %s, though the model's activity is %v", k.Status(m.now), m.active())
	case m.active() && len(accepted) == 0:
		t.Fatal("an active key without a valid secret")
	case len(accepted) > 2 || len(k.Retired) > 5:
		t.Fatalf("%d secrets accepted, %d remembered", len(accepted), len(k.Retired))
	case m.rotating() != k.Rotating(m.now):
		t.Fatalf("rotating: %v", k.Rotating(m.now))
	}
}
