package adminapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// importer calls an import in a process of its own, as the admin of acme.
type importer struct {
	*storetest.Process
	checker *check.Checker
	call    func(t *testing.T, entries []map[string]any) (int, imported)
	// send is call with an Idempotency-Key, within the time of a context
	send func(ctx context.Context, t *testing.T, key string, entries []map[string]any) (int, imported)
}

// newImporter makes the process, over tables that have the organization.
func newImporter(t *testing.T, kit *storetest.Kit) importer {
	t.Helper()
	p := kit.Restart()
	checker := &check.Checker{
		Brand:        storetest.Brand,
		Environments: apikey.Environments(),
		Keys:         p.Store,
		FirstUses:    p.Hot,
		Peppers:      p.Keyring,
		Settings:     check.NewSettingsCache(p.Store, kit.Clock.Now),
		Imports:      check.NewImports(p.Store, kit.Clock.Now),
		Now:          kit.Clock.Now,
	}
	f := adminapi.Function(&full.Deployment{
		Deployment: &boot.Deployment{
			Configuration: boot.Configuration{Brand: storetest.Brand},
			Keyring:       p.Keyring,
			Checker:       checker,
			Logger:        kit.Log.Logger(),
			Now:           kit.Clock.Now,
		},
		Store: p.Store,
		Hot:   p.Hot,
	}, adminapi.GroupKeys)

	send := func(
		ctx context.Context, t *testing.T, key string, entries []map[string]any,
	) (int, imported) {
		t.Helper()

		headers := map[string]any{"Content-Type": "application/json"}
		if key != "" {
			headers["Idempotency-Key"] = key
		}

		body, err := json.Marshal(map[string]any{"keys": entries})
		if err != nil {
			t.Fatal(err)
		}

		event, err := json.Marshal(map[string]any{
			"httpMethod": "POST",
			"path":       "/v1/organizations/acme/keys/import",
			"headers":    headers,
			"body":       string(body),
			"requestContext": map[string]any{
				"requestId":  "r1",
				"authorizer": map[string]any{"userId": "u1", "userEmail": "alice@acme.test"},
				"identity":   map[string]any{"sourceIp": "192.0.2.1"},
			},
		})
		if err != nil {
			t.Fatal(err)
		}

		text, err := f.Invoke(ctx, event)
		if err != nil {
			t.Fatal(err)
		}

		var answer struct {
			StatusCode int
			Body       string
		}
		var got imported

		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatal(err)
		}

		if err := json.Unmarshal([]byte(answer.Body), &got); err != nil {
			t.Fatalf("%v\n%s", err, answer.Body)
		}

		return answer.StatusCode, got
	}
	call := func(t *testing.T, entries []map[string]any) (int, imported) {
		t.Helper()
		return send(t.Context(), t, "", entries)
	}
	return importer{p, checker, call, send}
}

// importKit has the organization acme with its admin.
func importKit(t *testing.T) *storetest.Kit {
	t.Helper()
	kit := storetest.New(t)
	kit.MustCatalogue(t, permission.Permission{Name: "messages:read", Title: "Read messages"})
	kit.MustRuntimeSettings(t, "acme", nil)
	o := &organization.Organization{
		ID:       "acme",
		Name:     "Acme",
		Settings: organization.DefaultSettings(),
		Admins:   1,
		Version:  1,
	}

	m := &organization.Member{
		OrganizationID: "acme",
		ID:             "u1",
		Email:          "alice@acme.test",
		Role:           organization.RoleAdmin,
		InvitedAt:      kit.Clock.Now(),
		JoinedAt:       kit.Clock.Now(),
		Version:        1,
	}
	if err := kit.Store.Commit(t.Context(), kit.Store.PutOrganization(o, 0),
		kit.Store.PutMember(m, 0)); err != nil {
		t.Fatal(err)
	}

	return kit
}

// many are entries with the secrets of each.
func many(n int) (secrets []string, entries []map[string]any) {
	for i := range n {
		secrets = append(secrets, fmt.Sprintf("sk_live_number_%04d", i))
		entries = append(entries, foreign(secrets[i], nil))
	}

	return secrets, entries
}

// whole looks at what an import left: that every key of it authenticates and has exactly one entry
// in the history. It returns how many there are.
func whole(t *testing.T, kit *storetest.Kit, secrets []string) int {
	t.Helper()
	checker := newImporter(t, kit).checker

	ids := map[string]bool{}
	for _, secret := range secrets {
		v := checker.Authenticate(t.Context(), check.Headers{
			APIKey: []string{secret},
		}, netip.Addr{})
		switch v.Outcome {
		case check.Allowed:
			if entries, _, err := kit.Store.History(t.Context(), "acme", "key", v.Key.ID,
				"", 10); err != nil || len(entries) != 1 || entries[0].Action != "key.imported" {
				t.Errorf("history of %s: %v, %v", v.Key.ID, entries, err)
			}

			ids[v.Key.ID] = true
		case check.UnknownKey, check.Malformed:
			// where the very first write failed, nothing is looked up
		default:
			t.Errorf("%s %v", v.Outcome, v.Err)
		}
	}

	rows := 0
	for _, item := range kit.Items(t) {
		if item["secret"] != nil { // nothing but a key's row has one
			rows++
		}
	}

	if rows != len(ids) {
		t.Errorf("%d rows of keys, %d that authenticate", rows, len(ids))
	}

	return len(ids)
}

// customers makes as many customers of acme, and returns their ids.
func customers(t *testing.T, kit *storetest.Kit, n int) []string {
	t.Helper()

	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("c%d", i))
		if err := kit.Store.Commit(t.Context(), kit.Store.PutCustomer(&organization.Customer{
			OrganizationID: "acme",
			ID:             ids[i],
			Version:        1,
		}, 0)); err != nil {
			t.Fatal(err)
		}
	}

	return ids
}
