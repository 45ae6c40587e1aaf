package sealed

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/quick"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/permission"
)

// The permissions of a catalogue are those that encoding/json reads, whatever they say.
func TestReadPermissions(t *testing.T) {
	t.Parallel()

	same := func(text string) bool {
		var want []permission.Permission
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}

		got, err := readPermissions(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}

		return true
	}

	for _, text := range []string{
		"null", "[]", ` [ null , {} ]`, `[{"routes":null}]`, `[{"routes":[]}]`,
		`[{"NAME":"a","Routes":[{"API":"*"}],"later":{"x":[1]}}]`,
	} {
		same(text)
	}

	if err := quick.Check(func(permissions []permission.Permission) bool {
		text, err := permission.Encode(permissions)
		return err == nil && same(string(text))
	}, nil); err != nil {
		t.Error(err)
	}

	for _, text := range []string{"", "{}", `[{"name":1}]`, `[{"routes":{}}]`, "[]]", "[{}"} {
		if got, err := readPermissions(text); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}

	if _, err := readPermissions("[" + strings.Repeat(`{"routes":[`, 2)); err == nil {
		t.Error("what is cut was read")
	}
}
