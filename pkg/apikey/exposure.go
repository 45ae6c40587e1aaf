package apikey

import "time"

// ExposureAction is what was done about a secret that was found in the open.
type ExposureAction string

// What was found is accepted no longer, or it may stay in the open and somebody only has to know of
// it.
const (
	ExposureRevoked ExposureAction = "revoked"
	ExposureFlagged ExposureAction = "flagged"
)

// Exposure says that a secret of the key was found where everybody can read it.
type Exposure struct {
	At     time.Time
	Source string // who found it: "report" or "github"
	URL    string // where; "" where nobody said
	Action ExposureAction
}

// Expose takes note that one of the key's secrets was found in the open. A key that may be
// published anyway is flagged only; otherwise the secret that was found ends: the old one of a
// rotation by itself, and the current one with the key, which is compromised from now on. What is
// known already stays, so that a report that is repeated changes nothing, and neither does one of a
// secret that had ended before, or of a key that is deleted.
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
