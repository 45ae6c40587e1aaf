package advice_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/advice"
	"github.com/bitting-keys/bitting/pkg/history"
)

func TestRecall(t *testing.T) {
	t.Parallel()
	type past struct {
		Granted     map[string]time.Time
		UsableSince time.Time
	}
	list := func(names ...any) []any { return names }
	permissions := func(before, after any) history.FieldChange {
		return history.FieldChange{Field: "permissions", Before: before, After: after}
	}
	change := func(field string, before, after any) history.FieldChange {
		return history.FieldChange{Field: field, Before: before, After: after}
	}
	text := func(at time.Time) string { return at.Format(time.RFC3339Nano) }
	early, late := ago(2*day), ago(day)

	entry := func(at time.Time, changes ...history.FieldChange) history.Entry {
		return history.Entry{At: at, Changes: changes}
	}
	for name, test := range map[string]struct {
		entries []history.Entry
		want    past
	}{
		"nothing": {},
		"another name": {
			[]history.Entry{entry(late, change("name", "a", "b"))}, past{},
		},
		"a permission more": {
			[]history.Entry{entry(late, permissions(list("a:b"), list("a:b", "c:d")))}, past{
				Granted: map[string]time.Time{"c:d": late},
			},
		},
		"the first permission": {
			[]history.Entry{entry(late, permissions(list(), list("a:b")))}, past{
				Granted: map[string]time.Time{"a:b": late},
			},
		},
		"made with a permission": {
			[]history.Entry{
				entry(late, permissions(nil, list("a:b")), change("enabled", nil, true)),
			}, past{},
		},
		"a permission less": {
			[]history.Entry{entry(late, permissions(list("a:b", "c:d"), list("a:b")))}, past{},
		},
		"a permission twice, the newer change first": {
			[]history.Entry{
				entry(late, permissions(list(), list("a:b"))),
				entry(early, permissions(list(), list("a:b"))),
			}, past{
				Granted: map[string]time.Time{"a:b": late},
			},
		},
		"a permission twice, the older change first": {
			[]history.Entry{
				entry(early, permissions(list(), list("a:b"))),
				entry(late, permissions(list(), list("a:b"))),
			}, past{
				Granted: map[string]time.Time{"a:b": late},
			},
		},
		"some instead of all": {
			[]history.Entry{
				entry(late, change("allPermissions", true, false),
					permissions(list(), list("a:b"))),
			}, past{},
		},
		"enabled": {[]history.Entry{entry(late, change("enabled", false, true))}, past{
			UsableSince: late,
		}},
		"disabled": {[]history.Entry{entry(late, change("enabled", true, false))}, past{}},
		"restored": {[]history.Entry{entry(late, change("revocation", map[string]any{
			"reason": "x",
		}, nil))}, past{
			UsableSince: late,
		}},
		"revoked": {[]history.Entry{entry(late, change("revocation", nil, map[string]any{
			"reason": "x",
		}))}, past{}},
		"extended after its end": {[]history.Entry{
			entry(late, change("expiresAt", text(late), nil)),
		}, past{
			UsableSince: late,
		}},
		"extended before its end": {
			[]history.Entry{entry(late, change("expiresAt", text(now), nil))},
			past{},
		},
		"enabled twice, newest first": {[]history.Entry{
			entry(late, change("enabled", false, true)),
			entry(early, change("enabled", false, true)),
		}, past{
			UsableSince: late,
		}},
		"enabled twice, oldest first": {[]history.Entry{
			entry(early, change("enabled", false, true)),
			entry(late, change("enabled", false, true)),
		}, past{
			UsableSince: late,
		}},
		"enabled with a new permission": {[]history.Entry{
			entry(late, change("enabled", false, true), permissions(list(), list("a:b"))),
		}, past{map[string]time.Time{
			"a:b": late,
		}, late}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var f advice.Facts
			for _, e := range test.entries {
				f.Recall(e)
			}

			if diff := cmp.Diff(test.want, past{f.Granted, f.UsableSince}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
