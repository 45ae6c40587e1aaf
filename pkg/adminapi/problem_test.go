package adminapi_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// codesIn returns the names of the code constants that a function of the file's syntax picks.
func codesIn(t *testing.T, file string, pick func(ast.Node) []ast.Expr) (names []string) {
	t.Helper()

	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}

	ast.Inspect(parsed, func(n ast.Node) bool {
		for _, e := range pick(n) {
			switch e := e.(type) {
			case *ast.Ident:
				names = append(names, e.Name)
			case *ast.SelectorExpr:
				names = append(names, e.Sel.Name)
			default:
				t.Errorf("%s: a code that is no constant: %#v", file, e)
			}
		}

		return true
	})
	slices.Sort(names)
	return names
}

// The table of problems and the constants of package api are the same codes, each once: one that is
// answered has its constant, and one that a client may compare is answered.
func TestTheCodesOfProblemsAreConstants(t *testing.T) {
	t.Parallel()

	answered := codesIn(t, "problem.go", func(n ast.Node) (keys []ast.Expr) {
		table, ok := n.(*ast.ValueSpec)
		if !ok || table.Names[0].Name != "statuses" {
			return nil
		}

		for _, row := range table.Values[0].(*ast.CompositeLit).Elts {
			keys = append(keys, row.(*ast.KeyValueExpr).Key)
		}

		return keys
	})

	declared := codesIn(t, "../api/problem.go", func(n ast.Node) []ast.Expr {
		s, ok := n.(*ast.ValueSpec)
		if !ok {
			return nil
		}

		return []ast.Expr{s.Names[0]}
	})

	listed := codesIn(t, "../api/problem.go", func(n ast.Node) []ast.Expr {
		if l, ok := n.(*ast.CompositeLit); ok {
			return l.Elts
		}

		return nil
	})

	if len(answered) < 20 {
		t.Fatalf("found only the codes %v", answered)
	}

	if diff := cmp.Diff(answered, declared); diff != "" {
		t.Errorf("(-answered +declared):\n%s", diff)
	}

	if diff := cmp.Diff(declared, listed); diff != "" {
		t.Errorf("(-declared +listed):\n%s", diff)
	}
}
