package check_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// An explanation takes the check's steps, in their order, up to the first that refuses.
func TestExplain(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	now := kit.Clock.Now()
	call := func(method, path, source string) check.Call {
		address, _ := netip.ParseAddr(source)
		return check.Call{
			API:      "demo",
			Method:   method,
			Path:     path,
			SourceIP: address,
		}
	}

	const all = "environment status address route customer permission"
	for name, test := range map[string]struct {
		change   func(*apikey.Key)
		env      apikey.Environment
		call     check.Call
		at       time.Time
		want     check.Outcome
		steps    string // the last one says what was found
		detail   string
		required string
	}{
		"allowed": {
			call:   read,
			want:   check.Allowed,
			steps:  all + " policy limits",
			detail: "The key has no limits.",
		},
		"another environment": {
			env:    apikey.Staging,
			call:   read,
			want:   check.WrongEnvironment,
			steps:  "environment",
			detail: "The key is for production, but the endpoint accepts only keys of staging.",
		},
		"disabled": {
			change: func(k *apikey.Key) { k.Enabled = false },
			call:   read,
			want:   check.Inactive,
			steps:  "environment status",
			detail: "The key is disabled.",
		},
		"revoked": {
			change: func(k *apikey.Key) { k.Revocation = &apikey.Revocation{At: now} },
			call:   read,
			want:   check.Inactive,
			steps:  "environment status",
			detail: "The key was revoked at 2026-11-24T09:30:00.000Z.",
		},
		"later": {
			change: func(k *apikey.Key) { k.ExpiresAt = now.Add(time.Hour) },
			call:   read,
			at:     now.Add(time.Hour),
			want:   check.Expired,
			steps:  "environment status",
			detail: "The key expired at 2026-11-24T10:30:00.000Z.",
		},
		"earlier": {
			change: func(k *apikey.Key) { k.NotBefore = now },
			call:   read,
			at:     now.Add(-time.Second),
			want:   check.NotYetValid,
			steps:  "environment status",
			detail: "The key is not valid before 2026-11-24T09:30:00.000Z.",
		},
		"from elsewhere": {
			change: bound,
			call:   call("GET", "/messages", "198.51.100.1"),
			want:   check.AddressNotAllowed,
			steps:  "environment status address",
			detail: "198.51.100.1 is not among the addresses that the key may be used from.",
		},
		"from nowhere": {
			change: bound,
			call:   call("GET", "/messages", ""),
			want:   check.AddressNotAllowed,
			steps:  "environment status address",
			detail: "The key may be used from certain addresses only, and the caller's is not known.",
		},
		"no route": {
			call:   call("GET", "/nowhere", ""),
			want:   check.PermissionDenied,
			steps:  "environment status address route",
			detail: "No permission has a route for GET /nowhere of the API demo.",
		},
		"an encoded letter": {
			call:  call("GET", "/messages/%34", ""),
			want:  check.PermissionDenied,
			steps: "environment status address route",
			detail: "The encoding is the problem: the path has an escape that a server could " +
				"decode into another route. Letters, digits, - . _ and ~ must not be escaped; " +
				"/ % ? # and control characters cannot be; and where a route has a fixed word, nothing can.",
		},
		"parameters": {
			call:  call("GET", "/messages;x=1/4", ""),
			want:  check.PermissionDenied,
			steps: "environment status address route",
			detail: "The path has a semicolon where a route has a fixed word, and some " +
				"servers drop what follows a semicolon.",
		},
		"dots": {
			call:  call("GET", "/messages/../messages", ""),
			want:  check.PermissionDenied,
			steps: "environment status address route",
			detail: "The path has an empty segment, . or .., or a segment that some servers read " +
				"as one of these.",
		},
		"a backslash": {
			call:  call("GET", `/messages/a\b`, ""),
			want:  check.PermissionDenied,
			steps: "environment status address route",
			detail: "The path has an invalid character: a backslash, ?, # or a control " +
				"character.",
		},
		"a slash at the end": {
			call:  call("GET", "/metrics/", ""),
			want:  check.PermissionDenied,
			steps: "environment status address route",
			detail: "The path has a slash at its end, which some servers would route " +
				"differently. Leave it out.",
		},
		"a policy": {
			call:   answered(call("GET", "/messages/4%202", "")),
			want:   check.Allowed,
			steps:  all + " policy limits",
			detail: "The key has no limits.",
		},
		"no policy": {
			call:  answered(call("GET", "/messages/4%202*", "")),
			want:  check.PathNotSupported,
			steps: all + " policy",
			detail: "The key may make the call, but an API that uses policies refuses it. " +
				check.NotSupported,
		},
		"another customer": {
			change: func(k *apikey.Key) { k.Customers = []string{"41"} },
			call:   call("GET", "/customers/42", ""),
			want:   check.CustomerNotAllowed,
			steps:  "environment status address route customer",
			detail: "The key is not scoped to 42.",
		},
		"no permission": {
			call:     call("POST", "/messages", ""),
			want:     check.PermissionDenied,
			steps:    all,
			detail:   "The key does not hold messages:write, which the route needs.",
			required: "messages:write",
		},
	} {
		k, _ := kit.MustKey(t, test.change)

		env, at := k.Environment, now
		if test.env != "" {
			env = test.env
		}

		if !test.at.IsZero() {
			at = test.at
		}

		e := c.Explain(t.Context(), k, env, test.call, at)
		if e.Outcome != test.want || e.Required != test.required {
			t.Errorf("%s: %s %q, want %s %q", name, e.Outcome, e.Required, test.want, test.required)
		}

		if diff := cmp.Diff(test.steps, names(e.Steps)); diff != "" {
			t.Errorf("%s: steps (-want +got):\n%s", name, diff)
		}

		last := e.Steps[len(e.Steps)-1]
		if last.Detail != test.detail || last.Passed != (test.want == check.Allowed) {
			t.Errorf("%s: %+v, want %q", name, last, test.detail)
		}

		for _, s := range e.Steps[:len(e.Steps)-1] {
			if !s.Passed || s.Detail == "" {
				t.Errorf("%s: %+v before the last step", name, s)
			}
		}
	}
}

// answered is a call that is answered by a policy.
func answered(c check.Call) check.Call {
	c.ARN = policy.ARN{
		Partition: "aws",
		Region:    "us-east-1",
		Account:   "123456789012",
		API:       "a1b2c3d4e5",
		Stage:     "production",
		Method:    c.Method,
		Path:      c.Path,
	}
	return c
}

func bound(k *apikey.Key) {
	k.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
}

func names(steps []check.Step) string {
	var out []string
	for _, s := range steps {
		out = append(out, s.Check)
	}

	return strings.Join(out, " ")
}

// What was recorded of a refusal tells which step refused.
func TestRecorded(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		outcome  check.Outcome
		required string
		want     string
	}{
		{check.WrongSecret, "", "secret"},
		{check.RetiredSecret, "", "secret"},
		{check.Inactive, "", "secret status"},
		{check.Expired, "", "secret status"},
		{check.NotYetValid, "", "secret status"},
		{
			check.AddressNotAllowed, "", "secret status address",
		},
		{check.PermissionDenied, "", "secret status address route"},
		{
			check.CustomerNotAllowed, "a:b", "secret status address route customer",
		},
		{check.PermissionDenied, "a:b", "secret status address route customer permission"},
		{check.PathNotSupported, "a:b", "secret status address route customer permission policy"},
		{check.RateLimited, "", "secret status address route customer permission policy limits"},
		{check.QuotaExceeded, "", "secret status address route customer permission policy limits"},
		{check.Allowed, "", "secret status address route customer permission policy limits"},
	} {
		steps := check.Recorded(test.outcome, test.required)

		last := steps[len(steps)-1]
		if names(steps) != test.want || last.Passed != (test.outcome == check.Allowed) ||
			last.Detail == "" {
			t.Errorf("%s %q: %+v", test.outcome, test.required, steps)
		}
	}
}
