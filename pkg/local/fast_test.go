package local_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// The profile fast says when a revocation applies everywhere. In the process that makes it, it
// applies at once, as does whatever else a key is changed by, also if nothing is refused by what is
// remembered of it.
func TestFastInOneProcess(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.Profile = "fast"
	runs(t, o, func(m *localtest.Machine) {
		made := m.Admin().CreateKey(t, "acme", map[string]any{
			"name":        "Remembered",
			"environment": "production",
			"permissions": []string{"messages:read"},
		})
		caller := m.As(made.Secret)
		path := "/v1/organizations/acme/keys/" + made.Key.ID

		answers := func(what string, status int) {
			t.Helper()

			for range 2 {
				if got := caller.Call(t, http.MethodGet, "/production/messages", nil).Status; got != status {
					t.Errorf("%s: %d, want %d", what, got, status)
				}
			}
		}

		answers("new", http.StatusOK)

		var revoked api.Revoked

		began := time.Now().UTC().Truncate(time.Millisecond)
		m.Admin().Call(t, http.MethodPost, path+"/revoke", `{}`).Want(t, http.StatusOK).Into(t, &revoked)

		if by := revoked.EffectiveBy.Add(-5 * time.Second); by.Before(began) || by.After(time.Now()) {
			t.Errorf("effective by %v, revoked at %v", revoked.EffectiveBy, began)
		}

		answers("revoked", http.StatusUnauthorized)
		m.Admin().Call(t, http.MethodPost, path+"/restore", nil).Want(t, http.StatusOK)
		answers("restored", http.StatusOK)
		m.Admin().Call(t, http.MethodPatch, path, `{"permissions": []}`).Want(t, http.StatusOK)
		answers("without its permission", http.StatusForbidden)
	})
}
