package adminapi_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/proxy"
	"github.com/bitting-keys/bitting/pkg/usage"
)

const day = 24 * time.Hour

// timed is the functions of the machine's deployment by a clock of the test's, with a key of the
// tenant's.
type timed struct {
	tenant
	mu        sync.Mutex
	now       time.Time
	waited    []time.Duration // what was waited for, instead
	source    string          // the address that calls come from: its own, since there are limits
	requestID string          // what its calls have behind r1
	adminID   string
	functions map[adminapi.Group]*proxy.Function
	gate      *authorizer.Authorizer // of the demo API in production
	checker   *check.Checker
	recorder  *usage.Recorder
	key       localtest.Key
	path      string
	secrets   []string // the key's, oldest first
}

func newTimed(t *testing.T, fields map[string]any) *timed {
	t.Helper()
	o := &timed{
		tenant:    newTenant(t),
		now:       time.Now().UTC().Truncate(time.Millisecond).Add(time.Second),
		functions: map[adminapi.Group]*proxy.Function{},
	}
	o.another()
	o.adminID = machine.Operator().CreateKey(t, o.id, map[string]any{
		"name":        "Admin",
		"environment": "production",
		"permissions": adminPermissions(),
		"grantable":   "catalogue",
	}).Key.ID
	variables := maps.Clone(behind)
	variables["BITTING_API"] = "demo"
	variables["BITTING_ENVIRONMENT"] = "production"

	for _, group := range []adminapi.Group{
		adminapi.GroupKeys, adminapi.GroupRotation, adminapi.GroupRevocation, adminapi.GroupUsage,
	} {
		o.functions[group] = adminapi.Function(o.deployment(t, behind), group)
	}

	demo := o.deployment(t, variables)
	o.gate = authorizer.Function(demo.Deployment, nil)
	o.checker = demo.Checker
	o.recorder = demo.Recorder
	made := o.tenant.key(t, merged(map[string]any{
		"permissions": []string{"messages:read"},
	}, fields))
	o.key = made.Key
	o.path = o.keys + "/" + made.Key.ID
	o.secrets = []string{made.Secret}

	// what was made so far was made by the machine's clock, however long that took
	o.now = time.Now().UTC().Truncate(time.Millisecond).Add(time.Second)
	return o
}

func (o *timed) deployment(t *testing.T, variables map[string]string) *full.Deployment {
	t.Helper()

	d, err := full.Load(boot.Of(variables), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}

	clock := func() time.Time {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.now
	}
	d.Now = clock
	d.Checker.Now = clock
	d.Wait = func(_ context.Context, d time.Duration) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.waited = append(o.waited, d)
	}
	return d
}

func (o *timed) advance(d time.Duration) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = o.now.Add(d)
	return o.now
}

// call invokes a function as its API Gateway does, once the authorizer has let the admin key pass.
func (o *timed) call(
	t *testing.T, group adminapi.Group, method, path, body string, headers ...string,
) (status int, answer map[string]any) {
	t.Helper()

	sent := map[string]any{"Content-Type": "application/json"}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		sent[name] = value
	}

	event, err := json.Marshal(map[string]any{
		"httpMethod": method,
		"path":       path,
		"headers":    sent,
		"body":       body,
		"requestContext": map[string]any{
			"requestId":  "r1",
			"authorizer": map[string]any{"keyId": o.adminID, "environment": "production"},
			"identity":   map[string]any{"sourceIp": o.source},
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	out := invoked(t, o.functions[group], event)
	return out.Status, decoded(t, []byte(out.Body))
}

// response is what a function answers to its API Gateway.
type response struct {
	Status  int                 `json:"statusCode"`
	Headers map[string][]string `json:"multiValueHeaders"`
	Body    string              `json:"body"`
}

func invoked(t *testing.T, f *proxy.Function, event []byte) response {
	t.Helper()

	text, err := f.Invoke(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}

	var out response
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}

	return out
}

// renew rotates or regenerates the key, and remembers its new secret.
func (o *timed) renew(t *testing.T, how, body string) map[string]any {
	t.Helper()

	status, answer := o.call(t, adminapi.GroupRotation, http.MethodPost, o.path+how, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s: %d %v", how, body, status, answer)
	}

	o.secrets = append(o.secrets, answer["secret"].(string))
	rotation, _ := answer["key"].(map[string]any)["rotation"].(map[string]any)
	return rotation
}

// opens tells which secrets the demo API takes for keys, whatever they may do there.
func (o *timed) opens(t *testing.T, secrets ...string) []bool {
	t.Helper()

	event, err := os.ReadFile(filepath.Join("..", "..", "events", "authorizer-rest-request.json"))
	if err != nil {
		t.Fatal(err)
	}

	var out []bool
	for _, secret := range secrets {
		_, err := o.gate.Invoke(t.Context(),
			[]byte(strings.ReplaceAll(string(event),
				"bt_prod_7Qm2Xb0aVd91KtZs_0123456789abcdefghijABCDEFGHIJKL3NOHGi", secret)))
		if err != nil && err.Error() != "Unauthorized" {
			t.Fatal(err)
		}

		out = append(out, err == nil)
	}

	o.gate.Flush()
	return out
}

// outcome is what the check says of a secret.
func (o *timed) outcome(t *testing.T, secret string) string {
	t.Helper()
	return string(o.checker.Authenticate(t.Context(), check.Headers{
		APIKey: []string{secret},
	}, netip.Addr{}).Outcome)
}
