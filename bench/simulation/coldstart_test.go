package simulation_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/http1"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// instances is how many start in the storm.
const instances = 1000

// counter counts requests to DynamoDB by what they read, on the way to the stand-in.
type counter struct {
	*httptest.Server

	mu    sync.Mutex
	reads map[string]int
}

func newCounter(t *testing.T, endpoint string) *counter {
	t.Helper()

	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}

	c := &counter{reads: map[string]int{}}
	behind := httputil.NewSingleHostReverseProxy(target)
	behind.Transport = new(http1.Transport) // net/http's own cuts an answer in a thousand: see bench/crowd

	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))

		var in struct {
			Key map[string]struct{ S string }
		}

		_ = json.Unmarshal(body, &in)
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")

		c.mu.Lock()
		c.reads[operation+" "+in.Key["sk"].S]++
		c.mu.Unlock()

		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(c.Close)

	return c
}

// storm starts instances, each of which checks a call of the same key until it is decided, at most
// so many times. It returns what the first check of each came to, and how many calls were never
// decided.
func storm(t *testing.T, env map[string]string, secret apikey.Secret, tries int) (map[string]int, int) {
	t.Helper()

	var (
		mu    sync.Mutex
		first = map[string]int{}
		never int
		all   errgroup.Group
	)

	all.SetLimit(50)

	for range instances {
		all.Go(func() error {
			d, err := boot.Load(boot.Of(env), slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}

			d.Warm(t.Context())

			for try := range tries {
				v := d.Checker.Check(t.Context(), check.Headers{APIKey: []string{secret.Reveal()}},
					check.Call{API: "demo", Method: "GET", Path: "/messages"})

				mu.Lock()

				if try == 0 {
					first[string(v.Outcome)]++
				}

				if v.Outcome != check.Allowed && try == tries-1 {
					never++
				}

				mu.Unlock()

				if v.Outcome != check.Unavailable {
					break
				}
			}

			return nil
		})
	}

	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}

	return first, never
}

// A thousand instances that start at once ask once for each thing that they need. If KMS throttles,
// calls are 503 and never 401, and an instance asks again at its next call.
func TestStormOfColdStarts(t *testing.T) {
	t.Parallel()

	keys := newKeyService(t)
	kit := storetest.New(t)
	kit.Provider = keys.provider()
	kit.Process = *kit.Restart()
	kit.MustCatalogue(t, permission.Permission{
		Name:   "messages:read",
		Title:  "Read",
		Routes: []permission.Route{{API: "demo", Method: "GET", Path: "/messages"}},
	})

	_, secret := kit.MustKey(t, nil)

	env := map[string]string{
		"AWS_ENDPOINT_URL_KMS":  keys.URL,
		"AWS_REGION":            "us-east-1",
		"AWS_ACCESS_KEY_ID":     "a",
		"AWS_SECRET_ACCESS_KEY": "b",
		"BITTING_AWS_TIMEOUT":   "1m", // the stand-in is slower than DynamoDB
		"BITTING_CORE_TABLE":    kit.CoreTable,
		"BITTING_HOT_TABLE":     kit.HotTable,
		"BITTING_KMS_KEY":       "key",
		"BITTING_ENVIRONMENT":   "production",
		"BITTING_API":           "demo",
		"BITTING_PROFILE":       "strict",
	}

	for _, test := range []struct {
		takesOnly int
		tries     int
	}{{0, 1}, {5, 100}} {
		counted := newCounter(t, *kit.Client.Options().BaseEndpoint)
		with := maps.Clone(env)
		with["AWS_ENDPOINT_URL_DYNAMODB"] = counted.URL
		keys.takesOnly, keys.decrypts, keys.throttled = test.takesOnly, 0, 0

		first, never := storm(t, with, secret, test.tries)
		t.Logf("KMS takes one of %d: %v at first, %d never; %d Decrypt, %d throttled; %v",
			max(1, test.takesOnly), first, never, keys.decrypts, keys.throttled, counted.reads)

		if never > 0 || first["allowed"]+first["unavailable"] != instances {
			t.Errorf("KMS takes one of %d: %v at first, %d never decided", test.takesOnly, first, never)
		}

		if test.takesOnly > 0 {
			// each instance needs one that succeeds, however many fail
			if got := keys.decrypts - keys.throttled; got != instances {
				t.Errorf("%d of %d Decrypt succeeded, want one for each instance", got, keys.decrypts)
			}

			continue
		}

		want := map[string]int{
			"BatchGetItem ":    instances, // the peppers and the catalogue
			"GetItem key":      instances,
			"GetItem settings": instances,
		}
		if diff := cmp.Diff(want, counted.reads); diff != "" || keys.decrypts != instances {
			t.Errorf("%d Decrypt and (-want +read):\n%s", keys.decrypts, diff)
		}
	}
}
