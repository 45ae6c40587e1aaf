package apikey

import "time"

// Status is computed from a key and a time; it is never stored.
type Status string

// The statuses. Inactive is disabled, revoked or deleted. It takes precedence over expired, since
// somebody decided it.
const (
	Active   Status = "active"
	Inactive Status = "inactive"
	Expired  Status = "expired"
)

// Status returns the key's status at now. A key whose notBefore is in the future is active: it
// will work without any further change.
func (k *Key) Status(now time.Time) Status {
	switch {
	case !k.Enabled || k.Revocation != nil || !k.DeletedAt.IsZero():
		return Inactive
	case k.expired(now):
		return Expired
	default:
		return Active
	}
}

// expired reports whether now is at or after ExpiresAt.
func (k *Key) expired(now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

// Outlives reports whether other has expired by now and k has not, so that a change from other to k
// revives the key.
func (k *Key) Outlives(other *Key, now time.Time) bool {
	return other.expired(now) && !k.expired(now)
}

// Started reports whether the key's notBefore has come.
func (k *Key) Started(now time.Time) bool { return !now.Before(k.NotBefore) }

// SecretMatch is which of a key's secrets a text is.
type SecretMatch int

// The secrets of a key.
const (
	Unknown SecretMatch = iota // none of them
	Current
	Old     // the old secret of a running rotation: accepted
	Retired // a secret that the key once had: refused
)

// Recognise reports which secret of the key a text is, with matches as the comparison. It compares
// every verifier of the key, even after a match, so that its time reveals nothing about which one
// matched.
func (k *Key) Recognise(now time.Time, matches func(Verifier) bool) SecretMatch {
	which := Unknown
	for _, v := range k.Retired {
		if matches(v) {
			which = Retired
		}
	}

	if k.Rotation != nil && matches(k.Rotation.Old) {
		which = Retired
		if k.Rotating(now) {
			which = Old
		}
	}

	if matches(k.Secret) {
		which = Current
	}

	return which
}
