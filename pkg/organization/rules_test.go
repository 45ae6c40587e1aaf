package organization_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// operations reads the constants of type Operation from the source, so that a new one without a
// rule is found.
func operations(t *testing.T) []organization.Operation {
	t.Helper()

	file, err := parser.ParseFile(token.NewFileSet(), "rules.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}

	var found []organization.Operation
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}

		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Operation" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}

			found = append(found, organization.Operation(text))
		}

		return true
	})

	if len(found) < 15 {
		t.Fatalf("only %d operations found", len(found))
	}

	return found
}

func TestEveryOperationHasARule(t *testing.T) {
	t.Parallel()

	got := slices.Sorted(maps.Keys(organization.Rules()))
	if diff := cmp.Diff(slices.Sorted(slices.Values(operations(t))), got); diff != "" {
		t.Errorf("rules (-operations +rules):\n%s", diff)
	}
}

// builtIns are the admin permissions.
func builtIns(t *testing.T) *permission.Catalogue {
	t.Helper()

	c, err := permission.NewCatalogue([]permission.Permission{{
		Name:  "messages:read",
		Title: "t",
	}, {
		Name:  "messages:write",
		Title: "t",
	}, {
		Name:  "licenses:manage",
		Title: "t",
	}})
	if err != nil {
		t.Fatal(err)
	}

	return c
}

func TestCaller(t *testing.T) {
	t.Parallel()
	key := &apikey.Key{ID: "k1", Profile: apikey.Profile{Name: "CI"}, OrganizationID: "acme"}
	operator := &apikey.Key{
		ID:             "k2",
		Profile:        apikey.Profile{Name: "Ops"},
		OrganizationID: apikey.OperatorOrganization,
	}

	type described struct {
		Actor    apikey.Actor
		ID       string
		Operator bool
	}
	for _, test := range []struct {
		key  *apikey.Key
		want described
	}{
		{key, described{apikey.Actor{
			Type:    apikey.ActorKey,
			ID:      "k1",
			KeyName: "CI",
		}, "key:k1", false}},
		{operator, described{apikey.Actor{
			Type:    apikey.ActorOperator,
			ID:      "k2",
			KeyName: "Ops",
		}, "key:k2", true}},
	} {
		c := &organization.Caller{Key: test.key}
		if diff := cmp.Diff(test.want, described{c.Actor(), c.ID(), c.Operator()}); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}

	c := &organization.Caller{Key: key}
	for name, test := range map[string]struct {
		key  *apikey.Key
		want bool
	}{
		"itself": {key, true},
		"its own": {&apikey.Key{
			ID:    "x",
			Owner: apikey.Actor{Type: apikey.ActorKey, ID: "k1"},
		}, true},
		"another's": {&apikey.Key{
			ID:    "x",
			Owner: apikey.Actor{Type: apikey.ActorKey, ID: "k3"},
		}, false},
		"what it made for another": {&apikey.Key{ID: "x", CreatedBy: c.Actor()}, false},
	} {
		if got := c.Owns(test.key); got != test.want {
			t.Errorf("owns %s: %v", name, got)
		}
	}
}

func TestValidIDAndSlug(t *testing.T) {
	t.Parallel()

	for id, want := range map[string]bool{
		"acme":                        true,
		"a1":                          true,
		"a-b":                         true,
		"a" + strings.Repeat("b", 38): true,
		"":                            false,
		"a":                           false,
		"a" + strings.Repeat("b", 39): false,
		"1a":                          false,
		"-a":                          false,
		"Acme":                        false,
		"acme ":                       false,
		"acme\n":                      false,
		"ac_me":                       false,
		"ac#me":                       false,
		apikey.OperatorOrganization:   false,
	} {
		if got := organization.ValidID(id); got != want {
			t.Errorf("ValidID(%q) = %v", id, got)
		}
	}

	for name, want := range map[string]string{
		"Acme":                         "acme",
		"Acme, Inc.":                   "acme-inc",
		"  7 Seas  ":                   "seas",
		"Söhne & Co":                   "s-hne-co",
		"":                             "",
		"42":                           "",
		"漢字":                           "",
		"x":                            "",
		"a " + strings.Repeat("b", 60): "a-" + strings.Repeat("b", 37),
		strings.Repeat("a", 38) + " b": strings.Repeat("a", 38),
	} {
		got := organization.Slug(name)
		if got != want || got != "" && !organization.ValidID(got) {
			t.Errorf("Slug(%q) = %q, want %q", name, got, want)
		}
	}
}
