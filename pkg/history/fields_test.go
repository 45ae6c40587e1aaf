package history_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/history"
)

// Each field that is shown of an object is either recorded, or named here as one that never is.
func TestFieldsAreRecordedOrNot(t *testing.T) {
	t.Parallel()

	for objectType, c := range map[string]struct {
		shown reflect.Type
		never []string
	}{
		"key": {reflect.TypeFor[api.Key](), []string{
			"createdAt", "hint", "id", "lastUsed", "object", "operations", "organizationId", "status",
			"updatedAt", "usage", "version",
		}},
		"organization": {reflect.TypeFor[api.Organization](), []string{"createdAt", "id"}},
		"member":       {reflect.TypeFor[api.Member](), []string{"boundedKeys", "id", "status"}},
		"customer":     {reflect.TypeFor[api.Customer](), []string{"createdAt", "id"}},
	} {
		var shown []string
		for _, field := range reflect.VisibleFields(c.shown) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			shown = append(shown, name)
		}

		recorded := history.Fields(objectType)
		if !slices.IsSorted(recorded) {
			t.Errorf("%s: not sorted: %q", objectType, recorded)
		}

		got := append(recorded, c.never...)
		slices.Sort(shown)
		slices.Sort(got)

		if diff := cmp.Diff(shown, got); diff != "" {
			t.Errorf("%s (-shown +recorded or named here):\n%s", objectType, diff)
		}
	}
}
