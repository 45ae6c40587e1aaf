package protect_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/protect"
)

// Each trap is found at its line, with what mends it; and what is printed mends it.
func TestTraps(t *testing.T) {
	t.Parallel()

	rest, _ := protected(t, samREST, options())
	http := "Transform: AWS::Serverless-2016-10-31\nResources:\n  A:\n    Type: AWS::Serverless::HttpApi\n" +
		"  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Events:\n" +
		"        Get: {Type: HttpApi, Properties: {ApiId: !Ref A, Path: /x, Method: GET}}\n" +
		"        Rest: {Type: HttpApi, Properties: {ApiId: !Ref A}}\n"
	http, _ = protected(t, http, options())
	noLimits := func(o *protect.Options) { o.NoLimits = true }
	cached, _ := protected(t, samREST, options(func(o *protect.Options) { o.Cached = true }))

	for name, test := range map[string]struct {
		text     string
		old, new string
		change   func(*protect.Options)
		code     string
		line     string // is on the line of the finding
		stays    bool   // somebody else must mend it
	}{
		"a route without the authorizer": {
			text: rest, old: "      Events:\n", new: "      Events:\n        Open: {Type: Api, Properties: " +
				"{RestApiId: !Ref Other, Path: /a, Method: get}}\n",
			code: protect.CodeOpen, line: "Open: {Type",
		},
		"$default uncovered": {
			text: http, old: "        DefaultAuthorizer: Bitting\n", new: "",
			change: noLimits, code: protect.CodeDefault, line: "Rest: {Type",
		},
		"the cache on": {
			text: rest, old: "ReauthorizeEvery: 0", new: "ReauthorizeEvery: 60",
			code: protect.CodeCache, line: "          Bitting:",
		},
		"the cache on by default": {
			text: rest, old: "            Identity:\n              ReauthorizeEvery: 0\n", new: "",
			code: protect.CodeCache, line: "          Bitting:",
		},
		"the cache not said on an HTTP API": {
			text: http, old: "            Identity:\n              ReauthorizeEvery: 0\n", new: "",
			change: noLimits, code: protect.CodeCache, line: "          Bitting:",
		},
		"the cache on for too long": {
			text: cached, old: "ReauthorizeEvery: 300", new: "ReauthorizeEvery: 3000",
			change: func(o *protect.Options) { o.Cached = true },
			code:   protect.CodeCache, line: "          Bitting:",
		},
		"the cache not keyed on the address": {
			text: cached, old: "                - identity.sourceIp\n", new: "",
			change: func(o *protect.Options) { o.Cached = true },
			code:   protect.CodeCache, line: "          Bitting:", stays: true,
		},
		"preflights of CORS": {
			text: rest, old: "AddDefaultAuthorizerToCorsPreflight: false", new: "InvokeRole: NONE",
			code: protect.CodePreflight, line: "Cors:",
		},
		"preflights of an ANY route": {
			text: rest, old: "Method: OPTIONS", new: "Method: PUT",
			code: protect.CodePreflight, line: "        All:", stays: true,
		},
		"an OPTIONS route": {
			text: rest, old: "Path: /orders, Method: get}", new: "Path: /orders, Method: options}",
			code: protect.CodePreflight, line: "List: {Type",
		},
		"no payload version": {
			text: http, old: "            AuthorizerPayloadFormatVersion: \"2.0\"\n", new: "",
			change: noLimits, code: protect.CodePayload, line: "          Bitting:",
		},
		"a payload version that is a number": {
			text: http, old: `"2.0"`, new: "2.0",
			change: noLimits, code: protect.CodePayload, line: "          Bitting:", stays: true,
		},
		"an HTTP API without 429": {
			text: http, old: "Method: GET", new: "Method: PUT",
			code: protect.CodeNo429, line: "Get: {Type", stays: true,
		},
		"no invoke permission": {
			text: http, old: "EnableFunctionDefaultPermissions: true", new: "EnableFunctionDefaultPermissions: false",
			change: noLimits, code: protect.CodeInvoke, line: "          Bitting:",
		},
		"another name": {
			text: rest, old: "bittingApi: orders", new: "other: orders",
			code: protect.CodeName, line: "  OrdersApi:",
		},
		"a TOKEN authorizer": {
			text: rest, old: "            FunctionPayloadType: REQUEST\n", new: "",
			code: protect.CodeToken, line: "          Bitting:",
		},
		"no usage plan": {
			text: rest, old: "AWS::ApiGateway::UsagePlanKey", new: "AWS::ApiGateway::ClientCertificate",
			code: protect.CodeNo429, line: "List: {Type", stays: true,
		},
		"a route that wants no key": {
			text: rest, old: "Path: /orders, Method: get}", new: "Path: /orders, Method: get, " +
				"Auth: {ApiKeyRequired: false}}",
			code: protect.CodeNo429, line: "List: {Type", stays: true,
		},
		"an open route that wants a key": {
			text: rest, old: "Auth: {Authorizer: NONE, ApiKeyRequired: false}}}", new: "Auth: {Authorizer: NONE}}}",
			code: protect.CodeKey, line: "Health: {Type",
		},
		"no gateway responses": {
			text: rest, old: "        ACCESS_DENIED:\n", new: "        WAF_FILTERED:\n",
			code: protect.CodeResponses, line: "  OrdersApi:",
		},
		"an authorizer that is computed": {
			text: rest, old: "Path: /orders, Method: get}", new: "Path: /orders, Method: get, " +
				"Auth: {Authorizer: !Ref Which}}",
			code: protect.CodeUnread, line: "List: {Type", stays: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o := options()
			if test.change != nil {
				test.change(&o)
			}

			text := strings.Replace(test.text, test.old, test.new, 1)
			if text == test.text {
				t.Fatalf("there is no %q in\n%s", test.old, text)
			}

			if name == "a route without the authorizer" {
				text = strings.Replace(text, "\nResources:\n", "\nResources:\n  Other: {Type: "+
					"AWS::Serverless::Api, Properties: {StageName: a}}\n", 1)
			}

			findings, _, err := read(t, text).Check(o)
			if err != nil {
				t.Fatal(err)
			}

			i := slices.IndexFunc(findings, func(f protect.Finding) bool { return f.Code == test.code })
			if i < 0 {
				t.Fatalf("found %+v, want %s", findings, test.code)
			}

			line := strings.Split(text, "\n")[findings[i].Line-1]
			if !strings.Contains(line, test.line) || findings[i].Mend == "" {
				t.Errorf("found %+v on the line %q, want %q", findings[i], line, test.line)
			}

			mended, _, err := read(t, text).Protect(o)
			if err != nil {
				t.Fatal(err)
			}

			if left := codes(t, mended, o); (len(left) > 0) != test.stays {
				t.Errorf("after bitting protect: found %q, in\n%s", left, mended)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	text, _ := protected(t, samREST, options())

	catalogue := []permission.Permission{{
		Name: "orders:read",
		Routes: []permission.Route{
			{API: "orders", Method: "GET", Path: "/orders/{orderId}"}, // by /{proxy+}
			{API: "orders", Method: "GET", Path: "/"},
			{API: "other", Method: "GET", Path: "/orders"},
		},
	}}

	var got []string
	for _, f := range read(t, text).Compare(options(), catalogue) {
		got = append(got, f.Code+": "+f.Message)
	}

	want := []string{
		"no-permission: GET /orders of orders is in no permission: each call gets 403",
		"no-route: the permission orders:read opens GET /, which orders does not have",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	catalogue[0].Routes = []permission.Route{{API: "*", Method: "ANY", Path: "/orders"}, {
		API: "orders", Method: "POST", Path: "/a/{rest+}",
	}}
	if found := read(t, text).Compare(options(), catalogue); len(found) > 0 {
		t.Errorf("found %+v", found)
	}
}

func TestAnswers429(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()

	for name, text := range map[string]string{
		"guarded/main.go":            `import "github.com/bitting-keys/bitting/pkg/guard"`,
		"own/src/app.py":             `if context["limited"] == "true": return {"statusCode": 429}`,
		"bare/index.js":              "exports.handler = async () => ({statusCode: 200})",
		"bare/node_modules/x/a.js":   "limited 429",
		"bare/README.md":             "limited 429",
		"elsewhere/limited/index.ts": "return 429",
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}

		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	answers := protect.Answers429(folder)
	for uri, want := range map[string]bool{
		"guarded": true, "own": true, "own/src/app.py": true, "bare": false, "elsewhere": false,
		"missing": false, "": false, "s3://bucket/code.zip": false,
	} {
		if got := answers(uri); got != want {
			t.Errorf("%q: %v, want %v", uri, got, want)
		}
	}
}

func TestKeyed(t *testing.T) {
	t.Parallel()

	if routes, _, err := read(t, implicit).Keyed("shop"); err == nil {
		t.Errorf("two APIs, none of them shop: %v", routes)
	}

	routes, notes, err := read(t, samREST).Keyed("shop")
	if err != nil {
		t.Fatal(err)
	}

	var got []string
	for _, r := range routes {
		got = append(got, r.String())
	}

	if diff := cmp.Diff([]string{"GET /orders", "ANY /{proxy+}"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	has(t, strings.Join(notes, "\n"), "GET /health wants none of Bitting's keys")
}
