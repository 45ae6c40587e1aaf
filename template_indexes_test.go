package bitting_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// baseline is what the table core's indexes are in the last release.
const baseline = "docs/indexes.json"

var update = flag.Bool("update", false, "take the indexes as they are for those of a release")

// indexes are those of a table, by name, each as in the template but for its name.
type indexes map[string]map[string]any

// updatable reports whether CloudFormation can bring a table from one set of indexes to another in one
// update of the stack: it adds or removes one at most, and changes none.
func updatable(from, to indexes) error {
	var faults []error
	var changes []string

	for _, name := range slices.Sorted(maps.Keys(to)) {
		switch before := from[name]; {
		case before == nil:
			changes = append(changes, "adds "+name)
		case !reflect.DeepEqual(before, to[name]):
			faults = append(faults, fmt.Errorf("the index %s differs, and DynamoDB changes none: add one of "+
				"another name in this release, and remove %s in a later one, when nothing reads it",
				name, name))
		}
	}

	for _, name := range slices.Sorted(maps.Keys(from)) {
		if to[name] == nil {
			changes = append(changes, "removes "+name)
		}
	}

	if len(changes) > 1 {
		faults = append(faults, fmt.Errorf("one release %s, and an update of a stack makes one such change: "+
			"spread them over as many releases, and name each in docs/upgrade.md",
			strings.Join(changes, ", ")))
	}

	return errors.Join(faults...)
}

// A release's stack updates that of the one before it. At a release, make baseline takes the indexes.
func TestIndexesChangeOneByOne(t *testing.T) {
	t.Parallel()

	text, err := json.Marshal(read(t)["Core"].Properties["GlobalSecondaryIndexes"])
	if err != nil {
		t.Fatal(err)
	}

	var list []map[string]any
	if err := json.Unmarshal(text, &list); err != nil || len(list) == 0 {
		t.Fatal(err)
	}

	current := indexes{}
	for _, index := range list {
		current[index["IndexName"].(string)] = index
		delete(index, "IndexName")
	}

	if *update {
		text, err := json.MarshalIndent(current, "", "  ")
		if err == nil {
			err = os.WriteFile(baseline, append(text, '\n'), 0o644)
		}

		if err != nil {
			t.Fatal(err)
		}
	}

	released := indexes{}
	if text, err = os.ReadFile(baseline); err == nil {
		err = json.Unmarshal(text, &released)
	}

	if err != nil {
		t.Fatal(err)
	}

	if err := updatable(released, current); err != nil {
		t.Error(err)
	}
}

func TestUpdatable(t *testing.T) {
	t.Parallel()

	index := func(projection string) map[string]any { return map[string]any{"Projection": projection} }
	from := indexes{"a": index("ALL"), "b": index("ALL")}

	for name, test := range map[string]struct {
		to   indexes
		want string // part of the error, "" for none
	}{
		"the same": {from, ""},
		"one more": {indexes{"a": index("ALL"), "b": index("ALL"), "c": index("ALL")}, ""},
		"one less": {indexes{"a": index("ALL")}, ""},
		"two more": {
			indexes{"a": index("ALL"), "b": index("ALL"), "c": index("ALL"), "d": index("ALL")},
			"adds c, adds d",
		},
		"another":     {indexes{"a": index("ALL"), "c": index("ALL")}, "adds c, removes b"},
		"one changed": {indexes{"a": index("ALL"), "b": index("KEYS_ONLY")}, "the index b differs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			err := updatable(from, test.to)
			if (err == nil) != (test.want == "") || !strings.Contains(fmt.Sprint(err), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}
