package adminapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/proxy"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// office is the admin API over tables of the test's own, for what a test does to tables and what
// stands between them and the functions.
type office struct {
	*storetest.Kit
	functions *storetest.Process // what the functions have
	groups    map[adminapi.Group]*proxy.Function
	routes    map[string]declared // by method and path, as the document has them
}

// newOffice has a catalogue and the organizations acme and globex, each with an admin,
// root@<organization>.test.
func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{Kit: storetest.New(t), routes: operations(t, document(t))}
	o.MustCatalogue(t, permission.Permission{Name: "messages:read", Title: "Read messages"})

	for _, id := range []string{"acme", "globex"} {
		made := &organization.Organization{
			ID:       id,
			Name:     id,
			Settings: organization.DefaultSettings(),
			Admins:   1,
			Version:  1,
		}
		o.MustRuntimeSettings(t, id, nil)
		o.commit(t, o.Store.PutOrganization(made, 0))
		o.member(t, id, "root@"+id+".test", organization.RoleAdmin)
	}

	o.restart()
	return o
}

// restart gives the functions what new instances have.
func (o *office) restart() { o.instance(o.Restart()) }

// instance gives the functions what a process has.
func (o *office) instance(p *storetest.Process) {
	d := &full.Deployment{
		Deployment: &boot.Deployment{
			Configuration: boot.Configuration{
				Brand:        storetest.Brand,
				API:          "demo",
				Environments: apikey.Environments(),
			},
			Keyring: p.Keyring,
			Logger:  o.Log.Logger(),
			Now:     o.Clock.Now,
			Limits:  limit.New(p.Hot, o.Clock.Now, func() float64 { return 0.5 }),
			Wait:    func(context.Context, time.Duration) {},
			Checker: &check.Checker{
				Brand:        storetest.Brand,
				Environments: apikey.Environments(),
				Keys:         p.Store,
				FirstUses:    p.Hot,
				Peppers:      p.Keyring,
				Settings:     check.NewSettingsCache(p.Store, o.Clock.Now),
				Imports:      check.NewImports(p.Store, o.Clock.Now),
				Catalogue: check.NewCatalogue(p.Store.CatalogueReader(apikey.Production),
					o.Clock.Now),
				Now: o.Clock.Now,
			},
		},
		Store: p.Store,
		Hot:   p.Hot,
	}

	o.functions, o.groups = p, map[adminapi.Group]*proxy.Function{}
	for _, group := range []adminapi.Group{
		adminapi.GroupKeys, adminapi.GroupRotation, adminapi.GroupRevocation,
		adminapi.GroupOrganizations, adminapi.GroupUsage,
	} {
		o.groups[group] = adminapi.Function(d, group)
	}
}

func (o *office) commit(t *testing.T, writes ...store.Write) {
	t.Helper()

	if err := o.Store.Commit(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
}

// member makes somebody a member, who has joined.
func (o *office) member(t *testing.T, org, email string, role organization.Role) {
	t.Helper()
	o.commit(t, o.Store.PutMember(&organization.Member{
		OrganizationID: org,
		ID:             "id of " + email,
		Email:          email,
		Role:           role,
		Grants:         []organization.Grant{},
		InvitedAt:      o.Clock.Now(),
		JoinedAt:       o.Clock.Now(),
		Version:        1,
	}, 0))
}

// customer makes a customer.
func (o *office) customer(t *testing.T, org, id string) {
	t.Helper()
	o.commit(t, o.Store.PutCustomer(&organization.Customer{
		OrganizationID: org,
		ID:             id,
		Name:           id,
		CreatedAt:      o.Clock.Now(),
		Version:        1,
	}, 0))
}

// by is the authorizer's context for a person.
func by(email string) map[string]any {
	return map[string]any{"userId": "id of " + email, "userEmail": email, "userName": email}
}

// byKey is the authorizer's context for a key.
func byKey(k *apikey.Key) map[string]any {
	return map[string]any{"keyId": k.ID, "environment": string(k.Environment)}
}

// keys are all keys of an organization.
func (o *office) keys(t *testing.T, org string) []*apikey.Key {
	t.Helper()

	keys, _, err := o.Store.Keys(t.Context(), org, store.Filter{}, "", store.MaxPage, o.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}

	return keys
}

// call invokes the function of a route as API Gateway does, once the authorizer has let the caller
// pass. path may have a query.
func (o *office) call(
	t *testing.T, caller map[string]any, method, path, body string, headers ...string,
) response {
	t.Helper()

	target, err := url.Parse(path)
	if err != nil {
		t.Fatal(err)
	}

	sent := map[string][]string{
		"Content-Type": {"application/json"},
	}
	query := map[string][]string(target.Query())

	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		sent[name] = append(sent[name], value)
	}

	event, err := json.Marshal(map[string]any{
		"httpMethod":                      method,
		"path":                            target.Path,
		"multiValueHeaders":               sent,
		"multiValueQueryStringParameters": query,
		"body":                            body,
		"requestContext": map[string]any{
			"requestId":  "r1",
			"authorizer": caller,
			"identity":   map[string]any{"sourceIp": "192.0.2.1"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	return invoked(t, o.groups[o.group(t, method, target.Path)], event)
}

// group is the function that serves a path. Literal segments come before parameters.
func (o *office) group(t *testing.T, method, path string) adminapi.Group {
	t.Helper()

	mux := http.NewServeMux()
	for route := range o.routes {
		mux.Handle(route, http.NotFoundHandler())
	}

	request, err := http.NewRequestWithContext(t.Context(), method, (&url.URL{
		Path: path,
	}).String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}

	_, route := mux.Handler(request)
	if route == "" {
		t.Fatalf("there is no route for %s %s", method, path)
	}

	return adminapi.Group(o.routes[route].Group)
}

// want fails unless an answer has the status and, where it is a refusal, the code.
func (r response) want(t *testing.T, what string, status int, code string) response {
	t.Helper()

	var p struct{ Code string }
	if r.Body != "" && code != "" {
		if err := json.Unmarshal([]byte(r.Body), &p); err != nil {
			t.Fatalf("%s: %v\n%s", what, err, r.Body)
		}
	}

	if r.Status != status || p.Code != code {
		t.Errorf("%s: %d, want %d %s\n%s", what, r.Status, status, code, r.Body)
	}

	return r
}

// authenticate is what a check says of a secret, by an instance of its own.
func (o *office) authenticate(t *testing.T, secret apikey.Secret) check.Outcome {
	t.Helper()
	p := o.Restart()
	checker := &check.Checker{
		Brand:        storetest.Brand,
		Environments: apikey.Environments(),
		Keys:         p.Store,
		FirstUses:    p.Hot,
		Peppers:      p.Keyring,
		Settings:     check.NewSettingsCache(p.Store, o.Clock.Now),
		Imports:      check.NewImports(p.Store, o.Clock.Now),
		Now:          o.Clock.Now,
	}
	return checker.Authenticate(t.Context(), check.Headers{
		APIKey: []string{secret.Reveal()},
	}, netip.Addr{}).Outcome
}

// workerOf makes the worker of another process, whose traffic is its own.
func workerOf(kit *storetest.Kit, change func(*full.Deployment)) (*admin.Worker, *storetest.Process) {
	p := kit.Restart()
	d := &full.Deployment{
		Deployment: &boot.Deployment{
			Configuration: boot.Configuration{Brand: storetest.Brand},
			Keyring:       p.Keyring,
			Logger:        kit.Log.Logger(),
			Now:           kit.Clock.Now,
		},
		Store: p.Store,
		Hot:   p.Hot,
	}
	change(d)
	return newWorker(d), p
}

// newWorker makes the worker that a deployment's upkeep has.
func newWorker(d *full.Deployment) *admin.Worker {
	return admin.NewWorker(admin.New(admin.Config{
		Brand:     d.Brand,
		LimitsOff: d.KeyLimitsOff,
		Store:     d.Store,
		Hot:       d.Hot,
		Metrics:   d.Metrics,
		Logger:    d.Logger,
		Now:       d.Now,
		Wait:      d.Wait,
	}))
}
