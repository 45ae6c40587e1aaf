package client_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"iter"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/client"
	"github.com/bitting-keys/bitting/pkg/local"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/localoidc"
	"github.com/bitting-keys/bitting/pkg/localstore"
)

// started runs `bitting local` until the test ends.
func started(t *testing.T) (machine *localtest.Machine, data string) {
	t.Helper()
	data = t.TempDir()

	binary, err := localstore.Find(".")
	if err != nil {
		t.Fatal(err)
	}

	server, err := localstore.Start(t.Context(), binary, "", io.Discard)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = server.Stop() })
	ctx, stop := context.WithCancel(context.Background())

	ended := make(chan error, 1)
	go func() {
		ended <- local.Run(ctx, local.Options{
			Listen:   "127.0.0.1:0",
			Data:     data,
			Profile:  "strict",
			API:      "rest",
			Checkout: filepath.Join("..", ".."),
			DynamoDB: server.URL,
			Out:      io.Discard,
		})
	}()

	t.Cleanup(func() {
		stop()

		if err := <-ended; err != nil {
			t.Error(err)
		}
	})

	if machine, err = localtest.Wait(t.Context(), data, ended); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := machine.LeakInLog(); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})

	return machine, data
}

// document is what the tests know of the OpenAPI document.
type document struct {
	Paths map[string]map[string]struct {
		OperationID string
		RequestBody struct {
			Content map[string]struct{ Schema schema }
		}
		Parameters []struct{ Name, In string }
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Ref        string `json:"$ref"`
	Properties map[string]schema
	Items      *schema
	Required   []string
}

// called is a transport that records which requests were sent.
type called struct {
	http.RoundTripper
	mu       sync.Mutex
	requests []*http.Request
}

func (c *called) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.requests = append(c.requests, r.Clone(context.Background()))
	c.mu.Unlock()

	return c.RoundTripper.RoundTrip(r)
}

// operations returns the ids of the document's operations that were called.
func (c *called) operations(d *document) (ids []string) {
	byRoute := map[string]string{}
	router := http.NewServeMux()

	for path, methods := range d.Paths {
		for method, op := range methods {
			route := strings.ToUpper(method) + " " + path
			byRoute[route] = op.OperationID
			router.Handle(route, http.NotFoundHandler())
		}
	}

	for _, r := range c.requests {
		_, route := router.Handler(r)
		ids = append(ids, byRoute[route])
	}

	slices.Sort(ids)
	return slices.Compact(ids)
}

// tour calls operations, each of which must answer.
type tour struct {
	*testing.T
	ctx context.Context
	org string
}

// got fails unless a call was answered, and returns its answer.
func got[A any](t tour, answer A, err error) A {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}

	if reflect.ValueOf(&answer).Elem().IsZero() {
		t.Errorf("a %T without anything in it", answer)
	}

	return answer
}

// listed fails unless a list was answered, and has at least so many items.
func listed[T any](t tour, least int, list iter.Seq2[T, error]) (items []T) {
	t.Helper()

	for item, err := range list {
		if err != nil {
			t.Fatal(err)
		}

		items = append(items, item)
	}

	if len(items) < least {
		t.Errorf("%d items of %T, want at least %d", len(items), *new(T), least)
	}

	return items
}

// Every operation of the document has its method, and answers it.
func TestEveryOperationCanBeCalled(t *testing.T) {
	t.Parallel()
	machine, data := started(t)
	sent := &called{}

	typed := func(as localtest.Client) *client.Client {
		return as.API(t, func(config *client.Config) {
			config.UserAgent = "tour"
			sent.RoundTripper = config.HTTPClient.Transport
			config.HTTPClient.Transport = sent
		})
	}

	operator := typed(machine.Operator())
	trip := tour{T: t, ctx: t.Context(), org: "t-" + strings.ToLower(rand.Text())}

	trip.organization(operator)
	trip.members(operator)
	trip.customers(operator)
	trip.keys(operator)
	trip.rotation(operator)
	trip.many(operator)
	trip.calls(operator, machine)
	trip.people(typed(machine.SignedIn(token(t, machine, data, "alice@acme.test"))))

	me, err := typed(machine.Admin()).Whoami(t.Context())
	if err != nil || me.Name != "Local admin" {
		t.Errorf("whoami: %q, %v", me.Name, err)
	}

	anybody := typed(machine.As(""))
	if err := anybody.ReportLeak(t.Context(), api.ReportLeak{Secret: "nothing"}); err != nil {
		t.Error(err)
	}

	err = anybody.ReportGitHubLeaks(t.Context(), "", "", []byte("[]"))
	if !errors.Is(err, client.ErrMalformed) {
		t.Error(err) // nobody but GitHub signs
	}

	trip.end(operator)

	var all []string

	d := read(t, machine)
	for _, methods := range d.Paths {
		for _, op := range methods {
			all = append(all, op.OperationID)
		}
	}

	slices.Sort(all)

	if diff := cmp.Diff(all, sent.operations(d)); diff != "" || len(all) < 40 {
		t.Errorf("(-document +called):\n%s", diff)
	}

	agree(t, d)
}

// read reads the document.
func read(t *testing.T, machine *localtest.Machine) *document {
	t.Helper()
	d := &document{}
	machine.As("").Call(t, http.MethodGet, "/v1/openapi.json", nil).Want(t, http.StatusOK).Into(t, d)
	return d
}

func token(t *testing.T, machine *localtest.Machine, data, email string) string {
	t.Helper()

	provider, err := localoidc.New(localoidc.Config{
		BaseURL: machine.URL,
		DataDir: filepath.Join(data, "keys"),
		People:  []localoidc.Person{{Email: email}},
	})
	if err != nil {
		t.Fatal(err)
	}

	text, err := provider.Token(email)
	if err != nil {
		t.Fatal(err)
	}

	return text
}

func (t tour) organization(c *client.Client) {
	var etag string

	catalogue, err := c.GetPermissions(t.ctx, client.ETag(&etag))
	got(t, catalogue, err)

	again, err := c.PutPermissions(t.ctx, catalogue, client.IfMatch(etag))
	if diff := cmp.Diff(catalogue, got(t, again, err)); diff != "" {
		t.Errorf("a catalogue that was sent back (-before +after):\n%s", diff)
	}

	made, err := c.CreateOrganization(t.ctx, api.CreateOrganization{
		ID:         t.org,
		Name:       "Tour",
		FirstAdmin: "alice@acme.test",
	})
	if got(t, made, err); made.Secret == nil {
		t.Error("the default key has no secret")
	}

	_, err = c.CreateOrganization(t.ctx, api.CreateOrganization{
		ID:         t.org,
		Name:       "Tour",
		FirstAdmin: "alice@acme.test",
	})
	if !errors.Is(err, client.ErrDuplicate) {
		t.Error(err)
	}

	before, err := c.GetOrganization(t.ctx, t.org, client.ETag(&etag))
	got(t, before, err)

	after, err := c.UpdateOrganization(t.ctx, t.org, api.UpdateOrganization{
		Name: api.Set("Long tour"),
		Settings: api.UpdateSettings{
			SampleRequests:    api.Set(1.0),
			MemberPermissions: api.Null[[]string](),
			LongestLife:       api.UpdateLongestLife{Staging: api.Set("365d")},
		},
	}, client.IfMatch(etag))
	if got(t, after, err); after.Name != "Long tour" || after.Settings.SampleRequests != 1 ||
		after.Settings.LongestLife.Staging == nil || after.Settings.LongestLife.Production != nil {
		t.Errorf("%+v", after)
	}

	_, err = c.UpdateOrganization(t.ctx, t.org, api.UpdateOrganization{}, client.IfMatch(etag))
	if !errors.Is(err, client.ErrStale) {
		t.Error(err)
	}
}

func (t tour) members(c *client.Client) {
	const email = "bob@acme.test"

	m, err := c.PutMember(t.ctx, t.org, email, api.PutMember{
		Role:   "member",
		Grants: []string{"manage_others_keys"},
	})
	if got(t, m, err); m.Email != email || len(m.Grants) != 1 {
		t.Errorf("%+v", m)
	}

	same, err := c.GetMember(t.ctx, t.org, email)
	if diff := cmp.Diff(m, got(t, same, err)); diff != "" {
		t.Error(diff)
	}

	listed(t, 2, c.ListMembers(t.ctx, t.org, api.List{Limit: 1}))

	if j, err := c.DeleteMember(t.ctx, t.org, email); err != nil {
		t.Error(err)
	} else if j != nil {
		got(t, *j, nil)
	}
}

func (t tour) customers(c *client.Client) {
	for _, id := range []string{"c1", "c2"} {
		made, err := c.CreateCustomer(t.ctx, t.org, api.CreateCustomer{
			ID:       id,
			Name:     id,
			Metadata: map[string]string{"plan": "free"},
		})
		got(t, made, err)
	}

	changed, err := c.UpdateCustomer(t.ctx, t.org, "c1", api.UpdateCustomer{
		Metadata: api.Null[map[string]string](),
	})
	if got(t, changed, err); len(changed.Metadata) != 0 || changed.Name != "c1" {
		t.Errorf("%+v", changed)
	}

	shown, err := c.GetCustomer(t.ctx, t.org, "c1")
	got(t, shown, err)
	listed(t, 2, c.ListCustomers(t.ctx, t.org, api.List{Limit: 1}))

	if _, err := c.DeleteCustomer(t.ctx, t.org, "c2", client.Force()); err != nil {
		t.Error(err)
	}
}

// key makes a key, and returns its id and secret.
func (t tour) key(c *client.Client, name string) (id, secret string) {
	t.Helper()

	made, err := c.CreateKey(t.ctx, t.org, api.CreateKey{
		Name:        name,
		Environment: "production",
		Ownership:   "organization",
		KeySettings: api.KeySettings{
			Description:      "Of the tour",
			Enabled:          new(true),
			Permissions:      []string{"messages:read"},
			Customers:        []string{"c1"},
			RateLimits:       []api.RateLimit{{Name: "burst", Limit: 50, Window: "1m"}},
			Quota:            &api.Quota{Limit: 1000, Period: "day"},
			AllowedAddresses: []string{"127.0.0.0/8", "::1"},
			NotBefore:        time.Now().Add(-time.Hour),
			ExpiresAt:        time.Now().Add(time.Hour),
			Metadata:         map[string]string{"a": "b"},
			Tags:             []string{"tour"},
		},
	})
	if got(t, made, err); made.Secret == nil {
		t.Fatal("no secret")
	}

	return made.Key.ID, *made.Secret
}

func (t tour) keys(c *client.Client) {
	id, _ := t.key(c, "Changed")
	before, err := c.GetKey(t.ctx, t.org, id)
	got(t, before, err)

	after, err := c.UpdateKey(t.ctx, t.org, id, api.UpdateKey{
		Quota:     api.Null[api.Quota](),
		ExpiresAt: api.Set(time.Now().Add(2 * time.Hour)),
		Tags:      api.Set([]string{"tour", "changed"}),
	}, client.IfVersion(before.Version))
	if got(t, after, err); after.Quota != nil || len(after.Tags) != 2 || len(after.RateLimits) != 1 {
		t.Errorf("%+v", after)
	}

	listed(t, 2, c.ListKeys(t.ctx, t.org, api.ListKeys{
		KeyFilter: api.KeyFilter{Status: "all", Environment: "production"},
		Sort:      "createdAt",
		Include:   "usage",
		List:      api.List{Limit: 1},
	}))

	revoked, err := c.RevokeKey(t.ctx, t.org, id, api.RevokeKey{Reason: "for the tour"})
	if got(t, revoked, err); revoked.Key.Revocation == nil || revoked.EffectiveBy.IsZero() {
		t.Errorf("%+v", revoked)
	}

	restored, err := c.RestoreKey(t.ctx, t.org, id)
	if got(t, restored, err); restored.Key.Revocation != nil {
		t.Errorf("%+v", restored)
	}

	for _, entry := range listed(t, 4, c.KeyHistory(t.ctx, t.org, id, api.List{Limit: 2})) {
		if entry.UserAgent != "tour" {
			t.Errorf("%+v", entry)
		}
	}

	listed(t, 10, c.ListHistory(t.ctx, t.org, api.ListHistory{}))

	if err := c.DeleteKey(t.ctx, t.org, id); err != nil {
		t.Error(err)
	}

	if _, err := c.RestoreKey(t.ctx, t.org, id); !errors.Is(err, client.ErrDeleted) {
		t.Error(err)
	}
}

func (t tour) rotation(c *client.Client) {
	id, _ := t.key(c, "Rotated")

	if _, err := c.GetRotation(t.ctx, t.org, id); !errors.Is(err, client.ErrNoRotation) {
		t.Error(err)
	}

	once := client.IdempotencyKey(rand.Text())

	rotated, err := c.RotateKey(t.ctx, t.org, id, api.RotateKey{Overlap: "1h"}, once)
	if got(t, rotated, err); rotated.Secret == nil || rotated.Key.Rotation == nil {
		t.Errorf("%+v", rotated.Key.Rotation)
	}

	again, err := c.RotateKey(t.ctx, t.org, id, api.RotateKey{Overlap: "1h"}, once)
	if got(t, again, err); again.Secret != nil || !again.Replayed {
		t.Errorf("repeated: %v", again.Replayed)
	}

	state, err := c.GetRotation(t.ctx, t.org, id)
	got(t, state, err)

	finished, err := c.FinishRotation(t.ctx, t.org, id)
	if got(t, finished, err); finished.Key.Rotation != nil {
		t.Errorf("%+v", finished.Key.Rotation)
	}

	regenerated, err := c.RegenerateKey(t.ctx, t.org, id)
	if got(t, regenerated, err); regenerated.Secret == nil {
		t.Error("no secret")
	}
}

// many calls what works on many keys.
func (t tour) many(c *client.Client) {
	sum := sha256.Sum256([]byte(rand.Text()))

	imported, err := c.ImportKeys(t.ctx, t.org, api.ImportKeys{Keys: []api.ImportKey{{
		Name:        "Imported",
		Environment: "staging",
		Hash:        api.Hash{Algorithm: "sha256", Value: hex.EncodeToString(sum[:])},
		KeySettings: api.KeySettings{Permissions: []string{"messages:read"}},
	}}})
	if got(t, imported, err); imported.Imported != 1 {
		t.Errorf("%+v", imported)
	}

	change := api.BulkKeys{
		Action: "revoke",
		Filter: api.KeyFilter{Environment: "staging"},
		Reason: "for the tour",
	}

	dry, err := c.BulkKeys(t.ctx, t.org, change)
	if got(t, dry, err); dry.Matched == nil || *dry.Matched != 1 || dry.Job != nil {
		t.Fatalf("%+v", dry)
	}

	change.DryRun, change.Expected = new(false), dry.Matched

	started, err := c.BulkKeys(t.ctx, t.org, change)
	if got(t, started, err); started.Job == nil {
		t.Fatalf("%+v", started)
	}

	done, err := c.WaitJob(t.ctx, t.org, started.Job.ID)
	if got(t, done, err); done.State != "done" || done.Result.Changed != 1 {
		t.Errorf("%+v", done)
	}

	listed(t, 1, c.ListJobs(t.ctx, t.org, api.List{}))
}

// calls calls what is known of the calls of a key.
func (t tour) calls(c *client.Client, machine *localtest.Machine) {
	id, secret := t.key(c, "Called")
	refused := machine.As(secret).Call(t, http.MethodGet, "/production/licenses", nil).Refused(t,
		http.StatusForbidden, "permission_denied")

	why, err := c.ExplainKey(t.ctx, t.org, id, api.ExplainKey{
		Method:   "GET",
		Path:     "/licenses",
		SourceIP: "127.0.0.1",
		At:       time.Now(),
	})
	if got(t, why, err); why.Allowed || why.Outcome != "permission_denied" {
		t.Errorf("%+v", why)
	}

	var call api.RecordedRequest
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		call, err = c.GetRequest(t.ctx, t.org, refused.RequestID)
		if !errors.Is(err, client.ErrNotFound) || time.Now().After(end) {
			break
		}
	}

	if got(t, call, err); call.KeyID != id || call.Outcome != "permission_denied" ||
		len(call.Steps) == 0 {
		t.Errorf("%+v", call)
	}

	listed(t, 1, c.KeyRequests(t.ctx, t.org, id, api.KeyRequests{}))

	usage, err := c.KeyUsage(t.ctx, t.org, id, api.GetUsage{Granularity: "hour", By: "permission"})
	got(t, usage, err)

	file, err := c.KeyUsageCSV(t.ctx, t.org, id, api.GetUsage{By: "permission"})
	if lines := string(got(t, file, err)); !strings.HasPrefix(lines, "at,permission,count\n") {
		t.Errorf("a file of CSV begins %q", lines)
	}

	file, err = c.GetUsageCSV(t.ctx, t.org, api.GetUsage{})
	if lines := string(got(t, file, err)); !strings.HasPrefix(lines, "at,outcome,count\n") {
		t.Errorf("a file of CSV begins %q", lines)
	}

	all, err := c.GetUsage(t.ctx, t.org, api.GetUsage{})
	if got(t, all, err); len(all.Series) != 14 {
		t.Errorf("%+v", all)
	}

	advice, err := c.KeyAdvice(t.ctx, t.org, id, "30d")
	got(t, advice, err)
	listed(t, 1, c.ListAdvice(t.ctx, t.org, api.ListAdvice{
		Window: "1s",
		List:   api.List{Limit: 1},
	}))
}

func (t tour) people(c *client.Client) {
	me, err := c.GetMe(t.ctx)
	if got(t, me, err); me.Email != "alice@acme.test" || len(me.Organizations) != 2 {
		t.Errorf("%+v", me)
	}
}

func (t tour) end(c *client.Client) {
	j, err := c.DeleteOrganization(t.ctx, t.org)
	got(t, j, err)

	done, err := c.WaitJob(t.ctx, t.org, j.ID)
	if got(t, done, err); done.State != "done" {
		t.Errorf("%+v", done)
	}
}

// agree fails unless the types of bodies and queries have the document's fields.
func agree(t *testing.T, d *document) {
	t.Helper()

	types := map[string]any{
		"createKey":          api.CreateKey{},
		"updateKey":          api.UpdateKey{},
		"rotateKey":          api.RotateKey{},
		"revokeKey":          api.RevokeKey{},
		"explainKey":         api.ExplainKey{},
		"importKeys":         api.ImportKeys{},
		"bulkKeys":           api.BulkKeys{},
		"createOrganization": api.CreateOrganization{},
		"updateOrganization": api.UpdateOrganization{},
		"putMember":          api.PutMember{},
		"createCustomer":     api.CreateCustomer{},
		"updateCustomer":     api.UpdateCustomer{},
		"putPermissions":     api.Catalogue{},
		"reportLeak":         api.ReportLeak{},
		"regenerateKey":      struct{}{},
		"restoreKey":         struct{}{},
		"finishRotation":     struct{}{},

		"listKeys":      api.ListKeys{},
		"listMembers":   api.List{},
		"listCustomers": api.List{},
		"listJobs":      api.List{},
		"listHistory":   api.ListHistory{},
		"keyHistory":    api.List{},
		"keyRequests":   api.KeyRequests{},
		"listAdvice":    api.ListAdvice{},
		"keyUsage":      api.GetUsage{},
		"getUsage":      api.GetUsage{},
		"keyUsageCsv":   api.GetUsage{},
		"getUsageCsv":   api.GetUsage{},
	}

	for _, methods := range d.Paths {
		for method, op := range methods {
			var want []string
			for _, p := range op.Parameters {
				// keyAdvice has one, which its method takes by itself; so has what Force is for
				if p.In == "query" && method == "get" && op.OperationID != "keyAdvice" {
					want = append(want, p.Name)
				}
			}

			body, has := op.RequestBody.Content["application/json"]
			if has && op.OperationID != "reportGitHubLeaks" { // which is passed on as it is
				want = d.fields(body.Schema, "")
			}

			if op.OperationID == "updateKey" { // they are there to be refused
				want = slices.DeleteFunc(want, func(name string) bool {
					return name == "environment" || name == "ownership"
				})
			}

			slices.Sort(want)

			given, typed := types[op.OperationID]
			if !typed && len(want) > 0 {
				t.Errorf("%s takes %v, and has no type", op.OperationID, want)
			}

			if !typed {
				continue
			}

			names := fieldsOf(reflect.TypeOf(given), "")
			slices.Sort(names)

			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("%s (-document +type):\n%s", op.OperationID, diff)
			}
		}
	}
}

// fields are the names of a schema's fields, and of those within them.
func (d *document) fields(s schema, within string) (names []string) {
	for s.Ref != "" || s.Items != nil {
		if s.Items != nil {
			s = *s.Items
			continue
		}

		s = d.Components.Schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]]
	}

	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		names = append(names, within+name)
		names = append(names, d.fields(s.Properties[name], within+name+".")...)
	}

	return names
}

// fieldsOf are the JSON names of a type's fields, and of those within them.
func fieldsOf(of reflect.Type, within string) (names []string) {
	for {
		if strings.HasPrefix(of.Name(), "Patch[") {
			inner, _ := of.FieldByName("Value")
			of = inner.Type
		} else if of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		} else {
			break
		}
	}

	if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() {
		return nil
	}

	for i := range of.NumField() {
		f := of.Field(i)
		if f.Anonymous {
			names = append(names, fieldsOf(f.Type, within)...)
			continue
		}

		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, within+name)
		names = append(names, fieldsOf(f.Type, within+name+".")...)
	}

	return names
}
