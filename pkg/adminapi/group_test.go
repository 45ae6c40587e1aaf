package adminapi_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/adminapi"
)

// Without a group nothing is served: the operations of the document are nobody's.
func TestNoGroupServesNothing(t *testing.T) {
	t.Parallel()

	a := adminapi.New(adminapi.Config{Admin: new(admin.Service)})
	w := httptest.NewRecorder()

	// an operation that everybody may call
	a.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/docs", nil))

	if w.Code != http.StatusNotFound {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// The first calls of an operation may come at once: whichever is the first declares it, for all.
func TestFirstCallsAtOnce(t *testing.T) {
	t.Parallel()

	a := adminapi.New(adminapi.Config{
		Admin: new(admin.Service),
		Group: adminapi.GroupOrganizations,
	})

	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			w := httptest.NewRecorder()
			a.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/docs", nil))

			if w.Code != http.StatusOK {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}

	all.Wait()
}
