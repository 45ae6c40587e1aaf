package authorizer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/identity"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// meter returns metrics, and a function that writes and returns them: the sums by name, and the
// line.
func meter(kit *storetest.Kit) (*metric.Set, func(t *testing.T) (map[string]int64, string)) {
	out := &bytes.Buffer{}
	set := metric.New(metric.Config{Stack: "s", Function: "f", Now: kit.Clock.Now, Out: out})
	return set, func(t *testing.T) (map[string]int64, string) {
		t.Helper()
		out.Reset()
		set.Flush()

		sums := map[string]int64{}
		if out.Len() == 0 {
			return sums, ""
		}

		var members map[string]json.RawMessage
		if err := json.Unmarshal(out.Bytes(), &members); err != nil {
			t.Fatal(err)
		}

		for _, f := range metric.Table() {
			var n int64
			if json.Unmarshal(members[f.Name], &n) == nil && n != 0 {
				sums[f.Name] = n
			}
		}

		return sums, out.String()
	}
}

// Each outcome has a metric of its own, of its name.
func TestEveryOutcomeHasAMetric(t *testing.T) {
	t.Parallel()

	names := map[metric.Metric]string{}
	for _, f := range metric.Table() {
		names[f.Metric] = f.Name
	}

	for _, outcome := range check.Outcomes() {
		m, ok := authorizer.MetricOf(outcome)

		var want string
		for _, word := range strings.Split(string(outcome), "_") {
			want += strings.ToUpper(word[:1]) + word[1:]
		}

		if !ok || names[m] != want {
			t.Errorf("%s has the metric %q", outcome, names[m])
		}
	}
}

// A call counts once, by its outcome; 401 and 503 count as what they are, for they are errors to
// Lambda. What is written says nothing of the key.
func TestCallsAreCounted(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, nil)
	k, secret := kit.MustKey(t, func(k *apikey.Key) { k.Permissions = []string{"messages:read"} })
	set, written := meter(kit)
	a := build(kit, func(c *authorizer.Config) { c.Metrics = set })
	good := sample(t, "rest-request", secret.Reveal())

	for range 3 {
		_, _, _ = invoke(t, a, good)
	}

	_, _, _ = invoke(t, a, elsewhere(good, "POST", "/messages", "/messages"))
	_, _, _ = invoke(t, a, headers(t, good, map[string][]string{}))
	_, _, _ = invoke(t, a, `{"type": "REQUEST"}`)

	kit.Traffic.Inject(storetest.Always(storetest.Refused, "GetItem"))

	_, _, _ = invoke(t, a, good)

	got, line := written(t)
	if diff := cmp.Diff(map[string]int64{
		"Checks": 7, "Allowed": 3, "PermissionDenied": 1, "NoKey": 1, "Unauthorized": 1,
		"Unavailable": 2,
	}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	for _, told := range []string{k.ID, k.OrganizationID, secret.Reveal(), "messages"} {
		if strings.Contains(line, told) {
			t.Errorf("the line has %s: %s", told, line)
		}
	}
}

// A call of AppSync counts as any other, but its refusals are no errors to Lambda.
func TestGraphQLCallsAreCounted(t *testing.T) {
	t.Parallel()
	kit, _ := graph(t, nil)
	_, secret := permitted(t, kit, "messages:read")
	set, written := meter(kit)
	a := build(kit, func(c *authorizer.Config) { c.Metrics = set })
	good := sample(t, "appsync", secret)

	_, _, _ = invoke(t, a, good)
	_, _, _ = invoke(t, a, asking(t, good, "mutation { createMessage }"))
	_, _, _ = invoke(t, a, sample(t, "appsync", ""))

	got, _ := written(t)
	if diff := cmp.Diff(map[string]int64{
		"Checks": 3, "Allowed": 1, "PermissionDenied": 1, "NoKey": 1,
	}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// People count, too: their 401s are errors to Lambda as well.
func TestPeopleAreCounted(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, nil)
	set, written := meter(kit)
	event := headers(t, elsewhere(sample(t, "rest-request", sampleSecret), "GET", "/v1/me", "/v1/me"),
		map[string][]string{"Authorization": {jwt}})

	for _, people := range []says{
		{person: identity.Person{ID: "sub-1", Email: "alice@acme.test"}},
		{person: identity.Person{ID: strings.Repeat("a", 300)}},
		{err: identity.ErrInvalid},
		{err: errors.New("the provider does not answer")},
	} {
		_, _, _ = invoke(t, build(kit, func(c *authorizer.Config) {
			c.API, c.Metrics, c.People = permission.AdminAPI, set, people
		}), event)
	}

	got, line := written(t)
	if diff := cmp.Diff(map[string]int64{
		"Checks": 4, "SignedIn": 1, "InvalidToken": 2, "Unauthorized": 2, "Unavailable": 1,
	}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	if strings.Contains(line, "sub-1") || strings.Contains(line, "acme") {
		t.Errorf("the line names a person: %s", line)
	}
}

// A check costs no more memory where it is counted.
func TestCountingAllocatesNothing(t *testing.T) {
	kit, _ := setup(t, nil)
	set, _ := meter(kit)
	event := []byte(headers(t, sample(t, "rest-request", sampleSecret), map[string][]string{}))
	allocations := func(of *metric.Set) float64 {
		a := build(kit, func(c *authorizer.Config) {
			c.Metrics = of
			c.Logger = slog.New(slog.DiscardHandler)
		})
		return testing.AllocsPerRun(200, func() { _, _ = a.Invoke(t.Context(), event) })
	}

	if without, with := allocations(nil), allocations(set); with != without {
		t.Errorf("%v allocations with metrics, %v without", with, without)
	}
}
