package apikey_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

var (
	now    = time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)
	before = now.Add(-time.Millisecond)
	after  = now.Add(time.Millisecond)
)

const day = 24 * time.Hour

// verifier returns the verifier of a numbered secret.
func verifier(n int) apikey.Verifier {
	return apikey.Verifier{Hash: fmt.Appendf(nil, "hash %d", n), Pepper: 1}
}

func fresh(n int) apikey.IssuedSecret {
	return apikey.IssuedSecret{Verifier: verifier(n), Hint: fmt.Sprintf("hint %d", n)}
}

// key returns an active key with secret 1, changed.
func key(changes ...func(*apikey.Key)) *apikey.Key {
	k := &apikey.Key{
		ID:      "7Qm2Xb0aVd91KtZs",
		Enabled: true,
		Secret:  verifier(1),
		Hint:    "hint 1",
	}
	for _, change := range changes {
		change(k)
	}

	return k
}

func disabled(k *apikey.Key) { k.Enabled = false }
func revoked(k *apikey.Key)  { k.Revocation = &apikey.Revocation{At: before, Reason: "first"} }
func compromised(k *apikey.Key) {
	k.Revocation = &apikey.Revocation{At: before, Reason: "first", Compromised: true}
}
func deleted(k *apikey.Key) { k.DeletedAt = before }
func expires(at time.Time) func(*apikey.Key) {
	return func(k *apikey.Key) { k.ExpiresAt = at }
}

// rotating puts the key into a rotation from secret 0 that ends at a given time.
func rotating(ends time.Time) func(*apikey.Key) {
	return func(k *apikey.Key) {
		k.Rotation = &apikey.Rotation{
			StartedAt: before,
			StartsAt:  apikey.StartsNow,
			Old:       verifier(0),
			OldHint:   "hint 0",
			OldEndsAt: ends,
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		key  *apikey.Key
		want apikey.Status
	}{
		"plain":                {key(), apikey.Active},
		"zero key":             {&apikey.Key{}, apikey.Inactive},
		"disabled":             {key(disabled), apikey.Inactive},
		"revoked":              {key(revoked), apikey.Inactive},
		"compromised":          {key(compromised), apikey.Inactive},
		"deleted":              {key(deleted), apikey.Inactive},
		"expires later":        {key(expires(after)), apikey.Active},
		"expires now":          {key(expires(now)), apikey.Expired},
		"expired":              {key(expires(before)), apikey.Expired},
		"expired and disabled": {key(expires(before), disabled), apikey.Inactive},
		"expired and revoked":  {key(expires(before), revoked), apikey.Inactive},
		"expired and deleted":  {key(expires(before), deleted), apikey.Inactive},
		"not yet valid": {key(func(k *apikey.Key) {
			k.NotBefore = after
		}), apikey.Active},
		"rotation running": {key(rotating(after)), apikey.Active},
		"rotation over":    {key(rotating(before)), apikey.Active},
		"deleted in time to come": {key(func(k *apikey.Key) {
			k.DeletedAt = after
		}), apikey.Inactive},
		"expires in another zone": {
			key(expires(now.In(time.FixedZone("", 3600)))), apikey.Expired,
		},
		"revoked after its deletion": {key(deleted, revoked), apikey.Inactive},
	} {
		if got := test.key.Status(now); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestStartedAtItsMoment(t *testing.T) {
	t.Parallel()

	for notBefore, want := range map[time.Time]bool{
		{}:     true,
		before: true,
		now:    true,
		after:  false,
	} {
		if got := key(func(k *apikey.Key) { k.NotBefore = notBefore }).Started(now); got != want {
			t.Errorf("notBefore %v: %v", notBefore, got)
		}
	}
}

func TestRecognise(t *testing.T) {
	t.Parallel()

	retired := func(numbers ...int) func(*apikey.Key) {
		return func(k *apikey.Key) {
			for _, n := range numbers {
				k.Retired = append(k.Retired, verifier(n))
			}
		}
	}
	for name, test := range map[string]struct {
		key   *apikey.Key
		sent  int
		want  apikey.SecretMatch
		asked int
	}{
		"current":                    {key(), 1, apikey.Current, 1},
		"unknown":                    {key(), 9, apikey.Unknown, 1},
		"current in a rotation":      {key(rotating(after)), 1, apikey.Current, 2},
		"old in a rotation":          {key(rotating(after)), 0, apikey.Old, 2},
		"old when the rotation ends": {key(rotating(now)), 0, apikey.Retired, 2},
		"old after the rotation":     {key(rotating(before)), 0, apikey.Retired, 2},
		"retired":                    {key(retired(5, 6, 7)), 6, apikey.Retired, 4},
		"current with retired":       {key(retired(5, 6, 7)), 1, apikey.Current, 4},
		"unknown of many": {
			key(retired(5, 6, 7), rotating(after)), 9, apikey.Unknown, 5,
		},
		"once retired, current again":  {key(retired(1)), 1, apikey.Current, 2},
		"once retired, old again":      {key(retired(0), rotating(after)), 0, apikey.Old, 3},
		"of a disabled key":            {key(disabled), 1, apikey.Current, 1},
		"of a key that was deleted":    {key(deleted), 1, apikey.Current, 1},
		"the last of the retired ones": {key(retired(5, 6, 7)), 7, apikey.Retired, 4},
	} {
		asked := 0

		got := test.key.Recognise(now, func(v apikey.Verifier) bool {
			asked++
			return string(v.Hash) == string(verifier(test.sent).Hash)
		})
		if got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}

		if asked != test.asked {
			t.Errorf("%s: %d comparisons, want %d for any secret", name, asked, test.asked)
		}
	}
}

// The effect of each change on each kind of key; a refused one changes nothing.
func TestLife(t *testing.T) {
	t.Parallel()
	by := apikey.Actor{Type: apikey.ActorUser, ID: "u"}
	regenerate := func(k *apikey.Key) error { return k.Regenerate(fresh(2), now) }
	rotate := func(overlap time.Duration) func(*apikey.Key) error {
		return func(k *apikey.Key) error { return k.Rotate(fresh(2), overlap, now) }
	}
	awaiting := func(overlap, longest time.Duration) func(*apikey.Key) error {
		return func(k *apikey.Key) error {
			return k.RotateFromFirstUse(fresh(2), overlap, longest, now)
		}
	}
	finish := func(k *apikey.Key) error { return k.FinishRotation(now) }
	revoke := func(compromised bool) func(*apikey.Key) error {
		return func(k *apikey.Key) error { return k.Revoke(by, "second", compromised, now) }
	}
	restore := func(k *apikey.Key) error { return k.Restore() }
	remove := func(k *apikey.Key) error { k.Delete(now); return nil }

	// The result of a change.
	secret2 := func(retired ...int) func(*apikey.Key) {
		return func(k *apikey.Key) {
			k.Secret = verifier(2)
			k.RenewedAt = now
			k.Hint = "hint 2"
			k.Rotation = nil

			k.Retired = nil
			for _, n := range retired {
				k.Retired = append(k.Retired, verifier(n))
			}
		}
	}
	overlap := func(
		starts apikey.OverlapStart, overlap time.Duration, ends time.Time,
	) func(*apikey.Key) {
		return func(k *apikey.Key) {
			k.Rotation = &apikey.Rotation{
				StartedAt: now,
				StartsAt:  starts,
				Overlap:   overlap,
				Old:       verifier(1),
				OldHint:   "hint 1",
				OldEndsAt: ends,
			}
		}
	}
	overlapping := func(ends time.Time) func(*apikey.Key) {
		return overlap(apikey.StartsNow, ends.Sub(now), ends)
	}
	notRevoked := func(k *apikey.Key) { k.Revocation = nil }
	finished := func(k *apikey.Key) { k.Rotation, k.Retired = nil, []apikey.Verifier{verifier(0)} }
	newly := func(compromised bool) func(*apikey.Key) {
		return func(k *apikey.Key) {
			k.Revocation = &apikey.Revocation{
				At:          now,
				By:          by,
				Reason:      "second",
				Compromised: compromised,
			}
		}
	}

	for _, test := range []struct {
		name string
		from *apikey.Key
		do   func(*apikey.Key) error
		err  error
		want *apikey.Key // nil: unchanged
	}{
		{"regenerate", key(), regenerate, nil, key(secret2(1))},
		{"regenerate disabled", key(disabled), regenerate, nil, key(disabled, secret2(1))},
		{"regenerate revoked", key(revoked), regenerate, nil, key(secret2(1))},
		{"regenerate compromised", key(compromised), regenerate, nil, key(secret2(1))},
		{"regenerate exposed", key(compromised, func(k *apikey.Key) {
			k.Exposure = &apikey.Exposure{
				Action: apikey.ExposureRevoked,
			}
		}), regenerate, nil, key(secret2(1))},
		{
			"regenerate compromised and disabled", key(compromised, disabled), regenerate, nil,
			key(disabled, secret2(1)),
		},
		{"regenerate during a rotation", key(rotating(after)), regenerate, nil, key(secret2(1, 0))},
		{"regenerate after a rotation", key(rotating(before)), regenerate, nil, key(secret2(1, 0))},
		{"regenerate expired", key(expires(now)), regenerate, apikey.ErrNotActive, nil},
		{
			"regenerate expired and revoked", key(expires(now), revoked), regenerate,
			apikey.ErrNotActive, nil,
		},
		{"regenerate deleted", key(deleted), regenerate, apikey.ErrDeleted, nil},
		{
			"regenerate deleted and expired", key(deleted, expires(before)), regenerate,
			apikey.ErrDeleted, nil,
		},

		{"rotate", key(), rotate(time.Hour), nil, key(secret2(), overlapping(now.Add(time.Hour)))},
		{"rotate without overlap", key(), rotate(0), nil, key(secret2(1))},
		{"rotate with a negative overlap", key(), rotate(-time.Hour), nil, key(secret2(1))},
		{
			"rotate for too long", key(), rotate(1000 * 24 * time.Hour), nil,
			key(secret2(), overlapping(now.Add(apikey.MaxOverlap))),
		},
		{
			"rotate beyond the expiry", key(expires(now.Add(time.Minute))), rotate(time.Hour), nil,
			key(expires(now.Add(time.Minute)), secret2(),
				overlap(apikey.StartsNow, time.Hour, now.Add(time.Minute))),
		},
		{
			"rotate up to the expiry", key(expires(now.Add(time.Hour))), rotate(time.Hour), nil,
			key(expires(now.Add(time.Hour)), secret2(), overlapping(now.Add(time.Hour))),
		},
		{
			"rotate during a rotation", key(rotating(after)), rotate(time.Hour),
			apikey.ErrRotationRunning, nil,
		},
		{
			"rotate after a rotation", key(rotating(now)), rotate(time.Hour), nil,
			key(secret2(0), overlapping(now.Add(time.Hour))),
		},
		{"rotate disabled", key(disabled), rotate(time.Hour), apikey.ErrNotActive, nil},
		{"rotate revoked", key(revoked), rotate(time.Hour), apikey.ErrNotActive, nil},
		{"rotate expired", key(expires(now)), rotate(time.Hour), apikey.ErrNotActive, nil},
		{
			"rotate disabled during a rotation", key(disabled, rotating(after)), rotate(time.Hour),
			apikey.ErrNotActive, nil,
		},
		{"rotate deleted", key(deleted), rotate(time.Hour), apikey.ErrDeleted, nil},
		{"rotate compromised", key(compromised), rotate(time.Hour), apikey.ErrNotActive, nil},

		{
			"rotate from the first use", key(), awaiting(time.Hour, 2*time.Hour), nil,
			key(secret2(), overlap(apikey.StartsFirstUse, time.Hour, now.Add(2*time.Hour))),
		},
		{
			"rotate until the first use", key(), awaiting(0, time.Hour), nil,
			key(secret2(), overlap(apikey.StartsFirstUse, 0, now.Add(time.Hour))),
		},
		{
			"rotate from the first use with a negative overlap", key(), awaiting(-1, time.Hour),
			nil, key(secret2(), overlap(apikey.StartsFirstUse, 0, now.Add(time.Hour))),
		},
		{
			"rotate from the first use, but not longer than nothing", key(),
			awaiting(time.Hour, 0), nil, key(secret2(1)),
		},
		{
			"rotate from the first use for too long", key(),
			awaiting(1000*24*time.Hour, 1000*24*time.Hour), nil,
			key(secret2(),
				overlap(apikey.StartsFirstUse, apikey.MaxOverlap, now.Add(apikey.MaxOverlap))),
		},
		{
			"rotate from the first use beyond the expiry", key(expires(now.Add(time.Minute))),
			awaiting(time.Hour, 2*time.Hour), nil,
			key(expires(now.Add(time.Minute)), secret2(),
				overlap(apikey.StartsFirstUse, time.Hour, now.Add(time.Minute))),
		},
		{
			"rotate from the first use during a rotation", key(rotating(after)),
			awaiting(time.Hour, time.Hour), apikey.ErrRotationRunning, nil,
		},
		{
			"rotate from the first use after a rotation", key(rotating(now)),
			awaiting(time.Hour, time.Hour), nil,
			key(secret2(0), overlap(apikey.StartsFirstUse, time.Hour, now.Add(time.Hour))),
		},
		{
			"rotate from the first use, compromised", key(compromised),
			awaiting(time.Hour, time.Hour), apikey.ErrNotActive, nil,
		},

		{"finish", key(rotating(after)), finish, nil, key(finished)},
		{"finish disabled", key(disabled, rotating(after)), finish, nil, key(disabled, finished)},
		{"finish at its end", key(rotating(now)), finish, apikey.ErrNoRotation, nil},
		{"finish without a rotation", key(), finish, apikey.ErrNoRotation, nil},
		{"finish deleted", key(deleted, rotating(after)), finish, apikey.ErrDeleted, nil},

		{"revoke", key(), revoke(false), nil, key(newly(false))},
		{"revoke compromised", key(), revoke(true), nil, key(newly(true))},
		{
			"revoke keeps the rotation", key(rotating(after)), revoke(true), nil,
			key(rotating(after), newly(true)),
		},
		{"revoke again", key(revoked), revoke(false), nil, key(revoked)},
		{"revoke again, compromised", key(revoked), revoke(true), nil, key(compromised)},
		{"revoke what is compromised", key(compromised), revoke(false), nil, key(compromised)},
		{
			"revoke expired", key(expires(before)), revoke(false), nil,
			key(expires(before), newly(false)),
		},
		{"revoke deleted", key(deleted), revoke(true), apikey.ErrDeleted, nil},

		{"restore", key(revoked), restore, nil, key(notRevoked)},
		{"restore leaves it disabled", key(revoked, disabled), restore, nil, key(disabled)},
		{"restore what is not revoked", key(), restore, nil, key()},
		{"restore compromised", key(compromised), restore, apikey.ErrCompromised, nil},
		{"restore deleted", key(deleted, revoked), restore, apikey.ErrDeleted, nil},

		{"delete", key(), remove, nil, key(func(k *apikey.Key) { k.DeletedAt = now })},
		{"delete twice", key(deleted), remove, nil, key(deleted)},
	} {
		got, want := test.from.Clone(), test.want
		if want == nil {
			want = test.from
		}

		if err := test.do(got); !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
			t.Errorf("%s: %v, want %v", test.name, err, test.err)
		}

		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestRetiredSecretsAreBounded(t *testing.T) {
	t.Parallel()

	k := key()
	for n := 2; n < 20; n++ {
		if err := k.Regenerate(fresh(n), now); err != nil {
			t.Fatal(err)
		}
	}

	want := []apikey.Verifier{verifier(18), verifier(17), verifier(16), verifier(15), verifier(14)}
	if diff := cmp.Diff(want, k.Retired); diff != "" {
		t.Errorf("retired (-want +got):\n%s", diff)
	}
}

func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	full := func() *apikey.Key {
		k := key(rotating(after), revoked, func(k *apikey.Key) {
			k.Exposure = &apikey.Exposure{
				URL: "https://example.test",
			}
		})
		k.Permissions = []string{"a:b"}
		k.Customers = []string{"c"}
		k.Tags = []string{"t"}
		k.Metadata = map[string]string{
			"m": "1",
		}
		k.RateLimits = []apikey.RateLimit{{Name: "l"}}
		k.Quota = &apikey.Quota{Limit: 1}
		k.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		k.Retired = []apikey.Verifier{verifier(7)}
		return k
	}
	k := full()

	c := k.Clone()
	if diff := cmp.Diff(k, c, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Fatalf("the copy differs:\n%s", diff)
	}

	c.Permissions[0] = "x"
	c.Customers[0] = "x"
	c.Tags[0] = "x"
	c.Metadata["m"] = "x"
	c.RateLimits[0].Name = "x"
	c.Quota.Limit = 9
	c.AllowedAddresses[0] = netip.Prefix{}
	c.Rotation.OldHint = "x"
	c.Revocation.Reason = "x"
	c.Exposure.URL = "x"
	c.Secret.Hash[0] = 'x'
	c.Rotation.Old.Hash[0] = 'x'
	c.Retired[0].Hash[0] = 'x'

	if diff := cmp.Diff(full(), k, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("a change of the copy changed the key:\n%s", diff)
	}
}

func TestOperator(t *testing.T) {
	t.Parallel()

	for organization, want := range map[string]bool{
		apikey.OperatorOrganization: true,
		"acme":                      false,
		"":                          false,
		"operators":                 false,
	} {
		if got := key(func(k *apikey.Key) {
			k.OrganizationID = organization
		}).Operator(); got != want {
			t.Errorf("%q: %v", organization, got)
		}
	}
}

// A secret is as old as the key, or as the change that brought it.
func TestSecretSince(t *testing.T) {
	t.Parallel()

	k := key(func(k *apikey.Key) { k.CreatedAt = before })
	if got := k.SecretSince(); !got.Equal(before) {
		t.Errorf("of a new key: %s", got)
	}

	for name, change := range map[string]func(*apikey.Key) error{
		"rotated":     func(k *apikey.Key) error { return k.Rotate(fresh(2), time.Hour, now) },
		"regenerated": func(k *apikey.Key) error { return k.Regenerate(fresh(2), now) },
	} {
		renewed := k.Clone()
		if err := change(renewed); err != nil || !renewed.SecretSince().Equal(now) {
			t.Errorf("%s: %s, %v", name, renewed.SecretSince(), err)
		}
	}
}

// The first new secret of a provisional key lifts its end, unless another end was set meanwhile;
// the old secret never outlives it.
func TestProvisionalEnd(t *testing.T) {
	t.Parallel()
	ends, later := now.Add(day), now.Add(90*day)
	rotate := func(k *apikey.Key) error { return k.Rotate(fresh(2), 3*day, now) }

	renewals := map[string]func(k *apikey.Key) error{
		"rotate": rotate,
		"from use": func(k *apikey.Key) error {
			return k.RotateFromFirstUse(fresh(2), 2*day, 3*day, now)
		},
		"regenerate": func(k *apikey.Key) error { return k.Regenerate(fresh(2), now) },
	}
	for how, renew := range renewals {
		for name, test := range map[string]struct {
			set  func(k *apikey.Key)
			want time.Time
		}{
			"nothing set": {func(*apikey.Key) {}, time.Time{}},
			"a later end": {func(k *apikey.Key) { k.EndAt(later) }, later},
			"a sooner end": {func(k *apikey.Key) {
				k.EndAt(now.Add(time.Hour))
			}, now.Add(time.Hour)},
			"the same end": {func(k *apikey.Key) { k.EndAt(ends) }, ends},
			"no end":       {func(k *apikey.Key) { k.EndAt(time.Time{}) }, time.Time{}},
		} {
			k := key(func(k *apikey.Key) { k.Provisional, k.ExpiresAt = true, ends })
			test.set(k)

			before := k.ExpiresAt
			if err := renew(k); err != nil {
				t.Fatal(err)
			}

			if !k.ExpiresAt.Equal(test.want) || k.Provisional {
				t.Errorf("%s, %s: it ends %v, want %v", how, name, k.ExpiresAt, test.want)
			}

			if r := k.Rotation; r != nil && !before.IsZero() && r.OldEndsAt.After(before) {
				t.Errorf("%s, %s: the old secret ends %v, after %v", how, name, r.OldEndsAt, before)
			}
		}
	}
}
