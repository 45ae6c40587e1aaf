package adminapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	audit "github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/operator"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// wordy makes a body of a catalogue whose descriptions hold so many of a character, in as many
// permissions as it takes.
func wordy(t *testing.T, character string, characters int) string {
	t.Helper()

	var ps []permission.Permission
	for left := characters; left > 0; left -= 1000 {
		ps = append(ps, permission.Permission{
			Name:        fmt.Sprintf("p%d:read", len(ps)),
			Title:       "Many words",
			Description: strings.Repeat(character, min(left, 1000)),
		})
	}

	text, err := json.Marshal(map[string]any{"permissions": ps})
	if err != nil {
		t.Fatal(err)
	}

	return strings.NewReplacer(`\u2028`, "\u2028", `\u003c`, "<").Replace(string(text))
}

// A catalogue as large as a body may be is taken, and so is another such in its place, whose
// history has both; one that takes more than an item as it is kept is refused by its field.
func TestLargeCatalogues(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	k, _ := o.MustKey(t, func(k *apikey.Key) {
		k.OrganizationID = apikey.OperatorOrganization
		k.Permissions = operator.Permissions()
	})
	const path = "/v1/permissions?force=true"
	// 213 KB each of the first two
	for _, body := range []string{
		wordy(t, "‹", 71_000), wordy(t, "›", 71_000), wordy(t, "<", 160_000),
	} {
		o.Clock.Advance(time.Minute)

		r := o.call(t, byKey(k), http.MethodPut, path, body)
		if r.Status != http.StatusOK {
			t.Fatalf("%d bytes: %d\n%.300s", len(body), r.Status, r.Body)
		}
	}

	before, _, err := o.Store.Catalogue(t.Context(), apikey.Production)
	if err != nil || len(before) != 160 || before[0].Description != strings.Repeat("<", 1000) {
		t.Errorf("%d permissions, %v", len(before), err)
	}

	// three bytes as they are sent, and six as they are kept
	r := o.call(t, byKey(k), http.MethodPut, path, wordy(t, "\u2028", 80_000))
	r.want(t, "one that is too large", http.StatusUnprocessableEntity, "validation")

	if text := r.Body; strings.Count(text, `"location"`) != 1 ||
		!strings.Contains(text, `"location":"body.permissions"`) {
		t.Errorf("%s", text)
	}

	// The history has each of the changes whole.
	entries, after, err := o.Store.History(t.Context(), apikey.OperatorOrganization, "permissions",
		"catalogue", "", 100)
	for after != "" && err == nil {
		var more []audit.Entry
		more, after, err = o.Store.History(t.Context(), apikey.OperatorOrganization, "permissions",
			"catalogue", after, 100)
		entries = append(entries, more...)
	}

	if err != nil || len(entries) != 3 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}

	told := fmt.Sprint(entries[1].Changes)
	if strings.Count(told, "‹") != 71_000 || strings.Count(told, "›") != 71_000 {
		t.Errorf("the second change tells of %d and %d characters", strings.Count(told, "‹"),
			strings.Count(told, "›"))
	}
}

// What DynamoDB calls wrong is a fault of ours: 500, which nobody is told to repeat, and a line in
// the log.
func TestRefusedByTheTableIsNoOutage(t *testing.T) {
	t.Parallel()
	o := newOffice(t)

	things := o.things(t, "acme", "refused")
	for op, c := range things.calls("refused") {
		o.functions.Traffic.Inject(storetest.Always(storetest.Invalid, "TransactWriteItems"))
		r := o.send(t, by("root@acme.test"), c)
		o.functions.Traffic.Inject(nil)

		if r.Status == http.StatusServiceUnavailable ||
			r.Status == http.StatusInternalServerError && len(r.Headers["Retry-After"]) != 0 {
			t.Errorf("%s: %d\n%s", op, r.Status, r.Body)
		}
	}

	for name, fault := range map[string]string{
		"a change":              "TransactWriteItems",
		"what every call reads": "GetItem",
	} {
		o.functions.Traffic.Inject(storetest.Always(storetest.Invalid, fault))
		r := o.call(t, by("root@acme.test"), http.MethodPut,
			"/v1/organizations/acme/members/new@acme.test", `{"role": "viewer", "grants": []}`)
		o.functions.Traffic.Inject(nil)
		r.want(t, name, http.StatusInternalServerError, "internal")
	}

	if !strings.Contains(o.Log.String(), "unexpected error") {
		t.Error("nothing in the log")
	}
}

// Nothing that a caller puts into a path or a query is too long for the table: it is refused
// before, or names nothing.
func TestLongNamesAreRefusedBefore(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	k := o.things(t, "acme", "long").key

	const org = "/v1/organizations/acme"
	for _, long := range []string{
		strings.Repeat("a", 900), strings.Repeat("a", 3000), strings.Repeat("%F0%9F%94%91", 200),
		strings.Repeat("%F0%9F%94%91", 1000), "%00",
	} {
		for _, path := range []string{
			"/v1/organizations/" + long, "/v1/organizations/" + long + "/keys",
			org + "/keys/" + long, org + "/keys/" + long + "/history", org + "/members/" + long,
			org + "/members/" + long + "@a.test", org + "/customers/" + long,
			org + "/jobs/" + long, org + "/requests/" + long, org + "/keys?owner=" + long,
			org + "/keys?customer=" + long, org + "/keys?tag=" + long,
			org + "/keys?permission=" + long, org + "/keys?q=" + long, org + "/keys?cursor=" + long,
			org + "/keys/" + k + "/requests?cursor=" + long, org + "/members?cursor=" + long,
			org + "/customers?cursor=" + long,
		} {
			if r := o.call(t, by("root@acme.test"), http.MethodGet, path,
				""); r.Status >= http.StatusInternalServerError ||
				r.Status < http.StatusBadRequest && r.Status != http.StatusOK {
				t.Errorf("GET %.80s…: %d\n%.300s", path, r.Status, r.Body)
			}
		}

		for _, path := range []string{
			org + "/members/" + long + "@a.test", org + "/members/" + long,
		} {
			if r := o.call(t, by("root@acme.test"), http.MethodPut, path,
				`{"role": "viewer", "grants": []}`); r.Status >= http.StatusInternalServerError {
				t.Errorf("PUT %.80s…: %d\n%.300s", path, r.Status, r.Body)
			}
		}
	}
}
