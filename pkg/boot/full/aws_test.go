package full_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
)

// However many connections DynamoDB closed meanwhile, the next call gets its answer.
func TestClosedConnections(t *testing.T) {
	t.Parallel()

	const connections = 8

	var together sync.WaitGroup // so that each call has a connection of its own

	together.Add(connections)

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		together.Wait()

		_, _ = io.WriteString(w, "{}") // there is no such row
	}))
	t.Cleanup(server.Close)

	d, err := full.Load(boot.Of(map[string]string{
		"AWS_ENDPOINT_URL_DYNAMODB": server.URL,
		"AWS_REGION":                "us-east-1",
		"AWS_ACCESS_KEY_ID":         "a",
		"AWS_SECRET_ACCESS_KEY":     "b",
		"BITTING_AWS_TIMEOUT":       "1m",
		"BITTING_CORE_TABLE":        "core",
		"BITTING_HOT_TABLE":         "hot",
		"BITTING_LOCAL_KEYS":        t.TempDir(),
	}), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}

	call := func() {
		_, err := d.Store.Key(t.Context(), apikey.Production, "nobody")
		if !errors.Is(err, apikey.ErrNotFound) {
			t.Error(err)
		}
	}

	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			together.Done()
			call()
		})
	}

	all.Wait()
	server.CloseClientConnections()
	call()
}
