package policy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
)

const stageARN = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/$default"

// TestDocument pins the form of a document: the routes that the key opens; then what is never a
// route, what the wildcard matches too much, and the neighbour that the key must not reach.
func TestDocument(t *testing.T) {
	t.Parallel()
	catalogue := newCatalogue(t, perm("users:read", "GET /users", "GET /users/{id}"),
		perm("users:me", "POST /users/me"))
	got := policy.Build(catalogue, "demo", grant("users:read"), callOf("GET /users/1"))

	want := policy.Policy{
		Scope: policy.WholeKey,
		Document: policy.Document{
			Version: "2012-10-17",
			Statement: []policy.Statement{
				{
					Action:   invoke,
					Effect:   "Allow",
					Resource: []string{stageARN + "/GET/users", stageARN + "/GET/users/*"},
				},
				{
					Action: invoke,
					Effect: "Deny",
					Resource: []string{
						stageARN + `/*%*`, stageARN + `/*;*`, stageARN + `/*:*`, stageARN + `/*\*`,
						stageARN + `/*#*`,
						stageARN + `/*//*`, stageARN + `/*/./*`, stageARN + `/*/../*`,
						stageARN + `/*/.`, stageARN + `/*/..`, stageARN + `/*/*/`,
						stageARN + "/GET/users/me", stageARN + "/GET/users/*/*",
					},
				},
			},
		},
	}

	want.JSON = want.Document.AppendJSON(nil)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	data, err := json.Marshal(policy.Only("arn:aws:execute-api:eu-west-1:1:a/prod/$connect"))
	if err != nil {
		t.Fatal(err)
	}

	text := `{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":["arn:aws:execute-api:eu-west-1:1:a/prod/$connect"]}]}`
	if diff := cmp.Diff(text, string(data)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestScope(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		routes    []string // of the permission that the key holds
		others    []string // of another one
		customers []string
		call      string
		want      policy.Scope
	}{
		"the wildcard is one segment": {
			[]string{"GET /a/{x}"},
			nil,
			nil,
			"GET /a/1",
			policy.WholeKey,
		},
		"a wildcard in the middle": {
			[]string{"GET /a/{x}/b"},
			nil,
			nil,
			"GET /a/1/b",
			policy.WholeKey,
		},
		"two wildcards": {
			[]string{"GET /a/{x}/b/{y}"},
			nil,
			nil,
			"GET /a/1/b/2",
			policy.WholeKey,
		},
		"adjacent wildcards": {
			[]string{"GET /{x}/{y}"},
			nil,
			nil,
			"GET /1/2",
			policy.WholeKey,
		},
		"a literal is another's": {
			[]string{"GET /a/{x}"},
			[]string{"GET /a/me"},
			nil,
			"GET /a/1",
			policy.WholeKey,
		},
		"a literal has another method": {
			[]string{"GET /a/{x}"},
			[]string{"POST /a/me"},
			nil,
			"GET /a/1",
			policy.WholeKey,
		},
		"a part of a tail is another's": {
			[]string{"GET /{p+}"},
			[]string{"GET /a/b/{p+}"},
			nil,
			"GET /a/1",
			policy.WholeKey,
		},
		"its own tail next to a parameter": {
			[]string{"GET /a/{x}", "GET /a/{p+}"},
			nil,
			nil,
			"GET /a/1",
			policy.WholeKey,
		},
		"ANY but for one method": {
			[]string{"ANY /a/{x}"},
			[]string{"GET /a/{x}"},
			nil,
			"POST /a/1",
			policy.WholeKey,
		},
		"the root": {
			[]string{"GET /"},
			nil,
			nil,
			"GET /",
			policy.WholeKey,
		},
		"one of the customers": {
			[]string{"GET /c/{customerId}", "GET /c/{customerId}/x"},
			nil,
			[]string{"1", "2"},
			"GET /c/1",
			policy.WholeKey,
		},
		"a customer with a literal's name": {
			[]string{"GET /c/{customerId}"},
			[]string{"GET /c/me"},
			[]string{"me", "1"},
			"GET /c/1",
			policy.WholeKey,
		},
		"an invalid customer id": {
			[]string{"GET /c/{customerId}"},
			nil,
			[]string{"1", "*", "no/id"},
			"GET /c/1",
			policy.WholeKey,
		},
		"a literal like no other": {
			[]string{"GET /a/{x}"},
			[]string{"GET /a/~"},
			nil,
			"GET /a/1",
			policy.WholeKey,
		},
		"a route under a parameter": {
			[]string{"GET /a/{x}", "GET /a/{x}/b"},
			nil,
			nil,
			"GET /a/1",
			policy.OneRoute,
		},
		"a route under a parameter, called": {
			[]string{"GET /a/{x}", "GET /a/{x}/b"},
			nil,
			nil,
			"GET /a/1/b",
			policy.OneRoute,
		},
		"a parameter in another's tail": {
			[]string{"GET /{p+}", "GET /b"},
			[]string{"GET /a/{x}"},
			nil,
			"GET /b",
			policy.OneRoute,
		},
		"a parameter in another's tail, tail": {
			[]string{"GET /{p+}"},
			[]string{"GET /a/{x}"},
			nil,
			"GET /b/c",
			policy.OneCall,
		},
		"a customer's and everybody's": {
			[]string{"GET /{p+}", "GET /c/{customerId}"},
			nil,
			[]string{"1"},
			"GET /c/1",
			policy.OneRoute,
		},
		"a wildcard before a tail": {
			[]string{"GET /a/{x}/b/{p+}"},
			nil,
			nil,
			"GET /a/1/b/2",
			policy.OneCall,
		},
		"a customer's tail, and another's": {
			[]string{"GET /c/{customerId}/{p+}"},
			[]string{"GET /c/{customerId}/s"},
			[]string{"42"},
			"GET /c/42/a",
			policy.WholeKey,
		},
		"the same for two customers": {
			[]string{"GET /c/{customerId}/{p+}"},
			[]string{"GET /c/{customerId}/s/{p+}"},
			[]string{"42", "43"},
			"GET /c/43/a/s/b",
			policy.WholeKey,
		},
		"the same for everybody": {
			[]string{"GET /c/{customerId}/{p+}"},
			[]string{"GET /c/{customerId}/s"},
			nil,
			"GET /c/42/a",
			policy.OneCall,
		},
		"an escape": {
			[]string{"GET /a/{x}"},
			nil,
			nil,
			"GET /a/b%20c",
			policy.OneCall,
		},
		"a semicolon": {
			[]string{"GET /a/{x}"},
			nil,
			nil,
			"GET /a/b;c",
			policy.OneCall,
		},
		"a colon": {
			[]string{"GET /a/{x}"},
			nil,
			nil,
			"GET /a/b:c",
			policy.OneCall,
		},
		"a colon in a literal": {
			[]string{"GET /a/{x}", "GET /a/b:c"},
			nil,
			nil,
			"GET /a/b:c",
			policy.OneCall,
		},
		"next to a colon in a literal": {
			[]string{"GET /a/{x}"},
			[]string{"GET /a/b:c"},
			nil,
			"GET /a/1",
			policy.WholeKey,
		},
		"a slash at the end": {
			[]string{"GET /a/{x}"},
			nil,
			nil,
			"GET /a/b/",
			policy.OneCall,
		},
		"an escape and a wildcard": {
			[]string{"GET /a/{x}"},
			nil,
			nil,
			"GET /a/b%20*",
			policy.Nothing,
		},
		"a wildcard": {
			[]string{"GET /a/{x}"},
			nil,
			nil,
			"GET /a/b*",
			policy.WholeKey,
		},
		"a wildcard in the called path": {
			[]string{"GET /a/{x}/b/{p+}"},
			nil,
			nil,
			"GET /a/1/b/*",
			policy.Nothing,
		},
		"a single character of any kind": {
			[]string{"GET /a/{x}/b/{p+}"},
			nil,
			nil,
			"GET /a/1/b/?",
			policy.Nothing,
		},
		"a policy variable in the called path": {
			[]string{"GET /a/{x}/b/{p+}"},
			nil,
			nil,
			"GET /a/1/b/${aws:username}",
			policy.Nothing,
		},
		"not ASCII": {
			[]string{"GET /a/{x}/b/{p+}"},
			nil,
			nil,
			"GET /a/1/b/\xff",
			policy.Nothing,
		},
		"an unclean path": {
			[]string{"GET /a/{x}/b/{p+}"},
			nil,
			nil,
			"GET /a/1/b/..",
			policy.Nothing,
		},
		"a refused call": {[]string{"GET /a/{x}/b/{p+}"}, nil, nil, "GET /a/1", policy.Nothing},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			catalogue := newCatalogue(t, perm("held:x", tt.routes...),
				perm("other:x", tt.others...))
			g := permission.Grant{Permissions: []string{"held:x"}, Customers: tt.customers}

			got := policy.Build(catalogue, "demo", g, callOf(tt.call))
			if got.Scope != tt.want {
				t.Errorf("scope %d, want %d: %s", got.Scope, tt.want, marshal(t, got.Document))
			}

			if opens(t, marshal(t, got.Document), callOf(tt.call)) != (tt.want != policy.Nothing) {
				t.Errorf("the call: %s", marshal(t, got.Document))
			}
		})
	}
}

// TestOneRouteIsOneCustomer shows that a document of one route opens no other customer, even one
// that the key may serve too, which bounds its size.
func TestOneRouteIsOneCustomer(t *testing.T) {
	t.Parallel()
	catalogue := newCatalogue(t, perm("c:x", "GET /c/{customerId}"))

	g := permission.Grant{All: true}
	for i := range 1000 {
		g.Customers = append(g.Customers, fmt.Sprintf("customer-%d", i))
	}

	got := policy.Build(catalogue, "demo", g, callOf("GET /c/customer-999"))
	if got.Scope != policy.OneRoute {
		t.Fatalf("scope %d", got.Scope)
	}

	document := marshal(t, got.Document)
	for path, want := range map[string]bool{
		"/c/customer-999":   true,
		"/c/customer-999/":  false,
		"/c/customer-9":     false,
		"/c/customer-999/x": false,
	} {
		if opens(t, document, stage("GET", path)) != want {
			t.Errorf("%s: not %t", path, want)
		}
	}
}

// TestDenialSparesRoot shows that a denial of one wildcard, which matches the root too, is not used
// by a key that may call the root.
func TestDenialSparesRoot(t *testing.T) {
	t.Parallel()
	catalogue := newCatalogue(t, perm("held:x", "GET /", "GET /{customerId}"),
		perm("other:x", "GET /c1"))
	g := permission.Grant{Permissions: []string{"held:x"}, Customers: []string{"c1"}}

	got := policy.Build(catalogue, "demo", g, callOf("GET /"))
	if got.Scope != policy.WholeKey {
		t.Errorf("scope %d", got.Scope)
	}

	data := marshal(t, got.Document)
	for call, want := range map[string]bool{"GET /": true, "GET /c1": false, "GET /c2": false} {
		if opens(t, data, callOf(call)) != want {
			t.Errorf("%s: %t in %s", call, !want, data)
		}
	}
}

// TestManyCustomersAreCheap shows that a document that cannot fit is given up before it is made.
// Not parallel, since it counts allocations.
func TestManyCustomersAreCheap(t *testing.T) {
	catalogue := newCatalogue(t, perm("c:x", "GET /c/{customerId}"))

	g := permission.Grant{All: true}
	for i := range 20_000 {
		g.Customers = append(g.Customers, fmt.Sprintf("customer-%d", i))
	}

	allocations := testing.AllocsPerRun(1, func() {
		policy.Build(catalogue, "demo", g, callOf("GET /c/customer-7"))
	})
	if allocations > 2000 {
		t.Errorf("%.0f allocations for a document of one customer", allocations)
	}
}

// TestResourceLimit shows that 512 characters are accepted, and 513 are not. The longest resource
// is a denial.
func TestResourceLimit(t *testing.T) {
	t.Parallel()

	catalogue := newCatalogue(t, perm("a:x", "GET /"))
	for length, want := range map[int]policy.Scope{
		511: policy.WholeKey,
		512: policy.WholeKey,
		513: policy.OneCall,
		514: policy.OneCall,
		515: policy.Nothing,
	} {
		call := stage("GET", "/")
		call.Stage = strings.Repeat("s",
			length-len(call.String())-len("*/../*")+len("GET/")+len(call.Stage))

		got := policy.Build(catalogue, "demo", grant("a:x"), call)
		if got.Scope != want {
			t.Errorf("%d characters: scope %d, want %d", length, got.Scope, want)
		}

		if opens(t, marshal(t, got.Document), call) != (want != policy.Nothing) {
			t.Errorf("%d characters: %s", length, marshal(t, got.Document))
		}

		if opens(t, marshal(t, policy.Refuse(got.Document, call.String())), call) {
			t.Errorf("%d characters: refused, but open", length)
		}
	}
}

// TestDocumentLimit adds customers until the whole key no longer fits.
func TestDocumentLimit(t *testing.T) {
	t.Parallel()
	catalogue := newCatalogue(t, perm("c:x", "GET /c/{customerId}"))
	g := permission.Grant{All: true}
	const limit = 8<<10 - 1536

	last := 0
	for i := range 1000 {
		g.Customers = append(g.Customers, fmt.Sprintf("customer-%04d", i))
		call := callOf("GET /c/customer-0000")

		got := policy.Build(catalogue, "demo", g, call)
		if got.Scope == policy.OneRoute {
			step := len(stageARN+"/GET/c/customer-0000") + 3
			if last > limit || last < limit-step {
				t.Errorf("the last document of the whole key has %d bytes", last)
			}

			return
		}

		last = len(marshal(t, got.Document))
		if opens(t, marshal(t, policy.Refuse(got.Document, call.String())), call) {
			t.Errorf("%d customers: refused, but open", i)
		}
	}

	t.Error("a document of a thousand customers was made")
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	catalogue := demo(t)
	whole := policy.Build(catalogue, "demo", grant("messages:read"),
		callOf("GET /messages/1")).Document
	before := marshal(t, whole)

	tests := map[string]struct {
		call  string
		other bool // whether the key's other calls stay open
	}{
		"an open path":        {"GET /messages/1", true},
		"a trailing slash":    {"GET /messages/1/", true},
		"an escape":           {"GET /messages/a%20b", true},
		"a dollar":            {"GET /messages/$1", true},
		"a wildcard":          {"GET /messages/*", false},
		"a question mark":     {"GET /messages/?", false},
		"a policy variable":   {"GET /messages/${aws:username}", false},
		"a control character": {"GET /messages/\x01", false},
		"not UTF-8":           {"GET /messages/\xff", false},
		"too long":            {"GET /messages/" + strings.Repeat("x", 500), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := marshal(t, policy.Refuse(whole, callOf(tt.call).String()))
			if opens(t, got, callOf(tt.call)) {
				t.Errorf("open: %s", got)
			}

			if opens(t, got, callOf("GET /messages/2")) != tt.other {
				t.Errorf("another call is not %t: %s", tt.other, got)
			}
		})
	}

	t.Cleanup(func() {
		if diff := cmp.Diff(string(before), string(marshal(t, whole))); diff != "" {
			t.Errorf("Refuse changed its argument:\n%s", diff)
		}
	})
}

// TestSearchIsBounded shows that a route whose document takes too long to prove gets a narrower
// one.
func TestSearchIsBounded(t *testing.T) {
	t.Parallel()

	for pairs, want := range map[int]policy.Scope{3: policy.WholeKey, 10: policy.OneCall} {
		var path strings.Builder
		for i := range pairs {
			fmt.Fprintf(&path, "/{p%d}/y", i)
		}

		path.WriteString("/{last}")
		catalogue := newCatalogue(t, perm("a:x", "GET "+path.String()))

		call := callOf("GET " + strings.Repeat("/1/y", pairs) + "/1")
		if got := policy.Build(catalogue, "demo", grant("a:x"), call); got.Scope != want {
			t.Errorf("%d pairs: scope %d, want %d", pairs, got.Scope, want)
		}
	}
}

// TestSearchTrustsNoPattern shows that the search itself finds that too little is allowed.
func TestSearchTrustsNoPattern(t *testing.T) {
	t.Parallel()
	catalogue := newCatalogue(t, perm("a:x", "GET /a/{x}"))
	wanted := func(path string) bool {
		return permission.Decide(catalogue, "demo", grant("a:x"), "GET", path).Allowed()
	}
	a, b := permission.Segment{Text: "a"}, permission.Segment{Text: "b"}

	rest := permission.Segment{Kind: permission.Greedy}
	for name, tt := range map[string]struct {
		allowing []permission.Segment
		want     bool
	}{
		"all of the route":     {[]permission.Segment{a, rest}, true},
		"too much":             {[]permission.Segment{rest}, false},
		"one of its paths":     {[]permission.Segment{a, b}, false},
		"none of its paths":    {[]permission.Segment{b}, false},
		"too few and too many": {[]permission.Segment{a, b, rest}, false},
	} {
		if got := policy.Solves(catalogue.Routes("demo"),
			[][]permission.Segment{tt.allowing}, wanted); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
