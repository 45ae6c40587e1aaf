package apikey

import "time"

// ExposureAction is what was done about a secret that was found in public.
type ExposureAction string

// The secret is no longer accepted, or it may stay public and people are only informed.
const (
	ExposureRevoked ExposureAction = "revoked"
	ExposureFlagged ExposureAction = "flagged"
)

// Exposure means that a secret of the key was found in public.
type Exposure struct {
	At     time.Time
	Source string // where the report came from: "report" or "github"
	URL    string // where it was found; "" if not given
	Action ExposureAction
}

// Expose records that one of the key's secrets was found in public. A publishable key is only
// flagged. Otherwise the secret that was found ends: the old one of a rotation alone, the current
// one with the whole key, which is compromised from now on. A repeated report changes nothing, and
// neither does one about a secret that had already ended, or about a deleted key.
func (k *Key) Expose(which SecretMatch, publishable bool, found Exposure, by Actor, reason string) {
	if !k.DeletedAt.IsZero() || which != Current && which != Old {
		return
	}

	if publishable {
		if k.Exposure == nil {
			found.Action = ExposureFlagged
			k.Exposure = &found
		}

		return
	}

	known := k.Exposure != nil && k.Exposure.Action == ExposureRevoked
	switch {
	case which == Old:
		// the current secret was not exposed, and stays
		k.endRotation()
		known = false
	case k.Revocation == nil:
		k.Revocation = &Revocation{
			At:          found.At,
			By:          by,
			Reason:      reason,
			Compromised: true,
		}
		known = false
	default:
		known = known && k.Revocation.Compromised
		k.Revocation.Compromised = true
	}

	if !known {
		found.Action = ExposureRevoked
		k.Exposure = &found
	}
}
