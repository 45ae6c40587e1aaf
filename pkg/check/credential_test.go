package check_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/check"
)

func TestCredential(t *testing.T) {
	t.Parallel()
	const (
		ours  = "bt_prod_7Qm2Xb0aVd91KtZs_0123456789abcdefghijABCDEFGHIJKL3NOHGi"
		other = "bt_stg_7Qm2Xb0aVd91KtZs_0123456789abcdefghijABCDEFGHIJKL3NOHGi"
	)
	type found struct {
		Text  string
		Fault check.Outcome
	}

	key := func(values ...string) []string { return values }
	for name, test := range map[string]struct {
		apiKey, authorization []string
		want                  found
	}{
		"none":                       {nil, nil, found{"", check.NoKey}},
		"X-Api-Key":                  {key(ours), nil, found{ours, ""}},
		"X-Api-Key of another brand": {key("foreign"), nil, found{"foreign", ""}},
		"X-Api-Key empty":            {key(""), nil, found{"", check.NoKey}},
		// refused as malformed
		"X-Api-Key with a space":   {key(" " + ours), nil, found{" " + ours, ""}},
		"X-Api-Key twice":          {key(ours, other), nil, found{"", check.Ambiguous}},
		"X-Api-Key twice the same": {key(ours, ours), nil, found{"", check.Ambiguous}},
		"X-Api-Key twice, empty":   {key("", ""), nil, found{"", check.Ambiguous}},

		"Bearer":            {nil, key("Bearer " + ours), found{ours, ""}},
		"bearer":            {nil, key("bearer " + ours), found{ours, ""}},
		"BEARER":            {nil, key("BEARER " + ours), found{ours, ""}},
		"Bearer and spaces": {nil, key("Bearer   " + ours), found{ours, ""}},
		// refused as malformed
		"Bearer and space after":  {nil, key("Bearer " + ours + " "), found{ours + " ", ""}},
		"Bearer and a tab":        {nil, key("Bearer\t" + ours), found{"", check.NoKey}},
		"Bearer of another kind":  {nil, key("Bearer eyJhbGciOi"), found{"eyJhbGciOi", ""}},
		"Bearer without a token":  {nil, key("Bearer"), found{"", check.NoKey}},
		"Bearer and nothing":      {nil, key("Bearer "), found{"", check.NoKey}},
		"Bearer long s":           {nil, key("Ba\u017fic " + ours), found{"", check.NoKey}},
		"a secret without scheme": {nil, key(ours), found{"", check.NoKey}},
		"Basic":                   {nil, key("Basic dXNlcjpwYXNz"), found{"", check.NoKey}},
		"Basic with a secret":     {nil, key("Basic " + ours), found{"", check.NoKey}},
		"Authorization empty":     {nil, key(""), found{"", check.NoKey}},
		"Authorization twice": {
			nil,
			key("Bearer "+ours, "Bearer "+other),
			found{"", check.Ambiguous},
		},
		"Authorization twice same": {
			nil,
			key("Bearer "+ours, "Bearer "+ours),
			found{"", check.Ambiguous},
		},
		"Bearer and Basic": {
			nil,
			key("Bearer "+ours, "Basic dXNlcjpwYXNz"),
			found{"", check.Ambiguous},
		},

		"both, the same": {key(ours), key("Bearer " + ours), found{ours, ""}},
		"both, another of ours": {
			key(ours),
			key("Bearer " + other),
			found{"", check.Ambiguous},
		},
		"both, another of ours, lower": {
			key(ours),
			key("bearer  " + other),
			found{"", check.Ambiguous},
		},
		"both, cut short": {
			key(ours),
			key("Bearer " + ours[:20]),
			found{"", check.Ambiguous},
		},
		"both, the backend's token": {key(ours), key("Bearer eyJhbGciOi"), found{ours, ""}},
		"both, Basic":               {key(ours), key("Basic dXNlcjpwYXNz"), found{ours, ""}},
		"both, Basic with ours":     {key(ours), key("Basic " + other), found{ours, ""}},
		"both, two of the backend's": {
			key(ours),
			key("Basic dXNlcjpwYXNz", "Digest x"),
			found{ours, ""},
		},
		"both, ours as the second": {
			key(ours),
			key("Basic dXNlcjpwYXNz", "Bearer "+other),
			found{"", check.Ambiguous},
		},
		"both, X-Api-Key empty": {
			key(""),
			key("Bearer eyJhbGciOi"),
			found{"", check.NoKey},
		},
		"both, X-Api-Key empty and ours": {
			key(""),
			key("Bearer " + ours),
			found{"", check.Ambiguous},
		},
		"both, foreign key and our token": {
			key("foreign"),
			key("Bearer " + ours),
			found{"", check.Ambiguous},
		},
	} {
		text, fault := check.Credential("bt", check.Headers{
			APIKey:        test.apiKey,
			Authorization: test.authorization,
		})
		if diff := cmp.Diff(test.want, found{text, fault}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	type rendered struct {
		Status int
		Code   string
	}
	refused := rendered{401, "invalid_key"}
	want := map[check.Outcome]rendered{
		check.Allowed:            {200, ""},
		check.PermissionDenied:   {403, "permission_denied"},
		check.CustomerNotAllowed: {403, "customer_not_allowed"},
		check.Unavailable:        {503, "unavailable"},
		check.NoKey:              refused,
		check.Malformed:          refused,
		check.WrongEnvironment:   refused,
		check.UnknownKey:         refused,
		check.Ambiguous:          refused,
		check.WrongSecret:        refused,
		check.RetiredSecret:      refused,
		check.Inactive:           refused,
		check.Expired:            refused,
		check.NotYetValid:        refused,
		check.AddressNotAllowed:  refused,
		"":                       refused,
		"some other":             refused,
	}

	got := map[check.Outcome]rendered{}
	for outcome := range want {
		got[outcome] = rendered{outcome.Status(), outcome.Code()}
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
