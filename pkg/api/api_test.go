package api_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/api"
)

func ExamplePatch() {
	change := api.UpdateKey{
		Name:      api.Set("Main website"),
		ExpiresAt: api.Null[time.Time](), // for ever
	}

	text, err := json.Marshal(change)
	fmt.Println(string(text), err)
	// Output: {"name":"Main website","expiresAt":null} <nil>
}

func ExampleCreateKey() {
	text, err := json.Marshal(api.CreateKey{
		Name:        "Report",
		Environment: "production",
		KeySettings: api.KeySettings{
			Permissions: []string{"metrics:read"},
		},
	})
	fmt.Println(string(text), err)
	// Output: {"name":"Report","environment":"production","permissions":["metrics:read"]} <nil>
}

func TestPatchesGoBothWays(t *testing.T) {
	t.Parallel()

	type change struct {
		Field api.Patch[[]string] `json:"field,omitzero"`
	}

	for text, want := range map[string]change{
		`{}`:              {},
		`{"field":null}`:  {api.Null[[]string]()},
		`{"field":[]}`:    {api.Set([]string{})},
		`{"field":["a"]}`: {api.Set([]string{"a"})},
	} {
		var got change
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Error(err)
		}

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}

		if back, err := json.Marshal(want); err != nil || string(back) != text {
			t.Errorf("%s: %s, %v", text, back, err)
		}
	}

	// null would empty what was to stay
	if text, err := json.Marshal(api.Patch[string]{}); err == nil {
		t.Errorf("an absent field: %s", text)
	}
}

func TestTimesHaveMilliseconds(t *testing.T) {
	t.Parallel()

	at := api.Time{Time: time.Date(2026, 11, 1, 2, 0, 0, 123_999_999, time.FixedZone("", 7200))}

	text, err := json.Marshal(at)
	if err != nil || string(text) != `"2026-11-01T00:00:00.123Z"` {
		t.Fatalf("%s, %v", text, err)
	}

	var back api.Time
	if err := json.Unmarshal(text, &back); err != nil ||
		!back.Equal(at.Truncate(time.Millisecond)) {
		t.Errorf("%v, %v", back, err)
	}
}
