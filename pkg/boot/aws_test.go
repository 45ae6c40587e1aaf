package boot_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/store"
)

// dynamoDB starts a server that answers every request with a status, or never if that is 0. It
// returns its address and the number of requests.
func dynamoDB(t *testing.T, status int) (url string, requests *atomic.Int64) {
	t.Helper()
	requests = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)

		if status == 0 {
			// only then does a server notice that its client has gone
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return
		}

		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

// A dependency that fails or hangs is tried three times and then given up: the caller of the API
// gets 503, not a timeout.
func TestAttempts(t *testing.T) {
	t.Parallel()

	for name, status := range map[string]int{"broken": 500, "hangs": 0, "refuses": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			url, requests := "http://127.0.0.1:1", &atomic.Int64{}
			if status >= 0 {
				url, requests = dynamoDB(t, status)
			}

			d, err := boot.Load(with(map[string]string{
				"AWS_ENDPOINT_URL_DYNAMODB": url,
			}), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}

			if _, err := d.Checker.Keys.Key(t.Context(), apikey.Production,
				"nobody"); !errors.Is(err, store.ErrUnavailable) {
				t.Error(err)
			}

			// a slow machine may reach the total limit before the third
			if got := requests.Load(); status >= 0 && (got < 2 || got > 3) {
				t.Errorf("%d attempts", got)
			}
		})
	}
}
