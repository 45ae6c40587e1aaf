package check

// Outcome is the result of a check. All but Allowed refuse the call.
type Outcome string

// The outcomes, each with a row of the table below.
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
	// the key may make the call, but no policy can express it
	PathNotSupported Outcome = "path_not_supported"
	RateLimited      Outcome = "rate_limited"
	QuotaExceeded    Outcome = "quota_exceeded"
	Unavailable      Outcome = "unavailable"
)

// tally is how an outcome counts in the usage of the key.
type tally int

const (
	keyless tally = iota // no key is known: only in logs and metrics
	counted
	denial // counted, and a refusal because of the key's state or permissions
)

// facts is a row of the table of outcomes.
type facts struct {
	outcome Outcome
	status  int
	tally   tally
	step    step   // the step that refuses with it
	detail  string // why the call is refused, in a sentence; "" if that takes more than the outcome
	past    string // the same, for a call that was recorded
}

// outcomes is the table of outcomes, in the order in which usage shows them. Every fault of the key
// itself is 401, so that responses do not reveal which keys exist. A wrong secret is not a denial,
// since outsiders can cause it; nor is a failure of ours.
var outcomes = []facts{
	{Allowed, 200, counted, noStep, "", ""},
	{PermissionDenied, 403, denial, permissionStep, "", ""}, // see refusalOf
	{RateLimited, 429, denial, limitStep, "", "The key was over one of its rate limits."},
	{
		QuotaExceeded, 429, denial, limitStep,
		"The key has used up its quota.",
		"The key had used up its quota.",
	},
	{
		Inactive, 401, denial, statusStep, "",
		"The key was disabled, revoked or deleted, or its organization refused it.",
	},
	{Expired, 401, denial, statusStep, "", "The key had expired."},
	{NotYetValid, 401, denial, statusStep, "", "The key was not valid yet."},
	{
		AddressNotAllowed, 401, denial, addressStep, "",
		"The caller's address was not among those that the key, or every key of its organization, " +
			"may be used from.",
	},
	{
		CustomerNotAllowed, 403, denial, customerStep,
		"The key is not scoped to the customer in the path.",
		"The key was not scoped to the customer in the path.",
	},
	{
		PathNotSupported, 403, denial, policyStep, NotSupported,
		"The key could have made the call, but the API refused it. " + NotSupported,
	},
	{WrongSecret, 401, counted, secretStep, "", "The key never had this secret."},
	{RetiredSecret, 401, denial, secretStep, "", "The secret was an earlier one of the key."},
	{Unavailable, 503, counted, noStep, "", ""},

	{NoKey, 401, keyless, noStep, "", ""},
	{Malformed, 401, keyless, noStep, "", ""},
	{WrongEnvironment, 401, keyless, noStep, "", ""},
	{UnknownKey, 401, keyless, noStep, "", ""},
	{Ambiguous, 401, keyless, noStep, "", ""},
}

// facts returns the outcome's row. An unknown outcome, as from a stored row, is a denial without a
// step.
func (o Outcome) facts() *facts {
	for i := range outcomes {
		if outcomes[i].outcome == o {
			return &outcomes[i]
		}
	}

	return &facts{outcome: o, status: 401, tally: denial, step: noStep}
}

// Outcomes returns all outcomes.
func Outcomes() []Outcome { return listed(func(facts) bool { return true }) }

// Counted returns the outcomes of calls whose key is known, in the order in which usage shows them.
func Counted() []Outcome { return listed(func(f facts) bool { return f.tally != keyless }) }

func listed(which func(facts) bool) (list []Outcome) {
	for _, f := range outcomes {
		if which(f) {
			list = append(list, f.outcome)
		}
	}

	return list
}

// Status returns the HTTP status of the outcome.
func (o Outcome) Status() int { return o.facts().status }

// Denied reports whether the outcome is a refusal because of the key itself.
func (o Outcome) Denied() bool { return o.facts().tally == denial }

// Good reports whether the call was made with a good key: it counts as a use of the key, even if it
// was refused.
func (o Outcome) Good() bool {
	status := o.Status()
	return status == 200 || status == 403 || status == 429
}

// Opened reports whether the key's permissions opened the route. A limit may still have refused the
// call.
func (o Outcome) Opened() bool { return o == Allowed || o.Status() == 429 }

// Detail returns why the call is refused, in a sentence; "" if the outcome alone does not determine
// it.
func (o Outcome) Detail() string { return o.facts().detail }

// Code returns the problem code of the outcome; "" for Allowed.
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

// Reason names what of the key's organization refused the call. It appears in logs and
// explanations, never in the response to the caller.
type Reason string

// The reasons. The first two occur with Inactive, the last with AddressNotAllowed.
const (
	OrganizationDeleted   Reason = "organization_deleted"
	LegacyNotAccepted     Reason = "legacy_not_accepted"
	OrganizationAddresses Reason = "organization_addresses"
)
