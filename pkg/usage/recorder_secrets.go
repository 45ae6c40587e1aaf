package usage

import (
	"maps"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Source is an origin of calls with an old secret.
type Source struct{ SourceIP, UserAgent string }

// SourceUse is the number of calls from a source, and the time of the last one.
type SourceUse struct {
	Calls  int64
	LastAt time.Time
}

// maxSources is how many sources one row distinguishes.
const maxSources = 20

// SecretUse holds what one instance saw of the use of a key's secrets, since the rotation that
// started at Rotation; if the key has none, of retired secrets. It replaces every row of the same
// writer with a lower sequence.
type SecretUse struct {
	Environment  apikey.Environment
	KeyID        string
	Rotation     time.Time
	Writer       string
	Sequence     int64
	At           time.Time // of the last call in it
	OldCalls     int64     // with the old secret, while it was accepted
	RetiredCalls int64     // with a secret that had ended
	// of both; beyond maxSources, calls count for the Source {Others, Others}
	Sources    map[Source]SourceUse
	NewFirstAt time.Time // the first call with the new secret; zero for none
}

// secretRow is a SecretUse that is being counted.
type secretRow struct {
	use   SecretUse
	dirty bool
}

// countSecret counts the use of the secret that was sent: always for old and retired ones, and the
// first time for the new one of a rotation.
func (r *Recorder) countSecret(k *keyState, c *Call) {
	if !tellsOfSecrets(c) {
		return
	}

	if k.secret == nil || !k.secret.use.Rotation.Equal(c.Rotation) {
		k.secret = &secretRow{
			use: SecretUse{
				Environment: c.Environment,
				KeyID:       k.scope.ID,
				Rotation:    c.Rotation,
				Writer:      r.names.next(),
			},
		}
	}

	if k.secret.use.count(c) && !k.secret.dirty {
		k.secret.dirty, r.secrets = true, append(r.secrets, k.secret)
	}
}

// tellsOfSecrets reports whether a call used a secret that is not the key's only one.
func tellsOfSecrets(c *Call) bool {
	return c.Secret == apikey.Old || c.Secret == apikey.Retired ||
		c.Secret == apikey.Current && !c.Rotation.IsZero()
}

// count adds a call, and reports whether that changed the row. Calls may come in any order.
func (u *SecretUse) count(c *Call) bool {
	switch {
	case c.Secret == apikey.Old || c.Secret == apikey.Retired:
		if c.Secret == apikey.Old {
			u.OldCalls++
		} else {
			u.RetiredCalls++
		}

		u.source(Source{address(c.SourceIP), clean(c.UserAgent, maxAgent)}, c.At)
	case u.NewFirstAt.IsZero() || c.At.Before(u.NewFirstAt):
		u.NewFirstAt = c.At
	default:
		return false
	}

	if c.At.After(u.At) {
		u.At = c.At
	}

	return true
}

func (u *SecretUse) source(s Source, at time.Time) {
	if u.Sources == nil {
		u.Sources = map[Source]SourceUse{}
	}

	if _, known := u.Sources[s]; !known && len(u.Sources) >= maxSources {
		s = Source{Others, Others}
	}

	use := u.Sources[s]

	use.Calls++
	if at.After(use.LastAt) {
		use.LastAt = at
	}

	u.Sources[s] = use
}

// snapshot returns the current row, with the next sequence, to be written.
func (s *secretRow) snapshot() SecretUse {
	s.use.Sequence++
	out := s.use
	out.Sources = maps.Clone(s.use.Sources)
	return out
}

// Take adds the row of another writer: calls are added, times are the last and the first.
func (u *SecretUse) Take(other SecretUse) {
	u.OldCalls += other.OldCalls

	u.RetiredCalls += other.RetiredCalls
	if other.At.After(u.At) {
		u.At = other.At
	}

	if u.NewFirstAt.IsZero() ||
		!other.NewFirstAt.IsZero() && other.NewFirstAt.Before(u.NewFirstAt) {
		u.NewFirstAt = other.NewFirstAt
	}

	if u.Sources == nil {
		u.Sources = map[Source]SourceUse{}
	}

	for s, use := range other.Sources {
		sum := u.Sources[s]

		sum.Calls += use.Calls
		if use.LastAt.After(sum.LastAt) {
			sum.LastAt = use.LastAt
		}

		u.Sources[s] = sum
	}
}
