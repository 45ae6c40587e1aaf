package apikey

import (
	"errors"
	"slices"
	"time"
)

// Why a key cannot be had or changed. ErrNotFound, ErrStale and ErrExists are what storage answers:
// there is no such key, it is at another version than the change started from, its id is taken.
// What else is written on its version wraps ErrStale.
var (
	ErrNotFound        = errors.New("apikey: no such key")
	ErrStale           = errors.New("apikey: changed meanwhile")
	ErrExists          = errors.New("apikey: the key exists already")
	ErrNotActive       = errors.New("apikey: the key is not active")
	ErrRotationRunning = errors.New("apikey: a rotation is running")
	ErrNoRotation      = errors.New("apikey: no rotation is running")
	ErrCompromised     = errors.New("apikey: the key is compromised")
	ErrDeleted         = errors.New("apikey: the key is deleted")
)

// maxRetired is how many secrets are remembered after they ended, to recognise them when they are
// still sent.
const maxRetired = 5

// IssuedSecret is a newly minted secret as a key keeps it.
type IssuedSecret struct {
	Verifier Verifier
	Hint     string
}

// Regenerate replaces the secret at once; every earlier secret is refused from now on. A revocation
// is lifted, compromised or not, and an exposure forgotten, since what leaked is the secret that
// ends here; a disabled key stays disabled. Errors: ErrDeleted, ErrNotActive (expired).
func (k *Key) Regenerate(fresh IssuedSecret, now time.Time) error {
	switch {
	case !k.DeletedAt.IsZero():
		return ErrDeleted
	case k.expired(now):
		return ErrNotActive
	}

	k.endRotation()
	k.retire(k.Secret)
	k.settle()
	k.replace(fresh, now)
	k.Revocation = nil
	k.Exposure = nil
	return nil
}

// Revoke refuses the key from now on and keeps everything. A revoked key stays as it is, but that it
// may become compromised, and that a personal key which its owner revoked, or a leak, may be revoked
// by somebody else: those bring it back. Error: ErrDeleted.
func (k *Key) Revoke(by Actor, reason string, compromised bool, now time.Time) error {
	switch {
	case !k.DeletedAt.IsZero():
		return ErrDeleted
	case k.Revocation == nil, k.ownersOwn(k.Revocation.By) && !k.ownersOwn(by):
		k.Revocation = &Revocation{
			At:          now,
			By:          by,
			Reason:      reason,
			Compromised: compromised || k.Revocation != nil && k.Revocation.Compromised,
		}
	case compromised:
		k.Revocation.Compromised = true
	}

	return nil
}

// ownersOwn reports whether what an actor stopped of a personal key is its owner's to bring back.
func (k *Key) ownersOwn(by Actor) bool {
	return k.Ownership == Personal && (by.Type == ActorSystem || by.ID == k.Owner.ID)
}

// Restore lifts a revocation; a key that is not revoked stays as it is. Errors: ErrDeleted,
// ErrCompromised.
func (k *Key) Restore() error {
	switch {
	case !k.DeletedAt.IsZero():
		return ErrDeleted
	case k.Revocation != nil && k.Revocation.Compromised:
		return ErrCompromised
	}

	k.Revocation = nil
	return nil
}

// Delete leaves a tombstone that no change wakes. Deleting twice changes nothing.
func (k *Key) Delete(now time.Time) {
	if k.DeletedAt.IsZero() {
		k.DeletedAt = now
	}
}

// replace puts a fresh secret in the place of the current one.
func (k *Key) replace(fresh IssuedSecret, now time.Time) {
	k.Secret = fresh.Verifier
	k.Hint = fresh.Hint
	k.RenewedAt = now
}

// EndAt says when the key ends, the zero time for never. An end that somebody set is the key's for
// good: no new secret lifts it.
func (k *Key) EndAt(end time.Time) { k.ExpiresAt, k.Provisional = end, false }

// settle makes a provisional key one for good.
func (k *Key) settle() {
	if k.Provisional {
		k.Provisional = false
		k.ExpiresAt = time.Time{}
	}
}

func (k *Key) retire(v Verifier) {
	k.Retired = slices.Insert(k.Retired, 0, v)
	if len(k.Retired) > maxRetired {
		k.Retired = k.Retired[:maxRetired]
	}
}
