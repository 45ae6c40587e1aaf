// Package examples_test runs the examples as their readers do: each template behind `bitting local`,
// with its backend in the backend's own runtime.
package examples_test

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// run runs a command in a folder to its end.
func run(t *testing.T, folder string, command ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), command[0], command[1:]...)
	c.Dir = folder

	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
}

// built fails where npm has not built the TypeScript examples. Nothing is skipped: else nothing
// would show that they work.
func built(t *testing.T) {
	t.Helper()

	for _, name := range []string{"node", "cdk"} {
		if _, err := os.Stat(filepath.Join(name, "build", ".built")); err != nil {
			t.Fatalf("run `make examples/%s/build/.built`, which `make test` does (%v)", name, err)
		}
	}
}

// start starts a server that prints its address as its first line, and stops it with the test.
func start(t *testing.T, folder string, command ...string) (address string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), command[0], command[1:]...)
	c.Dir = folder
	c.Stderr = os.Stderr

	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := c.Start(); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _, _ = c.Process.Kill(), c.Wait() })

	address, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(command, " "), err)
	}

	return strings.TrimSpace(address)
}

func TestBackendsInTheirOwnRuntimes(t *testing.T) {
	t.Parallel()
	built(t)
	run(t, "node", "node", "--test", "build/")
	run(t, "python", "python3", "-m", "unittest")

	for _, file := range []string{"node/bitting.ts", "python/bitting.py"} {
		text, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}

		if lines := strings.Count(string(text), "\n"); lines > 60 {
			t.Errorf("%s has %d lines", file, lines)
		}
	}
}

// response is a gateway response, as SAM writes it and as OpenAPI does.
type response struct {
	StatusCode int
	Headers    map[string]string
	Body       string
}

// The file to include says what the deployment's own APIs say.
func TestGatewayResponsesAreTheDeployments(t *testing.T) {
	t.Parallel()

	var own struct {
		Globals struct {
			API struct {
				GatewayResponses map[string]struct {
					StatusCode         int `yaml:"StatusCode"`
					ResponseParameters struct {
						Headers map[string]string `yaml:"Headers"`
					} `yaml:"ResponseParameters"`
					ResponseTemplates map[string]string `yaml:"ResponseTemplates"`
				} `yaml:"GatewayResponses"`
			} `yaml:"Api"`
		} `yaml:"Globals"`
	}

	var included map[string]struct {
		StatusCode         int                          `yaml:"statusCode"`
		ResponseParameters map[string]string            `yaml:"responseParameters"`
		ResponseTemplates  map[string]map[string]string `yaml:"responseTemplates"`
	}

	decode(t, "../template.yaml", &own)
	decode(t, "gateway-responses.yaml", &included)

	const docs = "https://github.com/bitting-keys/bitting/blob/main/docs/problems.md#"

	want, got := map[string]response{}, map[string]response{}
	for name, r := range own.Globals.API.GatewayResponses {
		want[name] = response{
			StatusCode: r.StatusCode,
			Headers:    r.ResponseParameters.Headers,
			Body:       r.ResponseTemplates["application/json"],
		}
	}

	for name, r := range included {
		body := r.ResponseTemplates["application/json"]["Fn::Sub"]
		headers := map[string]string{}

		for header, value := range r.ResponseParameters {
			headers[strings.TrimPrefix(header, "gatewayresponse.header.")] = value
		}

		got[name] = response{r.StatusCode, headers, strings.ReplaceAll(body, "${DocsUrl}", docs)}
	}

	if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
		t.Errorf("(-template.yaml +gateway-responses.yaml):\n%s", diff)
	}
}

// decode reads a YAML file whose tags are not all known.
func decode(t *testing.T, file string, into any) {
	t.Helper()

	text, err := os.ReadFile(filepath.FromSlash(file))
	if err != nil {
		t.Fatal(err)
	}

	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// A stranger who copies an example must have nothing of anybody's account in it.
func TestExamplesNameNoIDs(t *testing.T) {
	t.Parallel()

	files, err := filepath.Glob("*/*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}

	id := regexp.MustCompile(`\b\d{12}\b|arn:aws\b|\b[a-z0-9]{10}\.execute-api|bt_prod_`)
	for _, file := range append(files, "gateway-responses.yaml", "permissions.json", "README.md") {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}

		if info.IsDir() || filepath.Base(file) == "package-lock.json" {
			continue
		}

		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}

		if found := id.Find(text); found != nil {
			t.Errorf("%s has %q", file, found)
		}
	}
}

// example is how to run an example.
type example struct {
	template   string
	backend    string // node, python or go
	parameters []string
	http       bool // an HTTP API, which has no gateway responses
	page       bool // it has no route to change an order
}

func examples() map[string]example {
	return map[string]example{
		"REST API":     {template: "rest-api/template.yaml", backend: "node"},
		"HTTP API":     {template: "http-api/template.yaml", backend: "python", http: true},
		"own stack":    {template: "own-stack/template.yaml", backend: "go"},
		"three stages": {template: "three-stages/template.yaml", backend: "python"},
		"browser":      {template: "browser/template.yaml", backend: "node", http: true, page: true},
		"CDK": {
			template:   "cdk/cdk.out/Orders.template.json",
			backend:    "python",
			parameters: []string{"BootstrapVersion=21"},
		},
		"another account": {
			template: "another-account/template.yaml",
			backend:  "python",
			parameters: []string{
				"AdmitKeyValue=bitting-admitted-call-local",
				"Authorizer=arn:aws:lambda:us-east-1:210987654321:function:x",
			},
		},
		"custom domain": {
			template: "custom-domain/template.yaml",
			backend:  "node",
			parameters: []string{
				"DomainName=api.example.com",
				"Certificate=arn:aws:acm:us-east-1:123456789012:certificate/x",
			},
		},
	}
}

// The same callers get the same answers from every example: refused and admitted by the
// authorizer, refused in depth by the backend, and told who they are, to which API.
func TestEndToEndExamples(t *testing.T) {
	t.Parallel()
	built(t)

	bitting := filepath.Join(t.TempDir(), "bitting")
	run(t, "..", "go", "build", "-o", bitting, "./cmd/bitting")

	servers := map[string]string{
		"node":   start(t, "node", "node", "serve.js", "0"),
		"python": start(t, "python", "python3", "serve.py", "0"),
	}

	for name, e := range examples() {
		t.Run(name, func(t *testing.T) {
			m := e.run(t, bitting, servers[e.backend])
			e.tryKeys(t, m)
			e.tryLimits(t, m)

			if e.page {
				e.tryPage(t, m)
			}
		})
	}
}

// run starts `bitting local` with the example, and sets the examples' permissions.
func (e example) run(t *testing.T, bitting, lambda string) *localtest.Machine {
	t.Helper()
	file, data := filepath.FromSlash(e.template), t.TempDir()
	args := []string{"local", "--listen", "127.0.0.1:0", "--data", data, "--template"}

	if e.backend == "go" {
		// A copy, with what `sam build` makes of the backend: a process behind Lambda's runtime API.
		folder := t.TempDir()
		if err := os.CopyFS(filepath.Join(folder, "own"), os.DirFS(filepath.Dir(file))); err != nil {
			t.Fatal(err)
		}

		run(t, ".", "cp", "gateway-responses.yaml", folder)
		run(t, "..", "go", "build", "-o",
			filepath.Join(folder, "own", ".aws-sam", "build", "Backend", "bootstrap"), "./examples/go")

		args = append(args, filepath.Join(folder, "own", filepath.Base(file)))
	} else {
		args = append(args, filepath.Join("examples", file), "--lambda", lambda)
	}

	for _, p := range e.parameters {
		args = append(args, "--parameter", p)
	}

	// The context ends before the cleanups begin: killed, it would leave its DynamoDB stand-in behind.
	command := exec.CommandContext(t.Context(), bitting, args...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = time.Minute
	command.Dir = ".."

	var out strings.Builder

	command.Stdout, command.Stderr = &out, &out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}

	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()

	t.Cleanup(func() {
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("bitting local ended: %v", err)
		}
	})

	m, err := localtest.Wait(context.WithoutCancel(t.Context()), data, ended)
	if err != nil {
		ended <- nil
		t.Fatalf("%v\n%s", err, out.String())
	}

	t.Cleanup(m.Close)

	permissions, err := os.ReadFile("permissions.json")
	if err != nil {
		t.Fatal(err)
	}

	m.Operator().Call(t, http.MethodPut, "/v1/permissions", string(permissions)).Want(t,
		http.StatusOK)
	return m
}

// key creates a key of an environment.
func key(
	t *testing.T, m *localtest.Machine, environment string, limits []any, permissions ...string,
) localtest.Made {
	t.Helper()
	return m.Admin().CreateKey(t, "acme", map[string]any{
		"name":        "Shop",
		"environment": environment,
		"permissions": permissions,
		"rateLimits":  limits,
	})
}

// by is the caller in a backend's answer.
type by struct {
	By struct{ API, Key, Organization string }
}

func (e example) tryKeys(t *testing.T, m *localtest.Machine) {
	t.Helper()

	made := key(t, m, "production", []any{}, "orders:read")
	id, reader := made.Key.ID, m.As(made.Secret)
	staging := m.As(key(t, m, "staging", []any{}, "orders:read").Secret)

	var who by
	reader.Call(t, http.MethodGet, "/production/orders", nil).Want(t, http.StatusOK).Into(t, &who)

	if who.By.API != "orders" || who.By.Key != id || who.By.Organization != "acme" {
		t.Errorf("called by %+v, not by %s", who, id)
	}

	anybody := m.As("").Call(t, http.MethodGet, "/production/orders", nil)
	elsewhere := staging.Call(t, http.MethodGet, "/production/orders", nil)
	denied := reader.Call(t, http.MethodPost, "/production/orders", "{}")

	if e.http {
		anybody.Want(t, http.StatusUnauthorized)
		elsewhere.Want(t, http.StatusUnauthorized)
		denied.Want(t, http.StatusForbidden)
	} else {
		anybody.Refused(t, http.StatusUnauthorized, "invalid_key")
		elsewhere.Refused(t, http.StatusUnauthorized, "invalid_key")

		if p := denied.Refused(t, http.StatusForbidden, "permission_denied"); p.RequiredPermission !=
			"orders:write" {
			t.Errorf("the gateway asks for %q", p.RequiredPermission)
		}
	}

	if !strings.HasPrefix(e.template, "cdk/") { // its stage is production alone
		staging.Call(t, http.MethodGet, "/staging/orders", nil).Want(t, http.StatusOK)
	}

	var explained struct {
		Allowed bool
		Outcome string
	}

	m.Admin().Call(t, http.MethodPost, "/v1/organizations/acme/keys/"+id+"/explain", map[string]any{
		"method": "GET", "path": "/orders", "api": "orders",
	}).Want(t, http.StatusOK).Into(t, &explained)

	if !explained.Allowed {
		t.Errorf("explained as %+v", explained)
	}

	if e.page {
		return
	}

	changer := m.As(key(t, m, "production", []any{}, "orders:change").Secret)
	refunder := m.As(key(t, m, "production", []any{}, "orders:change", "orders:refund").Secret)

	changer.Call(t, http.MethodPatch, "/production/orders/7", "{}").Want(t, http.StatusOK)
	refunder.Call(t, http.MethodPatch, "/production/orders/7", `{"refund": true}`).Want(t,
		http.StatusOK)

	if p := changer.Call(t, http.MethodPatch, "/production/orders/7", `{"refund": true}`).Refused(t,
		http.StatusForbidden, "permission_denied"); p.RequiredPermission != "orders:refund" {
		t.Errorf("the backend asks for %q", p.RequiredPermission)
	}
}

// Over a limit, the gateway answers 429 where it can, and else the backend does, alike.
func (e example) tryLimits(t *testing.T, m *localtest.Machine) {
	t.Helper()

	limited := m.As(key(t, m, "production", []any{
		map[string]any{"name": "once", "limit": 1, "window": "1h"},
	}, "orders:write").Secret)
	limited.Call(t, http.MethodPost, "/production/orders", "{}").Want(t, http.StatusCreated)

	refused := limited.Call(t, http.MethodPost, "/production/orders", "{}")
	refused.Refused(t, http.StatusTooManyRequests, "rate_limited")

	if refused.Header.Get("Retry-After") == "" ||
		!strings.HasPrefix(refused.Header.Get("RateLimit"), `"once";r=0;t=`) {
		t.Errorf("the headers of a 429: %v", refused.Header)
	}
}

// A page may send its key, and read what it is told; the key does nothing but write.
func (e example) tryPage(t *testing.T, m *localtest.Machine) {
	t.Helper()
	made := key(t, m, "production", []any{}, "orders:write")
	page := m.As(made.Secret)

	preflight := m.As("").Call(t, http.MethodOptions, "/production/orders", nil,
		"Origin: https://shop.example.com", "Access-Control-Request-Method: POST",
		"Access-Control-Request-Headers: content-type,x-api-key")
	if preflight.Status/100 != 2 || preflight.Header.Get("Access-Control-Allow-Origin") != "*" ||
		!strings.Contains(strings.ToLower(preflight.Header.Get("Access-Control-Allow-Headers")),
			"x-api-key") {
		t.Errorf("preflight: %d %v", preflight.Status, preflight.Header)
	}

	placed := page.Call(t, http.MethodPost, "/production/orders", "{}",
		"Origin: https://shop.example.com").Want(t, http.StatusCreated)
	read := page.Call(t, http.MethodGet, "/production/orders", nil,
		"Origin: https://shop.example.com").Want(t, http.StatusForbidden)

	for _, a := range []localtest.Answer{placed, read} {
		if a.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: the page cannot read the answer: %v", a.Call, a.Header)
		}
	}

	// The page's own code, in a runtime with the same fetch.
	run(t, "browser", "node", "--input-type=module", "-e", `
		import { place } from "./order.js";
		const [url, key] = process.argv.slice(1);
		if (!(await place(url, key, { item: "tea" })).placed) throw new Error("not placed");
		await place(url, key + "x", {}).then(() => process.exit(1), (error) => {
			if (!error.message.includes("401")) throw error;
		});`, m.URL+"/production", made.Secret)
}
