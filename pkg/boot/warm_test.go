package boot_test

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/core"
	"github.com/bitting-keys/bitting/pkg/store/hot"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// One call fetches what every check needs, of one environment or of all: the first check then reads
// its key and the settings of the key's organization. If the call fails, it reads the rest, too; and
// what was long under way is read again, since its age would count from the end.
func TestWarm(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kit.MustCatalogue(t, permission.Permission{
		Name:   "messages:read",
		Title:  "Read messages",
		Routes: []permission.Route{{API: "demo", Method: "GET", Path: "/messages"}},
	})

	secrets := map[apikey.Environment]apikey.Secret{}
	for _, env := range apikey.Environments() {
		_, secrets[env] = kit.MustKey(t, func(k *apikey.Key) {
			k.Environment = env
			k.Permissions = []string{"messages:read"}
		})
	}

	for name, test := range map[string]struct {
		environment    string
		broken, late   bool
		batches, reads int // at the start
		then           int // reads of the first check
	}{
		"one":    {environment: "production", batches: 1, then: 2},
		"all":    {environment: "*", batches: 1, then: 2},
		"late":   {environment: "staging", late: true, batches: 1, reads: 2, then: 2},
		"broken": {environment: "staging", broken: true, batches: 3, then: 4},
	} {
		small, traffic := kit.Small()
		backend := boot.Backend{
			Peppers:  core.NewPepperRows(small, kit.CoreTable),
			Provider: kit.Provider,
			Meter:    hot.NewMeter(small, kit.HotTable),
			Reader: func(ring *pepper.Keyring) *core.Reader {
				return core.NewReader(small, kit.CoreTable, ring)
			},
		}

		d, err := boot.LoadOver(
			with(map[string]string{
				"BITTING_ENVIRONMENT": test.environment,
				"BITTING_BRAND":       string(storetest.Brand),
			}),
			slog.New(slog.DiscardHandler),
			func(boot.Configuration, boot.Environment) (boot.Backend, error) { return backend, nil })
		if err != nil {
			t.Fatal(err)
		}

		if test.broken {
			traffic.Inject(storetest.Always(storetest.Broken))
		}

		if test.late {
			clock := time.Now()
			d.Now = func() time.Time {
				clock = clock.Add(time.Second)
				return clock
			}
		}

		d.Warm(t.Context())

		batches, reads := traffic.Count("BatchGetItem"), traffic.Count("GetItem")
		if batches != test.batches || reads != test.reads {
			t.Errorf("%s: %d batches and %d reads", name, batches, reads)
		}

		traffic.Inject(nil)
		traffic.Reset()

		env := d.Environments[len(d.Environments)-1]
		if v := d.Checker.Check(t.Context(),
			check.Headers{APIKey: []string{secrets[env].Reveal()}},
			check.Call{API: "demo", Method: "GET", Path: "/messages"},
		); v.Outcome != check.Allowed {
			t.Errorf("%s: %v, %v", name, v.Outcome, v.Err)
		}

		if reads := traffic.Count("GetItem"); reads != test.then {
			t.Errorf("%s: the first check makes %d reads", name, reads)
		}
	}
}

// The connection to KMS is opened while the table is read: here that answers only then.
func TestWarmConnectsMeanwhile(t *testing.T) {
	t.Parallel()

	connected := make(chan struct{})
	kms := httptest.NewUnstartedServer(http.NotFoundHandler())
	kms.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			close(connected)
		}
	}
	kms.Start()
	t.Cleanup(kms.Close)

	var answered atomic.Bool

	dynamodb := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does a server notice that its client has gone

		select {
		case <-connected:
			answered.Store(true)
		case <-r.Context().Done():
		}

		w.WriteHeader(http.StatusBadRequest)
	}))
	t.Cleanup(dynamodb.Close)

	d, err := boot.Load(with(map[string]string{
		"AWS_ENDPOINT_URL_DYNAMODB": dynamodb.URL,
		"AWS_ENDPOINT_URL_KMS":      kms.URL,
	}), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}

	d.Connect(t.Context())
	d.Warm(t.Context())

	if !answered.Load() {
		t.Error("no connection to KMS while the table was read")
	}
}
