package apikey_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// The effect of a report on each kind of key, and that a repeated report has none.
func TestExpose(t *testing.T) {
	t.Parallel()
	system := apikey.Actor{Type: apikey.ActorSystem, ID: "leaks"}
	found := apikey.Exposure{At: now, Source: "report", URL: "https://example.test/1"}
	exposed := func(action apikey.ExposureAction) func(*apikey.Key) {
		return func(k *apikey.Key) {
			e := found
			e.Action = action
			k.Exposure = &e
		}
	}
	earlier := func(action apikey.ExposureAction) func(*apikey.Key) {
		return func(k *apikey.Key) {
			k.Exposure = &apikey.Exposure{
				At:     before,
				Source: "github",
				Action: action,
			}
		}
	}
	stopped := func(k *apikey.Key) {
		k.Revocation = &apikey.Revocation{
			At:          now,
			By:          system,
			Reason:      "found",
			Compromised: true,
		}
	}

	ended := func(k *apikey.Key) { k.Rotation, k.Retired = nil, []apikey.Verifier{verifier(0)} }
	for name, test := range map[string]struct {
		from        *apikey.Key
		which       apikey.SecretMatch
		publishable bool
		want        *apikey.Key // nil: unchanged
	}{
		"current": {
			key(), apikey.Current, false, key(exposed("revoked"), stopped),
		},
		"current, disabled": {
			key(disabled), apikey.Current, false, key(disabled, exposed("revoked"), stopped),
		},
		"current, expired": {
			key(expires(before)), apikey.Current, false,
			key(expires(before), exposed("revoked"), stopped),
		},
		"current, during a rotation": {
			key(rotating(after)), apikey.Current, false,
			key(rotating(after), exposed("revoked"), stopped),
		},
		"current, revoked before": {
			key(revoked), apikey.Current, false, key(compromised, exposed("revoked")),
		},
		"current, compromised before": {
			key(compromised), apikey.Current, false, key(compromised, exposed("revoked")),
		},
		"current, exposed before": {
			key(compromised, earlier("revoked")), apikey.Current, false, nil,
		},
		"current, exposed before and restored": {
			key(earlier("revoked")), apikey.Current, false, key(exposed("revoked"), stopped),
		},
		"current, flagged before": {
			key(earlier("flagged")), apikey.Current, false, key(exposed("revoked"), stopped),
		},
		"current, deleted": {key(deleted), apikey.Current, false, nil},
		"old": {
			key(rotating(after)), apikey.Old, false, key(ended, exposed("revoked")),
		},
		"old, though another was exposed before": {
			key(rotating(after), compromised, earlier("revoked")), apikey.Old, false,
			key(ended, compromised, exposed("revoked")),
		},
		"old, deleted": {key(rotating(after), deleted), apikey.Old, false, nil},
		"retired":      {key(rotating(before)), apikey.Retired, false, nil},
		"unknown":      {key(), apikey.Unknown, false, nil},
		"publishable":  {key(), apikey.Current, true, key(exposed("flagged"))},
		"publishable, old": {
			key(rotating(after)), apikey.Old, true, key(rotating(after), exposed("flagged")),
		},
		"publishable, flagged before": {key(earlier("flagged")), apikey.Current, true, nil},
		"publishable by now": {
			key(compromised, earlier("revoked")), apikey.Current, true, nil,
		},
		"publishable, retired": {key(), apikey.Retired, true, nil},
		"publishable, deleted": {key(deleted), apikey.Current, true, nil},
	} {
		got, want := test.from.Clone(), test.want
		if want == nil {
			want = test.from
		}

		got.Expose(test.which, test.publishable, found, system, "found")

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}

		if test.which == apikey.Old && !test.publishable {
			continue // it is now retired
		}

		again := found
		again.At = now.Add(time.Hour)
		again.URL = "https://example.test/2"
		got.Expose(test.which, test.publishable, again, system, "found again")

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, again (-want +got):\n%s", name, diff)
		}
	}
}
