package apply_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/cmd/bitting/apply"
	"github.com/bitting-keys/bitting/cmd/bitting/cloud"
	"github.com/bitting-keys/bitting/pkg/api"
)

// acme is an organization with two keys of the same name, a personal key and a customer.
func acme() apply.State {
	one := func(id, name, environment string) api.Key {
		return api.Key{
			ID: id, Name: name, Environment: environment, Ownership: "organization", Enabled: true,
			Permissions: []string{"a:read"}, Grantable: "own", Version: 3,
		}
	}
	personal := one("personal00000001", "Laptop", "production")
	personal.Ownership = "personal"

	return apply.State{
		Organization: api.Organization{ID: "acme", Name: "Acme"},
		Permissions:  []api.Permission{{Name: "a:read", Title: "A"}, {Name: "b:read", Title: "B"}},
		Customers:    []api.Customer{{ID: "hooli", Name: "Hooli"}},
		Members:      []api.Member{{Email: "alice@acme.test", Role: "admin"}},
		Keys: []api.Key{
			one("website000000001", "Website", "production"), one("website000000002", "Website", "staging"),
			one("twice00000000001", "Twice", "production"), one("twice00000000002", "Twice", "production"),
			personal,
		},
		Self: "website000000002",
	}
}

func plan(t *testing.T, text string, o apply.Options) (*apply.Plan, error) {
	t.Helper()

	d, err := apply.Read([]byte(text), "bitting.yaml")
	if err != nil {
		t.Fatal(err)
	}

	if o.Waits == nil {
		o.Waits = never
	}

	return apply.New(d, acme(), o)
}

// never is the look at places where nothing is.
func never(*apply.Secret) (bool, error) { return false, nil }

// What does not differ for the API does not differ for a plan, and what is left out is left alone.
func TestNothingDiffers(t *testing.T) {
	t.Parallel()

	for _, text := range []string{
		"organization: {}",
		"organization: {id: acme, name: null, settings: {personalKeysBy: null}}",
		"keys: []\nmembers: []\ncustomers: []\npermissions: []",
		"keys: [{name: Website, environment: production}]",
		"keys: [{name: Website, environment: production, permissions: ['a:read', 'a:read'], quota: null, " +
			"metadata: {}, tags: null, description: '', secret: {file: website.key}}]",
		"keys: [{name: Twice, environment: production, id: twice00000000002}]",
	} {
		p, err := plan(t, text, apply.Options{})
		if err != nil || len(p.Items) > 0 || len(p.Steps) > 0 {
			t.Errorf("%s: %v, %+v", text, err, p)
		}
	}
}

// What a file says that cannot be done is an error that says what to do, before anything is done.
func TestPlanRefuses(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"organization: {id: globex}": "the file is for globex, not for acme",
		"keys: [{name: Twice, environment: production}]": `2 keys have the name "Twice" in production: say ` +
			"which is meant, with id: and one of twice00000000001, twice00000000002",
		"keys: [{name: New, environment: production}]": "nothing says where its secret goes: add secret: " +
			"{file: …}, {ssm: …} or {secretsManager: …}, or pass --secret-dir",

		"keys: [{name: X, environment: production, id: nobody0000000001}]": "no key has the id",
		"keys: [{name: X, environment: staging, id: website000000001}]":    "stays that for life",
		"keys: [{name: X, environment: production, id: personal00000001}]": "the organization's keys",
		"keys: [{name: Website, environment: production, permissions: ['a:raed']}]": "there is no " +
			"permission a:raed: did you mean a:read?",
		"keys: [{name: Website, environment: production}, " +
			"{name: Y, environment: production, id: website000000001}]": "keys[1]: it is the key of keys[0]",

		"customers: [{id: new}]":                  "it is new, and has no name",
		"members: [{email: b@acme.test}]":         "they are new, and have no role",
		"permissions: [{name: A, title: A}]":      "must be resource:action",
		"permissions: [{name: b:read, title: B}]": "the permission a:read would be removed, and key",
		"permissions: [{name: c:read, " +
			"routes: [{api: '*', method: get, path: /}]}]": "must be one of GET",
	} {
		if _, err := plan(t, text, apply.Options{Prune: true}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// Only what a section does not mention is removed, and never the key in use or a personal one.
func TestPrune(t *testing.T) {
	t.Parallel()

	for text, want := range map[string][]string{
		"organization: {}": nil,
		"keys: [{name: Website, environment: production}]": {
			"key Twice twice00000000001", "key Twice twice00000000002",
		},
		"members: []":                   {"member alice@acme.test "},
		"customers: []":                 {"customer hooli hooli"},
		"permissions: [{name: a:read}]": {"permission b:read "},
	} {
		p, err := plan(t, text, apply.Options{Prune: true})
		if err != nil {
			t.Fatal(err)
		}

		var removed []string
		for _, item := range p.Items {
			removed = append(removed, item.Kind+" "+item.Name+" "+item.ID)
		}

		if diff := cmp.Diff(want, removed); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// A place that was made, and stayed empty, gets another secret, unless the key is in use. A place that
// cannot take a new secret is an error of the plan, and one that is not known to be empty a note.
func TestLostSecret(t *testing.T) {
	t.Parallel()
	text := "keys: [{name: Website, environment: production, secret: {ssm: /website}}]"

	p, err := plan(t, text, apply.Options{Waits: func(s *apply.Secret) (bool, error) {
		return s.SSM == "/website", nil
	}})
	if err != nil || len(p.Steps) != 1 || p.Steps[0].Op != apply.RegenerateKey {
		t.Errorf("%v, %+v", err, p)
	}

	refused := func(*apply.Secret) (bool, error) { return false, cloud.ErrRefused }

	p, err = plan(t, text, apply.Options{Waits: refused})
	if err != nil || len(p.Steps) > 0 || len(p.Notes) != 1 {
		t.Errorf("%v, %+v", err, p)
	}

	text = strings.Replace(text, "name: Website", "name: New", 1)
	if _, err = plan(t, text, apply.Options{Waits: refused}); !errors.Is(err, cloud.ErrRefused) {
		t.Errorf("a new key whose secret cannot be kept: %v", err)
	}
}
