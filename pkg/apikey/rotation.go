package apikey

import "time"

// MaxOverlap is the longest time that an old secret lives on in a rotation, however its overlap is
// counted.
const MaxOverlap = 30 * 24 * time.Hour

// OverlapStart tells from when the overlap of a rotation is counted.
type OverlapStart string

// The overlap is counted from the rotation itself, or from the first use of the new secret.
const (
	StartsNow      OverlapStart = "now"
	StartsFirstUse OverlapStart = "first_use"
)

// Rotation is the time during which two secrets are accepted.
type Rotation struct {
	StartedAt time.Time
	StartsAt  OverlapStart
	Overlap   time.Duration // how long the old secret lives on, from StartsAt on
	// when the new secret was first used; zero where that is not known to have happened
	FirstUsedAt time.Time
	Old         Verifier
	OldHint     string
	// the old secret is refused from this moment on; before the first use, the latest one
	OldEndsAt time.Time
}

// Rotate takes the fresh secret and lets the old one live on for overlap, at most to the key's own
// expiry. Errors: ErrDeleted, ErrNotActive, ErrRotationRunning.
func (k *Key) Rotate(fresh IssuedSecret, overlap time.Duration, now time.Time) error {
	return k.rotate(fresh, StartsNow, overlap, overlap, now)
}

// RotateFromFirstUse is Rotate with an overlap that is counted from the first use of the fresh
// secret: the old one ends overlap after that, and in any case after longest.
func (k *Key) RotateFromFirstUse(
	fresh IssuedSecret, overlap, longest time.Duration, now time.Time,
) error {
	return k.rotate(fresh, StartsFirstUse, overlap, longest, now)
}

func (k *Key) rotate(
	fresh IssuedSecret, starts OverlapStart, overlap, longest time.Duration, now time.Time,
) error {
	switch {
	case !k.DeletedAt.IsZero():
		return ErrDeleted
	case k.Status(now) != Active:
		return ErrNotActive
	case k.Rotating(now):
		return ErrRotationRunning
	}

	k.endRotation()

	if longest <= 0 {
		k.retire(k.Secret)
	} else {
		ends := now.Add(min(longest, MaxOverlap))
		if !k.ExpiresAt.IsZero() && k.ExpiresAt.Before(ends) {
			ends = k.ExpiresAt
		}

		k.Rotation = &Rotation{
			StartedAt: now,
			StartsAt:  starts,
			Overlap:   min(max(0, overlap), MaxOverlap),
			Old:       k.Secret,
			OldHint:   k.Hint,
			OldEndsAt: ends,
		}
	}

	k.settle() // the old secret does not outlive the end that is lifted here
	k.replace(fresh, now)
	return nil
}

// Rotating reports whether two secrets are accepted at now. It ends by the clock, not by a job. Of
// a rotation that starts at the first use, only somebody who knows of that use can tell: see
// AwaitsFirstUse.
func (k *Key) Rotating(now time.Time) bool {
	return k.Rotation != nil && now.Before(k.Rotation.OldEndsAt)
}

// AwaitsFirstUse reports whether a rotation runs at now whose new secret is not known to have been
// used.
func (k *Key) AwaitsFirstUse(now time.Time) bool {
	return k.Rotating(now) && k.Rotation.FirstUsedAt.IsZero()
}

// FirstUsed tells the key when the new secret of its rotation was first used. An overlap that
// starts then is counted from it, and never makes the old secret live longer. What is known already
// stays. A use that seems to come before the rotation is of a clock that is behind.
func (k *Key) FirstUsed(at time.Time) {
	r := k.Rotation
	if r == nil || !r.FirstUsedAt.IsZero() {
		return
	}

	if at.Before(r.StartedAt) {
		at = r.StartedAt
	}

	r.FirstUsedAt = at
	if ends := at.Add(r.Overlap); r.StartsAt == StartsFirstUse && ends.Before(r.OldEndsAt) {
		r.OldEndsAt = ends
	}
}

// FinishRotation refuses the old secret from now on. Errors: ErrDeleted, ErrNoRotation.
func (k *Key) FinishRotation(now time.Time) error {
	switch {
	case !k.DeletedAt.IsZero():
		return ErrDeleted
	case !k.Rotating(now):
		return ErrNoRotation
	}

	k.endRotation()
	return nil
}

// endRotation moves the old secret of a rotation, running or over, to the retired ones.
func (k *Key) endRotation() {
	if k.Rotation != nil {
		k.retire(k.Rotation.Old)
		k.Rotation = nil
	}
}
