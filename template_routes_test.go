package bitting_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// route is an API's method and path, and whether a caller needs a key.
type route struct {
	Method, Path string
	Open         bool
}

// routes returns the routes of an API, sorted.
func routes(resources map[string]resource, api string) []route {
	var found []route
	for _, r := range resources {
		events, _ := r.Properties["Events"].(map[string]any)
		for _, event := range events {
			p := at(event, "Properties")
			if at(p, "RestApiId") != api && at(p, "ApiId") != api {
				continue
			}

			found = append(found, route{
				at(p, "Method").(string), at(p, "Path").(string),
				at(p, "Auth", "Authorizer") == "NONE",
			})
		}
	}

	slices.SortFunc(found, func(a, b route) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return found
}

func TestDemoAPIsHaveTheSameRoutes(t *testing.T) {
	t.Parallel()
	want := []route{
		{"GET", "/customers", false},
		{"GET", "/customers/{customerId}", false},
		{
			"GET", "/customers/{customerId}/secrets", false,
		},
		{"POST", "/deployments", false},
		{"GET", "/health", true},
		{"GET", "/licenses", false},
		{"POST", "/licenses", false},
		{
			"DELETE", "/licenses/{licenseId}", false,
		},
		{"GET", "/messages", false},
		{"POST", "/messages", false},
		{"GET", "/messages/{messageId}", false},
		{"GET", "/metrics", false},
		{"GET", "/metrics/{proxy+}", false},
		{"POST", "/telemetry", false},
		{"POST", "/telemetry/batch", false},
	}

	resources := read(t)
	for _, environment := range environments {
		for _, api := range []string{
			"Demo" + capital(environment), "DemoHttp" + capital(environment),
		} {
			if diff := cmp.Diff(want, routes(resources, api)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", api, diff)
			}
		}
	}
}

func TestAdminAPIIsClosedButForPagesWhoAmIAndLeaks(t *testing.T) {
	t.Parallel()
	got := slices.DeleteFunc(routes(read(t), "AdminApi"), func(r route) bool { return !r.Open })

	want := []route{
		{"ANY", "/console", true},
		{"ANY", "/console/{proxy+}", true},
		{"ANY", "/v1/docs", true},
		{"ANY", "/v1/leaks", true},
		{"ANY", "/v1/leaks/github", true},
		{"ANY", "/v1/openapi.json", true},
		{"ANY", "/v1/whoami", true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes without authorizer (-want +got):\n%s", diff)
	}
}

// What API Gateway itself answers is for pages of other origins at the demo's APIs, and not at the
// admin API. SAM adds what is common to all APIs to what is one's own.
func TestWhatPagesOfOtherOriginsMayRead(t *testing.T) {
	t.Parallel()

	resources := translate(t, nil)
	for api, open := range map[string]bool{
		"AdminApi": false, "DemoProduction": true, "DemoStaging": true, "DemoDevelopment": true,
	} {
		responses, _ := at(resources, api, "Properties", "Body",
			"x-amazon-apigateway-gateway-responses").(map[string]any)
		if len(responses) == 0 {
			t.Errorf("%s has no responses of its own", api)
		}

		for kind, response := range responses {
			parameters, _ := at(response, "responseParameters").(map[string]any)

			allowed := false
			for name, value := range parameters {
				header, _ := strings.CutPrefix(name, "gatewayresponse.header.")
				if strings.HasPrefix(header, "Access-Control-") {
					allowed = allowed || at(value, "Ref") != "AWS::NoValue"
				}
			}

			if allowed != open {
				t.Errorf("%s, %s: a page of another origin may read it: %t", api, kind, allowed)
			}
		}
	}
}

// SAM decides by the parameter Profile which authorizer the demo's routes use, and so whether API
// Gateway caches: what it makes of the template is what counts.
func TestProfileChoosesAPIGatewaysCache(t *testing.T) {
	t.Parallel()
	type authorizer struct {
		TTL    float64 `json:"authorizerResultTtlInSeconds"`
		Source string  `json:"identitySource"`
	}

	tests := map[string]struct {
		parameters []string
		want       authorizer
	}{
		"strict": {[]string{"Profile=strict"}, authorizer{}},
		"fast":   {[]string{"Profile=fast"}, authorizer{}},
		"cached": {
			[]string{"Profile=cached", "KeyLimits=off"},
			authorizer{
				300,
				"method.request.header.X-Api-Key, context.httpMethod, context.path, " +
					"context.identity.sourceIp",
			},
		},
		"cached, by Authorization": {
			[]string{"Profile=cached", "KeyLimits=off", "KeyHeader=Authorization"},
			authorizer{
				300,
				"method.request.header.Authorization, context.httpMethod, context.path, " +
					"context.identity.sourceIp",
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			resources := translate(t, test.parameters)
			for _, environment := range environments {
				body := at(resources, "Demo"+capital(environment), "Properties", "Body")
				post := at(chosen(at(chosen(at(body, "paths", "/messages")), "post")), "security")

				var used []string
				for _, requirement := range list(post) {
					for scheme := range requirement.(map[string]any) {
						used = append(used, scheme)
					}
				}

				if len(used) != 2 || used[1] != "api_key" {
					t.Fatalf("%s: POST /messages requires %v, want an authorizer and an API key",
						environment, used)
				}

				var got authorizer
				recode(t,
					at(body, "components", "securitySchemes", used[0],
						"x-amazon-apigateway-authorizer"), &got)

				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", environment, diff)
				}
			}
		})
	}
}

// chosen looks through the condition that SAM puts around what belongs to a conditional API.
func chosen(value any) any {
	if branches := list(at(value, "Fn::If")); len(branches) == 3 {
		return branches[1]
	}

	return value
}

// recode reads a decoded value into a struct.
func recode(t *testing.T, from, into any) {
	t.Helper()

	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, into)
	}

	if err != nil {
		t.Fatal(err)
	}
}

// translate returns the resources that SAM makes of the template.
func translate(t *testing.T, parameters []string) any {
	t.Helper()

	const python = ".tools/venv/bin/python"
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("SAM is not installed here: run `make validate` once, or the tests by `make "+
			"test` (%v)", err)
	}

	command := exec.CommandContext(t.Context(), python, append([]string{
		"tools/sam-translate.py", "template.yaml",
	}, parameters...)...)

	text, err := command.Output()
	if err != nil {
		t.Fatalf("translate: %v", err)
	}

	var translated map[string]any
	if err := json.Unmarshal(text, &translated); err != nil {
		t.Fatal(err)
	}

	return translated["Resources"]
}
