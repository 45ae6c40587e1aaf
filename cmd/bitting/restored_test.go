package main_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// TestEndToEndRestoreDrill is the drill of docs/restore.md on this machine: the table core is copied
// as it is at some time, keys are ended afterwards in every way there is, and a deployment starts on
// the copy. What was ended stays ended, and nothing else is.
func TestEndToEndRestoreDrill(t *testing.T) {
	t.Parallel()

	tables := database(t)
	data := t.TempDir()
	p := start(t, data, "--dynamodb", tables)

	made := map[string]localtest.Made{}
	for _, name := range []string{
		"kept", "renamed", "revoked", "restored", "compromised", "disabled", "deleted", "regenerated",
		"rotated", "revoked before",
	} {
		made[name] = p.Admin().CreateKey(t, "acme", map[string]any{
			"name":        name,
			"environment": "production",
			"permissions": []string{"messages:read"},
		})
	}

	change := func(name, method, what string, body any) {
		t.Helper()

		path := "/v1/organizations/acme/keys/" + made[name].Key.ID + what
		if a := p.Admin().Call(t, method, path, body, "If-Match: *"); a.Status/100 != 2 {
			t.Fatalf("%s: %d %s", name, a.Status, a.Body)
		}
	}

	why := map[string]any{"reason": "because"}
	change("revoked before", http.MethodPost, "/revoke", why)

	point := time.Now().UTC().Format(time.RFC3339Nano)
	restored := storetest.CopyCore(t, tables, "Core")

	change("renamed", http.MethodPatch, "", map[string]any{"description": "another"})
	change("revoked", http.MethodPost, "/revoke", why)
	change("restored", http.MethodPost, "/revoke", why)
	change("restored", http.MethodPost, "/restore", nil)
	change("compromised", http.MethodPost, "/revoke", map[string]any{"compromised": true})
	change("disabled", http.MethodPatch, "", map[string]any{"enabled": false})
	change("deleted", http.MethodDelete, "", nil)
	change("regenerated", http.MethodPost, "/regenerate", nil)
	change("rotated", http.MethodPost, "/rotate", map[string]any{"overlap": "1h"})
	change("revoked before", http.MethodPost, "/restore", nil)

	p.stop(t, syscall.SIGTERM)

	stopAgain := func(args ...string) (string, string) {
		c := command(t.Context(), append([]string{
			"stop-again", "--table", restored, "--from", "Core", "--since", point,
			"--region", "us-east-1",
		}, args...)...)
		c.Env = append(os.Environ(), "BITTING_LOCAL_KEYS="+filepath.Join(data, "keys"),
			"AWS_ENDPOINT_URL_DYNAMODB="+tables, "AWS_ACCESS_KEY_ID=test",
			"AWS_SECRET_ACCESS_KEY=test")
		var out, faults bytes.Buffer
		c.Stdout, c.Stderr = &out, &faults

		if err := c.Run(); err != nil {
			t.Fatalf("%v\n%s%s", err, &out, &faults)
		}

		return out.String(), faults.String()
	}

	shown, faults := stopAgain()
	if !strings.Contains(faults, "6 keys are to be revoked: --yes does it") ||
		!strings.Contains(faults, "not made again: 2 key.restored") ||
		!strings.Contains(faults, "not made again: 1 key.updated") {
		t.Errorf("before: %s%s", shown, faults)
	}

	if done, faults := stopAgain("--yes"); done != shown ||
		!strings.Contains(faults, "6 keys are revoked") {
		t.Errorf("it showed\n%sand did\n%s%s", shown, done, faults)
	}

	if done, faults := stopAgain("--yes"); done != "" || !strings.Contains(faults, "0 keys are revoked") {
		t.Errorf("repeated: %s%s", done, faults)
	}

	after := start(t, data, "--dynamodb", tables, "--core-table", restored)
	want, got := map[string]int{
		"kept": 200, "renamed": 200, "restored": 200,
		"revoked": 401, "compromised": 401, "disabled": 401, "deleted": 401, "regenerated": 401,
		"rotated": 401,
		// its restoration is not made again: nobody gets more than they had
		"revoked before": 401,
	}, map[string]int{}

	for name, key := range made {
		a := after.As(key.Secret).Call(t, http.MethodGet, "/production/messages", nil)
		got[name] = a.Status
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what keys get on the restored table (-want +got):\n%s", diff)
	}

	// who ended a key is still known, and an old secret never comes back
	for name, want := range map[string]int{
		"revoked": 200, "disabled": 200, "compromised": 409, "regenerated": 409, "rotated": 409,
	} {
		a := after.Admin().Call(t, http.MethodPost,
			"/v1/organizations/acme/keys/"+made[name].Key.ID+"/restore", nil, "If-Match: *")
		if a.Status != want {
			t.Errorf("restoring %s: %d %s", name, a.Status, a.Body)
		}
	}
}
