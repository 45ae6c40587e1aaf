package check

import "github.com/bitting-keys/bitting/pkg/apikey"

// Permission returns the permission that the call was made with, or that a refused call needs; ""
// if the check ended before it was known.
func (v *Verdict) Permission() string {
	switch {
	case v.Outcome == PermissionDenied:
		return v.Required
	case v.decision.PermissionHeld:
		return v.decision.Permission
	default:
		return v.decision.Required
	}
}

// Customer returns the customer that the path names; "" if it names none, or if the check ended
// before it was known.
func (v *Verdict) Customer() string { return v.decision.Customer }

// Secret returns which of the key's secrets was sent.
func (v *Verdict) Secret() apikey.SecretMatch {
	switch {
	case v.Outcome == WrongSecret:
		return apikey.Unknown
	case v.Outcome == RetiredSecret:
		return apikey.Retired
	case v.OldSecret:
		return apikey.Old
	default:
		return apikey.Current
	}
}
