package adminapi_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/local"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/localiam"
	"github.com/bitting-keys/bitting/pkg/localstore"
)

// machine runs the whole of it for all tests; each test has an organization of its own there.
// behind is the environment of its functions.
var (
	machine *localtest.Machine
	behind  map[string]string
	roles   *localiam.Roles
)

func database() (*localstore.Server, error) {
	binary, err := localstore.Find(".")
	if err != nil {
		return nil, err
	}

	return localstore.Start(context.Background(), binary, "", io.Discard)
}

func TestMain(m *testing.M) { os.Exit(withMachine(m)) }

func withMachine(m *testing.M) (code int) {
	data, err := os.MkdirTemp("", "adminapi-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}

	defer func() { _ = os.RemoveAll(data) }()

	server, err := database()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}

	defer func() { _ = server.Stop() }()
	behind = map[string]string{
		"BITTING_CORE_TABLE":        "Core",
		"BITTING_HOT_TABLE":         "Hot",
		"BITTING_LOCAL_KEYS":        filepath.Join(data, "keys"),
		"AWS_ENDPOINT_URL_DYNAMODB": server.URL,
		"AWS_REGION":                "us-east-1",
		"AWS_ACCESS_KEY_ID":         "local",
		"AWS_SECRET_ACCESS_KEY":     "local",
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

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
			Roles:    func(r *localiam.Roles) { roles = r },
		})
	}()

	if machine, err = localtest.Wait(ctx, data, ended); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}

	document, err := newContract()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}

	machine.Look = document.look

	code = m.Run()
	if never := document.missing(); len(never) > 0 && code == 0 {
		fmt.Fprintln(os.Stderr, "declared in the OpenAPI document, and in no answer:\n\t"+
			strings.Join(never, "\n\t"))
		code = 1
	}

	if err := heldToRoles(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}

	if err := machine.LeakInLog(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}

	stop()

	if err := <-ended; err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}

	return code
}

// tenant is an organization with an admin key that holds all that one may.
type tenant struct {
	id    string
	keys  string // the path of its keys
	admin localtest.Client
	first localtest.Made // its default key
}

func adminPermissions() []string {
	return []string{
		"keys:read", "keys:write", "keys:rotate", "keys:revoke", "usage:read", "history:read",
		"members:write", "organization:write",
	}
}

func newTenant(t testing.TB) tenant {
	t.Helper()
	o := tenant{id: "t-" + strings.ToLower(rand.Text())}
	o.keys = "/v1/organizations/" + o.id + "/keys"
	machine.Operator().Call(t, http.MethodPost, "/v1/organizations", map[string]any{
		"id":         o.id,
		"name":       t.Name(),
		"firstAdmin": "a@example.test",
	}).
		Want(t, http.StatusCreated).Into(t, &o.first)

	o.admin = machine.As(machine.Operator().CreateKey(t, o.id, map[string]any{
		"name":        "Admin",
		"environment": "production",
		"permissions": adminPermissions(),
		"grantable":   "catalogue",
	}).Secret)
	for _, customer := range []string{"c1", "c2", "c3", "c.2", "ok"} {
		o.admin.Call(t, http.MethodPost, "/v1/organizations/"+o.id+"/customers", map[string]any{
			"id":   customer,
			"name": customer,
		}).Want(t, http.StatusCreated)
	}

	return o
}

// with makes an admin key of the tenant, and returns a client with it.
func (o tenant) with(t testing.TB, fields map[string]any) localtest.Client {
	t.Helper()
	return machine.As(machine.Operator().CreateKey(t, o.id, merged(map[string]any{
		"name":        "Some admin",
		"environment": "production",
	}, fields)).Secret)
}

// key makes a key of the tenant.
func (o tenant) key(t *testing.T, fields map[string]any) localtest.Made {
	t.Helper()
	return o.admin.CreateKey(t, o.id, merged(map[string]any{
		"name":        "A key",
		"environment": "production",
	}, fields))
}

func merged(fields, more map[string]any) map[string]any {
	for name, value := range more {
		fields[name] = value
	}

	return fields
}

// lastUse is what is written of a key beside the calls that it makes.
var lastUse = regexp.MustCompile(`"lastUsed":(null|\{[^}]*\})`)

// all is the whole of the tenant's list, to see whether something changed.
func (o tenant) all(t *testing.T) string {
	t.Helper()
	return lastUse.ReplaceAllString(string(machine.Operator().Call(t, http.MethodGet,
		o.keys+"?status=all&limit=200", nil).Want(t, http.StatusOK).Body), "")
}

// page reads a page of a list.
func page(t *testing.T, c localtest.Client, path string) (names []string, next string) {
	t.Helper()
	var p struct {
		Items      []localtest.Key
		NextCursor *string
	}
	c.Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK).Into(t, &p)

	for _, k := range p.Items {
		names = append(names, k.Name)
	}

	if p.NextCursor != nil {
		next = *p.NextCursor
	}

	return names, next
}

// wrong is a call that must be refused without any trace.
type wrong struct {
	method, path string // a path may have {keys}, {key} and {other}
	body         any
	headers      []string
	status       int
	code         string
	locations    []string // the wrong fields, in any order
}

// refuseAll makes the calls one after the other, and looks at the tenant's keys after each.
func refuseAll(
	t *testing.T, o tenant, k localtest.Made, as localtest.Client, calls map[string]wrong,
) {
	t.Helper()
	before := o.all(t)

	paths := strings.NewReplacer("{keys}", o.keys, "{key}", o.keys+"/"+k.Key.ID)
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			p := as.Call(t, call.method, paths.Replace(call.path), call.body,
				call.headers...).Refused(t, call.status, call.code)
			got := p.Locations()
			slices.Sort(got)
			slices.Sort(call.locations)

			if diff := cmp.Diff(call.locations, got); diff != "" {
				t.Errorf("locations (-want +got):\n%s\n%+v", diff, p)
			}

			if p.Detail == "" || !strings.HasSuffix(p.Detail, ".") {
				t.Errorf("detail %q is no sentence", p.Detail)
			}

			if after := o.all(t); after != before {
				t.Errorf("a refused call changed something (-before +after):\n%s",
					cmp.Diff(before, after))
			}
		})
	}
}

// decoded reads any JSON.
func decoded(t *testing.T, text []byte) map[string]any {
	t.Helper()

	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}

	return v
}
