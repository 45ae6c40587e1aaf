package authorizer_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/identity"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// says gives the same answer for every token, in place of an identity provider.
type says struct {
	person identity.Person
	err    error
}

// Verify implements authorizer.People.
func (s says) Verify(context.Context, string) (identity.Person, error) { return s.person, s.err }

const jwt = "Bearer e30.e30.AA"

// The authorizer only states who a person is: an id that is complete, and a verified address.
func TestPeople(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, nil)
	alice := identity.Person{
		ID:            "sub-1",
		Email:         "Alice@Acme.test",
		EmailVerified: true,
		Name:          "Alice",
	}
	with := func(change func(*identity.Person)) says {
		p := alice
		change(&p)
		return says{person: p}
	}

	long := strings.Repeat("a", 300)
	for name, test := range map[string]struct {
		says says
		want map[string]any // nil: an error
		err  string
	}{
		"verified": {says{
			person: alice,
		}, map[string]any{
			"userId":    "sub-1",
			"userEmail": "alice@acme.test",
			"userName":  "Alice",
		}, ""},
		"an unverified address": {with(func(p *identity.Person) {
			p.EmailVerified = false
		}), map[string]any{
			"userId":   "sub-1",
			"userName": "Alice",
		}, ""},
		"no address": {with(func(p *identity.Person) { p.Email = "" }), map[string]any{
			"userId":   "sub-1",
			"userName": "Alice",
		}, ""},
		"an address that is too long": {with(func(p *identity.Person) {
			p.Email = long + "@acme.test"
		}), map[string]any{
			"userId":   "sub-1",
			"userName": "Alice",
		}, ""},
		"an address that folds to alice's": {with(func(p *identity.Person) {
			p.Email = "al\u0130ce@acme.test"
		}), map[string]any{
			"userId":   "sub-1",
			"userName": "Alice",
		}, ""},
		"an address that folds to kate's": {with(func(p *identity.Person) {
			p.Email = "\u212aate@acme.test"
		}), map[string]any{
			"userId":   "sub-1",
			"userName": "Alice",
		}, ""},
		"an address that folds in its host": {with(func(p *identity.Person) {
			p.Email = "alice@\u212aeep.test"
		}), map[string]any{
			"userId":   "sub-1",
			"userName": "Alice",
		}, ""},
		"no id": {with(func(p *identity.Person) {
			p.ID = ""
		}), nil, "Unauthorized"},
		"an id that is too long": {with(func(p *identity.Person) {
			p.ID = long
		}), nil, "Unauthorized"},
		"an id to be cleaned": {with(func(p *identity.Person) {
			p.ID = "sub\n1"
		}), nil, "Unauthorized"},
		"a bad token": {says{err: identity.ErrInvalid}, nil, "Unauthorized"},
		"unknown": {says{
			err: errors.New("the provider does not answer"),
		}, nil, "other"},
	} {
		a := build(kit, func(c *authorizer.Config) {
			c.API = permission.AdminAPI
			c.AdmitKey = ""
			c.Checker.Environments = apikey.Environments()
			c.People = test.says
		})
		event := headers(t,
			elsewhere(sample(t, "rest-request", sampleSecret), "GET", "/v1/me", "/v1/me"),
			map[string][]string{
				"Authorization": {jwt},
			})

		got, _, err := invoke(t, a, event)
		if test.want == nil {
			if err == nil || (err.Error() == "Unauthorized") != (test.err == "Unauthorized") {
				t.Errorf("%s: %v, want %s", name, err, test.err)
			}

			continue
		}

		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}

		who := map[string]any{}
		for field, value := range got.Fields["context"].(map[string]any) {
			if strings.HasPrefix(field, "user") && value != "" ||
				strings.HasPrefix(field, "key") && value != "" {
				who[field] = value
			}
		}

		if diff := cmp.Diff(test.want, who); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}

		evaluates(t, got.Policy, arn(t, event), true)
		evaluates(t, got.Policy, strings.Replace(arn(t, event), "/GET/", "/POST/", 1), false)
	}
}

// A person's token opens no data-plane API, and nothing without a sign-in.
func TestPeopleOnOtherAPIs(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, nil)

	good := says{person: identity.Person{ID: "sub-1", Email: "a@acme.test", EmailVerified: true}}
	for name, change := range map[string]func(*authorizer.Config){
		"the data plane": func(c *authorizer.Config) { c.People = good },
		"nobody signs in": func(c *authorizer.Config) {
			c.API = permission.AdminAPI
			c.AdmitKey = ""
			c.Checker.Environments = apikey.Environments()
		},
	} {
		event := headers(t, sample(t, "rest-request", sampleSecret), map[string][]string{
			"Authorization": {jwt},
		})
		if _, text, err := invoke(t, build(kit, change), event); err == nil ||
			err.Error() != "Unauthorized" {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
}
