package policy_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// same reports whether two policies share their lists, so that one was reused.
func same(a, b policy.Policy) bool {
	return &a.Document.Statement[0].Resource[0] == &b.Document.Statement[0].Resource[0]
}

func TestBuilderKeeps(t *testing.T) {
	t.Parallel()
	catalogue, builder := demo(t), policy.NewBuilder(16)
	all := permission.Grant{All: true}
	first := builder.Build(catalogue, "demo", grant("messages:read"), callOf("GET /messages"))

	route := builder.Build(catalogue, "demo", all, callOf("GET /customers/1"))
	if !same(first,
		builder.Build(catalogue, "demo", grant("messages:read"), callOf("GET /messages/1"))) {
		t.Error("the same key's document was made twice")
	}

	if !same(route, builder.Build(catalogue, "demo", all, callOf("GET /customers/2"))) {
		t.Error("the same route's document was made twice")
	}

	elsewhere := callOf("GET /messages")

	elsewhere.Stage = "other"
	for name, other := range map[string]policy.Policy{
		"another grant": builder.Build(catalogue, "demo", grant("messages:write"),
			callOf("GET /messages")),
		"another customer": builder.Build(catalogue, "demo", permission.Grant{
			Permissions: []string{"messages:read"},
			Customers:   []string{"1"},
		}, callOf("GET /messages")),
		"another stage": builder.Build(catalogue, "demo", grant("messages:read"), elsewhere),
		"another API": builder.Build(catalogue, "other", grant("messages:read"),
			callOf("GET /messages")),
		"another catalogue": builder.Build(demo(t), "demo", grant("messages:read"),
			callOf("GET /messages")),
		"another route": builder.Build(catalogue, "demo", all, callOf("GET /messages")),
	} {
		if same(first, other) || same(route, other) {
			t.Errorf("%s has the same document", name)
		}
	}
}

// TestBuilderTellsGrantsApart uses names that a careless cache key would confuse.
func TestBuilderTellsGrantsApart(t *testing.T) {
	t.Parallel()
	catalogue := newCatalogue(t, perm("a_a", "GET /a"), perm("b_b", "GET /b"),
		perm("c_c", "GET /c/{customerId}"))
	grants := []permission.Grant{
		{},
		{All: true},
		{Permissions: []string{"a_a"}},
		{Permissions: []string{"a_a", "b_b"}},
		{Permissions: []string{"a_a:3:b_b"}},
		{Permissions: []string{"a_ab_b"}},
		{Permissions: []string{"a_a", "b_b:x"}},
		{Permissions: []string{"a_a:b_b", "x"}},
		{Permissions: []string{"c_c"}, Customers: []string{"a", "b"}},
		{Permissions: []string{"c_c"}, Customers: []string{"a:1:b"}},
		{Permissions: []string{"c_c"}, Customers: []string{"ab"}},
		{Permissions: []string{"c_c", "a", "b"}},
	}

	builder := policy.NewBuilder(64)
	for range 2 {
		for i, g := range grants {
			want := policy.Build(catalogue, "demo", g, callOf("GET /a"))
			if diff := cmp.Diff(want,
				builder.Build(catalogue, "demo", g, callOf("GET /a"))); diff != "" {
				t.Errorf("grant %d (-Build +Builder):\n%s", i, diff)
			}
		}
	}
}

// TestBuilderForgets shows that, with room for four documents, one that is used stays, and one
// that was not used while others came is made again.
func TestBuilderForgets(t *testing.T) {
	t.Parallel()
	catalogue, builder := demo(t), policy.NewBuilder(4)
	build := func(permissions ...string) policy.Policy {
		return builder.Build(catalogue, "demo", grant(permissions...), callOf("GET /messages"))
	}

	used, unused := build("messages:read"), build("metrics:read")
	for i := range 20 {
		build("messages:read", fmt.Sprintf("unknown:p%d", i))

		if !same(used, build("messages:read")) {
			t.Fatal("a document in use was forgotten")
		}
	}

	if same(unused, build("metrics:read")) {
		t.Error("nothing was forgotten")
	}
}

func TestBuilderConcurrently(t *testing.T) {
	t.Parallel()
	catalogue, builder := demo(t), policy.NewBuilder(8)

	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 50 {
				p := catalogue.DataPlane()[(i+worker)%8]

				want := policy.Build(catalogue, "demo", grant(p), callOf("GET /messages"))
				if diff := cmp.Diff(want,
					builder.Build(catalogue, "demo", grant(p),
						callOf("GET /messages"))); diff != "" {
					t.Errorf("%s (-Build +Builder):\n%s", p, diff)
				}
			}
		})
	}

	group.Wait()
}

func BenchmarkBuild(b *testing.B) {
	catalogue := demo(b)

	grants := map[string]permission.Grant{
		"one permission": grant("messages:write"),
		"six": grant("messages:write", "messages:read", "licenses:manage",
			"customers:read", "telemetry:write", "metrics:read"),
		"one route": {All: true},
	}
	for name, g := range grants {
		call := callOf("GET /customers/42")
		b.Run("cold/"+name, func(b *testing.B) {
			b.ReportAllocs()

			for b.Loop() {
				policy.Build(catalogue, "demo", g, call)
			}
		})
		b.Run("cached/"+name, func(b *testing.B) {
			builder := policy.NewBuilder(8)
			b.ReportAllocs()

			for b.Loop() {
				builder.Build(catalogue, "demo", g, call)
			}
		})
	}
}
