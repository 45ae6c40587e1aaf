package apikey

import (
	"errors"
	"slices"
	"time"
)

// Errors about a key. ErrNotFound, ErrStale and ErrExists come from storage: there is no such key,
// it has another version than the change started from, its id is taken. Versioned rows of other
// kinds wrap ErrStale.
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

// maxRetired is how many ended secrets are remembered, to recognise them when they are still sent.
const maxRetired = 5

// IssuedSecret is a newly minted secret in the form that a key stores.
type IssuedSecret struct {
	Verifier Verifier
	Hint     string
}

// Regenerate replaces the secret at once; every earlier secret is refused from now on. It lifts a
// revocation, compromised or not, and forgets an exposure, since what leaked is the secret that
// ends here. A disabled key stays disabled. Errors: ErrDeleted, ErrNotActive (expired).
func (k *Key) Regenerate(fresh IssuedSecret, now time.Time) error {
	switch {
	case !k.DeletedAt.IsZero():
		return ErrDeleted
	case k.expired(now):
		return ErrNotActive
	}

	k.endRotation()
	k.retire(k.Secret)
	k.makePermanent()
	k.replace(fresh, now)
	k.Revocation = nil
	k.Exposure = nil
	return nil
}

// Revoke refuses the key from now on and keeps everything. Revoking a revoked key changes nothing,
// with two exceptions:
//
//   - It may become compromised.
//   - On a personal key that its owner or the service revoked, anyone else's revocation takes
//     precedence, so that the owner cannot restore the key.
//
// Error: ErrDeleted.
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

// ownersOwn reports whether the owner of a personal key may undo what the actor did to it.
func (k *Key) ownersOwn(by Actor) bool {
	return k.Ownership == Personal && (by.Type == ActorSystem || by.ID == k.Owner.ID)
}

// Restore lifts a revocation. It does not change a key that is not revoked. Errors: ErrDeleted,
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

// Delete leaves a tombstone that no change revives. Deleting twice changes nothing.
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

// EndAt sets when the key ends, the zero time for never. An end that was set this way is
// permanent: no new secret lifts it.
func (k *Key) EndAt(end time.Time) { k.ExpiresAt, k.Provisional = end, false }

// makePermanent ends the provisional state of a key and lifts its expiry.
func (k *Key) makePermanent() {
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
