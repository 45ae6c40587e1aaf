package apikey

import "time"

// MaxOverlap is the maximum time that an old secret works in a rotation, from any start of its
// overlap.
const MaxOverlap = 30 * 24 * time.Hour

// OverlapStart is when the overlap of a rotation starts.
type OverlapStart string

// The overlap starts with the rotation itself, or with the first use of the new secret.
const (
	StartsNow      OverlapStart = "now"
	StartsFirstUse OverlapStart = "first_use"
)

// Rotation is the time during which two secrets are accepted.
type Rotation struct {
	StartedAt time.Time
	StartsAt  OverlapStart
	Overlap   time.Duration // how long the old secret works, from StartsAt on
	// FirstUsedAt is when the new secret was first used; zero if that is not known to have
	// happened.
	FirstUsedAt time.Time
	Old         Verifier
	OldHint     string
	// OldEndsAt is when the old secret stops working; before the first use, the latest possible
	// time.
	OldEndsAt time.Time
}

// Rotate makes fresh the current secret. The old one works for overlap, but not beyond the key's
// own expiry. Errors: ErrDeleted, ErrNotActive, ErrRotationRunning.
func (k *Key) Rotate(fresh IssuedSecret, overlap time.Duration, now time.Time) error {
	return k.rotate(fresh, StartsNow, overlap, overlap, now)
}

// RotateFromFirstUse is Rotate with an overlap that starts with the first use of the fresh secret:
// the old one ends overlap after that, and in any case after longest.
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

	k.makePermanent() // the old secret does not outlive the end that is lifted here
	k.replace(fresh, now)
	return nil
}

// Rotating reports whether two secrets are accepted at now. Rotations end by the clock, not by a
// job. If the overlap starts with the first use, the answer is only right once that use is known:
// see AwaitsFirstUse.
func (k *Key) Rotating(now time.Time) bool {
	return k.Rotation != nil && now.Before(k.Rotation.OldEndsAt)
}

// AwaitsFirstUse reports whether a rotation is running at now whose new secret is not known to
// have been used.
func (k *Key) AwaitsFirstUse(now time.Time) bool {
	return k.Rotating(now) && k.Rotation.FirstUsedAt.IsZero()
}

// FirstUsed records when the new secret of a rotation was first used. If the overlap starts with
// that, its end follows; it is never later than before. An earlier recorded use stays. A use that
// seems to precede the rotation comes from a slow clock.
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
