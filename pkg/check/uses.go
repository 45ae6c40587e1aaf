package check

import "github.com/bitting-keys/bitting/pkg/apikey"

// Permission is the permission that the call was made with, or for a refusal the one that it needs.
// "" where the check ended before it knew.
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

// Customer is the customer that the path names; "" for none, and where the check ended before it
// knew.
func (v *Verdict) Customer() string { return v.decision.Customer }

// Secret is which of the key's secrets was sent.
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
