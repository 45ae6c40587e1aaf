package check

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// Explanation is a verdict with the steps that led to it.
type Explanation struct {
	Verdict
	Steps []Step
}

// Step is the result of one step of the check.
type Step struct {
	Check  string // the step's name
	Passed bool
	Detail string // why, in a sentence
}

// environmentCheck names the first step of an explanation. A check takes it by the secret, before
// the key is known.
const environmentCheck = "environment"

// secretCheck names the part of a check that precedes its steps.
const secretCheck = "secret"

// Explain decides a call as if it came now with the key's current secret, to the endpoint of an
// environment, and explains the result. It takes the steps of Check, and changes nothing.
func (c *Checker) Explain(
	ctx context.Context, k *apikey.Key, env apikey.Environment, call Call, now time.Time,
) Explanation {
	e := Explanation{Verdict: Verdict{Outcome: Allowed, Key: k}}
	if env != k.Environment {
		e.Outcome = WrongEnvironment
	}

	e.add(environmentCheck, environmentDetail(k, env))

	call.look = true
	for s := statusStep; s <= lastStep && e.Outcome == Allowed; s++ {
		e.Outcome = c.take(ctx, s, &e.Verdict, call, now)
		e.add(s.String(), s.detail(&e.Verdict, call, now))
	}

	return e
}

// Recorded returns the steps that led to an outcome that was recorded earlier. The key's state at
// that time is unknown, but the outcome determines which step refused. required is the permission
// that was missing; "" if no permission had the route.
func Recorded(outcome Outcome, required string) []Step {
	refusing, detail := refusalOf(outcome, required)
	if refusing == secretStep {
		return []Step{{secretCheck, false, detail}}
	}

	steps := []Step{{secretCheck, true, "The secret belonged to the key."}}
	for s := statusStep; s <= lastStep; s++ {
		if s == refusing {
			return append(steps, Step{s.String(), false, detail})
		}

		steps = append(steps, Step{s.String(), true, "This step was passed."})
	}

	return steps
}

func (e *Explanation) add(check, detail string) {
	e.Steps = append(e.Steps, Step{Check: check, Passed: e.Outcome == Allowed, Detail: detail})
}

// String returns the step's name in explanations.
func (s step) String() string {
	return [...]string{
		statusStep:     "status",
		addressStep:    "address",
		routeStep:      "route",
		customerStep:   "customer",
		permissionStep: "permission",
		policyStep:     "policy",
		limitStep:      "limits",
	}[s]
}

// detail explains what the step found, in a sentence, given the outcome of the step.
func (s step) detail(v *Verdict, call Call, now time.Time) string {
	switch s {
	case statusStep:
		return statusDetail(v, now)
	case addressStep:
		return addressDetail(v, call.SourceIP)
	case routeStep:
		return routeDetail(v, call)
	case customerStep:
		return customerDetail(v)
	case permissionStep:
		return permissionDetail(v)
	case policyStep:
		return policyDetail(v, call)
	default:
		return limitDetail(v)
	}
}

func environmentDetail(k *apikey.Key, env apikey.Environment) string {
	if env == k.Environment {
		return fmt.Sprintf("Both the key and the endpoint are for %s.", k.Environment)
	}

	return fmt.Sprintf("The key is for %s, but the endpoint accepts only keys of %s.",
		k.Environment, env)
}

func statusDetail(v *Verdict, now time.Time) string {
	k := v.Key
	switch {
	case v.Outcome == Unavailable:
		return "The settings of the key's organization could not be read."
	case v.Reason == OrganizationDeleted:
		return "The key's organization was deleted at " + apikey.FormatTime(v.Settings.DeletedAt) +
			"."
	case v.Reason == LegacyNotAccepted:
		return "The key is a legacy key, and its organization does not accept legacy keys."
	case v.Outcome == NotYetValid:
		return "The key is not valid before " + apikey.FormatTime(k.NotBefore) + "."
	case v.Outcome == Expired:
		return "The key expired at " + apikey.FormatTime(k.ExpiresAt) + "."
	case v.Outcome != Inactive && k.ExpiresAt.IsZero():
		return "The key is active and does not expire."
	case v.Outcome != Inactive:
		return fmt.Sprintf("The key is active at %s, and expires at %s.", apikey.FormatTime(now),
			apikey.FormatTime(k.ExpiresAt))
	case !k.DeletedAt.IsZero():
		return "The key was deleted at " + apikey.FormatTime(k.DeletedAt) + "."
	case k.Revocation != nil:
		return "The key was revoked at " + apikey.FormatTime(k.Revocation.At) + "."
	default:
		return "The key is disabled."
	}
}

func addressDetail(v *Verdict, source netip.Addr) string {
	bound := "the key"
	if v.Reason == OrganizationAddresses ||
		len(v.Key.AllowedAddresses) == 0 && v.Settings != nil &&
			len(v.Settings.AllowedAddresses) > 0 {
		bound = "every key of the organization"
	}

	switch {
	case len(v.Key.AllowedAddresses) == 0 &&
		(v.Settings == nil || len(v.Settings.AllowedAddresses) == 0):
		return "The key may be used from any address."
	case !source.IsValid():
		return upper(bound) +
			" may be used from certain addresses only, and the caller's is not known."
	case v.Outcome == AddressNotAllowed:
		return fmt.Sprintf("%s is not among the addresses that %s may be used from.", source, bound)
	default:
		return fmt.Sprintf("%s is among the addresses that %s may be used from.", source, bound)
	}
}

// upper returns the text with its first letter in upper case.
func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func routeDetail(v *Verdict, call Call) string {
	switch {
	case v.Outcome == Unavailable:
		return "The permission catalogue could not be read."
	case v.Outcome != Allowed && v.Spelling() != "":
		return v.Spelling()
	case v.Outcome != Allowed:
		return fmt.Sprintf("No permission has a route for %s %s of the API %s.", call.Method,
			call.Path, call.API)
	default:
		return fmt.Sprintf("The route is %s %s of the API %s, which %s opens.", call.Method,
			v.Route.Route.Path, call.API, strings.Join(v.Route.Permissions, " or "))
	}
}

func customerDetail(v *Verdict) string {
	switch customer := v.decision.Customer; {
	case len(v.Key.Customers) == 0:
		return "The key is not scoped to customers."
	case v.Outcome != Allowed:
		return fmt.Sprintf("The key is not scoped to %s.", customer)
	case customer == "":
		return "The path names no customer."
	default:
		return fmt.Sprintf("The key is scoped to %s.", customer)
	}
}

func permissionDetail(v *Verdict) string {
	switch {
	case v.Outcome != Allowed:
		return fmt.Sprintf("The key does not hold %s, which the route needs.", v.Required)
	case v.Key.AllPermissions:
		return "The key holds all permissions."
	default:
		return fmt.Sprintf("The key holds %s.", v.decision.Permission)
	}
}

func policyDetail(v *Verdict, call Call) string {
	switch {
	case call.ARN == (policy.ARN{}):
		return "The response needs no policy."
	case v.Outcome != Allowed:
		return "The key may make the call, but an API that uses policies refuses it. " +
			NotSupported
	default:
		return "A policy can express the call."
	}
}

func limitDetail(v *Verdict) string {
	switch a := v.Allowance; {
	case v.Outcome == Unavailable:
		return "The state of the key's limits could not be read."
	case v.Outcome == RateLimited:
		return fmt.Sprintf("The key is over its limit %s, for another %v.", a.Limit,
			a.RetryAfter.Round(time.Millisecond))
	case v.Outcome == QuotaExceeded:
		return "The key has used up its quota, until " + apikey.FormatTime(a.Quota.ResetAt) + "."
	case !Limited(v.Key):
		return "The key has no limits."
	case a == nil:
		return "This deployment does not enforce limits."
	default:
		return "The key's limits have room for the call."
	}
}

// refusalOf returns the step that refuses with an outcome, and the explanation of a recorded call.
func refusalOf(outcome Outcome, required string) (step, string) {
	switch f := outcome.facts(); {
	case outcome != PermissionDenied:
		return f.step, f.past
	case required == "":
		return routeStep, "No permission had the route, or the path was spelled in a way that not " +
			"every server reads alike."
	default:
		return f.step, fmt.Sprintf("The key did not hold %s, which the route needed.", required)
	}
}
