package check

// Outcome is the result of a check. All but Allowed are refusals.
type Outcome string

// The outcomes. The first five name no key that could be told of, so they are in logs and metrics
// only; the others count in the key's usage.
const (
	NoKey            Outcome = "no_key"
	Malformed        Outcome = "malformed"
	WrongEnvironment Outcome = "wrong_environment"
	UnknownKey       Outcome = "unknown_key"
	Ambiguous        Outcome = "ambiguous_key" // a key header twice, or two secrets

	Allowed            Outcome = "allowed"
	WrongSecret        Outcome = "wrong_secret"
	RetiredSecret      Outcome = "retired_secret"
	Inactive           Outcome = "inactive"
	Expired            Outcome = "expired"
	NotYetValid        Outcome = "not_yet_valid"
	AddressNotAllowed  Outcome = "address_not_allowed"
	CustomerNotAllowed Outcome = "customer_not_allowed"
	PermissionDenied   Outcome = "permission_denied"
	// nothing forbids the call, but no policy can say so
	PathNotSupported Outcome = "path_not_supported"
	RateLimited      Outcome = "rate_limited"
	QuotaExceeded    Outcome = "quota_exceeded"
	Unavailable      Outcome = "unavailable"
)

// Reason says that a refusal is not the key's own but its organization's. Who called is not told;
// logs and explanations are.
type Reason string

// The reasons: the first two go with Inactive, the last with AddressNotAllowed.
const (
	OrganizationDeleted   Reason = "organization_deleted"
	LegacyNotAccepted     Reason = "legacy_not_accepted"
	OrganizationAddresses Reason = "organization_addresses"
)

// Status returns the HTTP status of an outcome. Every fault of the key itself is 401, so that
// nobody learns which keys there are.
func (o Outcome) Status() int {
	switch o {
	case Allowed:
		return 200
	case CustomerNotAllowed, PermissionDenied, PathNotSupported:
		return 403
	case RateLimited, QuotaExceeded:
		return 429
	case Unavailable:
		return 503
	default:
		return 401
	}
}

// Code returns the problem code of an outcome; "" for Allowed.
func (o Outcome) Code() string {
	switch o.Status() {
	case 200:
		return ""
	case 401:
		return "invalid_key"
	default:
		return string(o)
	}
}
