package adminapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// set changes the tenant's settings as its admin key.
func (o tenant) set(t *testing.T, settings string, headers ...string) localtest.Answer {
	t.Helper()

	for {
		a := o.admin.Call(t, http.MethodPatch, o.path(), `{"settings": `+settings+`}`, headers...)
		if a.Status != http.StatusTooManyRequests {
			return a
		}

		time.Sleep(100 * time.Millisecond) // an organization takes so many changes a second
	}
}

func (o tenant) settings(t *testing.T) map[string]any {
	t.Helper()
	return decoded(t,
		o.admin.Call(t, http.MethodGet, o.path(), nil).Want(t,
			http.StatusOK).Body)["settings"].(map[string]any)
}

// Each change sets what it names and leaves the rest; null goes back to the default.
func TestSettingsAreMerged(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	want := map[string]any{
		"organizationKeysBy": "admins",
		"personalKeysBy":     "members",
		"memberPermissions":  nil,
		"defaultPermissions": nil,
		"legacyKeysAccepted": true,
		"longestLife":        map[string]any{"production": nil, "staging": nil, "development": nil},
		"allowedAddresses":   []any{},
		"sampleRequests":     0.1,
	}
	same := func(after string) {
		t.Helper()

		if diff := cmp.Diff(want, o.settings(t)); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", after, diff)
		}
	}
	same("creation")

	life := func(production, staging any) map[string]any {
		return map[string]any{"production": production, "staging": staging, "development": nil}
	}
	for _, step := range []struct {
		body, field string
		value       any
	}{
		{`{"organizationKeysBy": "members"}`, "organizationKeysBy", "members"},
		{`{"personalKeysBy": "admins"}`, "personalKeysBy", "admins"},
		{`{"memberPermissions": ["messages:read"]}`, "memberPermissions", []any{"messages:read"}},
		{`{"memberPermissions": []}`, "memberPermissions", []any{}},
		{`{"defaultPermissions": ["metrics:read"]}`, "defaultPermissions", []any{"metrics:read"}},
		{`{"longestLife": {"production": "365d"}}`, "longestLife", life("365d", nil)},
		{`{"longestLife": {"staging": "7d"}}`, "longestLife", life("365d", "7d")},
		{`{"longestLife": {"production": null}}`, "longestLife", life(nil, "7d")},
		{`{"longestLife": {}}`, "longestLife", life(nil, "7d")},
		{`{"legacyKeysAccepted": false}`, "legacyKeysAccepted", false},
		{`{"sampleRequests": 0}`, "sampleRequests", float64(0)},
		{
			`{"allowedAddresses": ["192.0.2.0/24", "2001:db8::1", "192.0.2.0/24"]}`,
			"allowedAddresses",
			[]any{"192.0.2.0/24", "2001:db8::1/128"},
		},
		{`{"sampleRequests": 0.25}`, "sampleRequests", 0.25},
		{`{"allowedAddresses": null}`, "allowedAddresses", []any{}},
		{`{"allowedAddresses": []}`, "allowedAddresses", []any{}},
		{`{"memberPermissions": null}`, "memberPermissions", nil},
		{`{"defaultPermissions": null}`, "defaultPermissions", nil},
		{`{}`, "sampleRequests", 0.25},
	} {
		o.set(t, step.body).Want(t, http.StatusOK)
		want[step.field] = step.value
		same(step.body)
	}
}

func TestSettingsThatAreRefused(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	before := o.settings(t)
	for body, location := range map[string]string{
		`{"memberPermissions": ["messages:read", "keys:read"]}`: "body.settings.memberPermissions[1]",
		`{"memberPermissions": ["no:such"]}`:                    "body.settings.memberPermissions[0]",
		`{"defaultPermissions": ["keys:write"]}`:                "body.settings.defaultPermissions[0]",
		`{"longestLife": {"production": "soon"}}`:               "body.settings.longestLife.production",
		`{"longestLife": {"staging": "0s"}}`:                    "body.settings.longestLife.staging",
		`{"allowedAddresses": ["::/0", "192.0.2.1/24"]}`:        "body.settings.allowedAddresses[1]",
		`{"organizationKeysBy": "nobody"}`:                      "body.settings.organizationKeysBy",
		`{"personalKeysBy": "everybody"}`:                       "body.settings.personalKeysBy",
		`{"sampleRequests": 5e-324}`:                            "body.settings.sampleRequests",
		`{"sampleRequests": 9e-7}`:                              "body.settings.sampleRequests",
		`{"sampleRequests": 2}`:                                 "body.settings.sampleRequests",
		`{"PersonalKeysBy": "nobody"}`:                          "body.settings.PersonalKeysBy",
	} {
		p := o.set(t, body).Refused(t, http.StatusUnprocessableEntity, "validation")
		if diff := cmp.Diff([]string{location}, p.Locations()); diff != "" {
			t.Errorf("%s: locations (-want +got):\n%s", body, diff)
		}
	}

	// where one is of another type, those that the decoder comes to later are told as well
	all := []string{"body.settings.personalKeysBy", "body.settings.longestLife.production"}

	p := o.set(t, `{"personalKeysBy": 7, "longestLife": {"production": "soon"}}`).Refused(t,
		http.StatusUnprocessableEntity, "validation")
	if diff := cmp.Diff(all, p.Locations()); diff != "" {
		t.Errorf("locations of two (-want +got):\n%s", diff)
	}

	o.admin.Call(t, http.MethodPatch, o.path(), map[string]any{
		"name": " ",
	}).Refused(t, http.StatusUnprocessableEntity, "validation")

	if diff := cmp.Diff(before, o.settings(t)); diff != "" {
		t.Errorf("a refused change changed something (-before +after):\n%s", diff)
	}
}

func TestSettingsOnAVersion(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	read := func() string {
		return o.admin.Call(t, http.MethodGet, o.path(), nil).Want(t,
			http.StatusOK).Header.Get("ETag")
	}

	tag := read()
	if got := o.set(t, `{"sampleRequests": 0.1}`, "If-Match: "+tag).Want(t,
		http.StatusOK).Header.Get("ETag"); got != tag {
		t.Errorf("a change that changes nothing made version %s of %s", got, tag)
	}

	next := o.set(t, `{"sampleRequests": 0.2}`, "If-Match: "+tag).Want(t,
		http.StatusOK).Header.Get("ETag")
	if next == tag || next != read() {
		t.Errorf("version %s after %s, read %s", next, tag, read())
	}

	o.set(t, `{"sampleRequests": 0.3}`, "If-Match: "+tag).Refused(t, http.StatusPreconditionFailed,
		"stale")
	o.set(t, `{"sampleRequests": 0.3}`, "If-Match: *").Want(t, http.StatusOK)
}

// A key ends after the longest life where its maker does not say, and never later.
func TestLongestLife(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	old := o.key(t, nil)
	o.set(t, `{"longestLife": {"production": "30d"}}`).Want(t, http.StatusOK)
	k := o.key(t, nil).Key

	end, err := time.Parse(time.RFC3339, k.ExpiresAt)
	if left := time.Until(end); err != nil || left > 30*24*time.Hour ||
		left < 30*24*time.Hour-time.Hour {
		t.Errorf("it ends at %q", k.ExpiresAt)
	}

	for path, method := range map[string]string{
		o.keys:              http.MethodPost,
		o.keys + "/" + k.ID: http.MethodPatch,
	} {
		for _, life := range []any{"31d", nil} {
			fields := map[string]any{"name": "Long", "expiresIn": life}
			if life == nil {
				if method == http.MethodPost {
					continue // the default
				}

				fields = map[string]any{"expiresAt": nil}
			}

			if method == http.MethodPost {
				fields["environment"] = "production"
			}

			location := map[bool]string{
				true:  "body.expiresAt",
				false: "body.expiresIn",
			}[life == nil]
			if p := o.admin.Call(t, method, path, fields).Refused(t, http.StatusUnprocessableEntity,
				"validation"); len(p.Errors) != 1 || p.Errors[0].Location != location {
				t.Errorf("%s of %v: %+v, want %s", method, fields, p.Errors, location)
			}
		}
	}

	o.key(t, map[string]any{"expiresIn": "29d"})

	if got := o.key(t, map[string]any{"environment": "staging"}).Key.ExpiresAt; got != "" {
		t.Errorf("a staging key ends at %s", got)
	}

	o.admin.Call(t, http.MethodPatch, o.keys+"/"+old.Key.ID, map[string]any{
		"name": "An older key is not cut short",
	}).Want(t, http.StatusOK)
}

// What members may do follows the settings at their next request.
func TestSettingsActAtOnce(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	p, admin := o.join(t, "bound", "member"), o.join(t, "admin", "admin")
	create := func(by someone, ownership string, permissions ...string) localtest.Answer {
		return by.Call(t, http.MethodPost, o.keys, map[string]any{
			"name":        "New",
			"environment": "production",
			"ownership":   ownership,
			"permissions": append([]string{}, permissions...),
		})
	}
	create(p, "organization").Refused(t, http.StatusForbidden, "permission_denied")
	o.set(t, `{"organizationKeysBy": "members"}`).Want(t, http.StatusOK)
	create(p, "organization").Want(t, http.StatusCreated)
	p.Call(t, http.MethodPatch, o.keys+"/"+o.first.Key.ID, map[string]any{
		"description": "theirs",
	}).Want(t, http.StatusOK)

	if got := p.me(t).Organizations[0].MayCreate; !got.Organization || !got.Personal {
		t.Errorf("may create %+v", got)
	}

	o.set(t, `{"organizationKeysBy": "admins", "personalKeysBy": "admins"}`).Want(t, http.StatusOK)
	create(p, "organization").Refused(t, http.StatusForbidden, "permission_denied")
	create(p, "personal").Refused(t, http.StatusForbidden, "permission_denied")
	create(admin, "personal").Want(t, http.StatusCreated)
	o.set(t, `{"personalKeysBy": "nobody"}`).Want(t, http.StatusOK)
	create(admin, "personal").Refused(t, http.StatusForbidden, "permission_denied")

	o.set(t,
		`{"personalKeysBy": "members", "memberPermissions": ["messages:read"], "defaultPermissions": ["messages:read"]}`).Want(
		t, http.StatusOK,
	)
	create(p, "personal", "messages:write").Refused(t, http.StatusUnprocessableEntity, "escalation")
	create(p, "personal", "keys:read").Refused(t, http.StatusUnprocessableEntity, "escalation")
	create(p, "personal", "messages:read").Want(t, http.StatusCreated)
	create(admin, "personal", "messages:write", "keys:read").Want(t, http.StatusCreated)

	if diff := cmp.Diff([]string{"messages:read"}, p.me(t).Organizations[0].MayGrant); diff != "" {
		t.Errorf("may grant (-want +got):\n%s", diff)
	}

	if diff := cmp.Diff([]string{"messages:read"}, p.CreateKey(t, o.id, map[string]any{
		"name":        "Default",
		"environment": "production",
	}).Key.Permissions); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

// What is set of calls acts on the data plane, and shuts nobody out of the admin API or of whoami.
// That it acts within ten seconds is shown where the clock can be set; here the key is first used
// after the change.
func TestAddressesOfAnOrganization(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, map[string]any{"permissions": []string{"messages:read"}})
	o.set(t, `{"allowedAddresses": ["203.0.113.0/24"]}`).Want(t, http.StatusOK)
	machine.As(k.Secret).Call(t, http.MethodGet, "/production/messages", nil).Refused(t,
		http.StatusUnauthorized, "invalid_key")
	machine.As(k.Secret).Call(t, http.MethodGet, "/v1/whoami", nil).Want(t, http.StatusOK)
	o.set(t, `{"allowedAddresses": ["203.0.113.0/24", "127.0.0.0/8"]}`).Want(t, http.StatusOK)

	local := newTenant(t)
	k = local.key(t, map[string]any{"permissions": []string{"messages:read"}})
	local.set(t, `{"allowedAddresses": ["127.0.0.1"]}`).Want(t, http.StatusOK)
	machine.As(k.Secret).Call(t, http.MethodGet, "/production/messages", nil).Want(t, http.StatusOK)
}
