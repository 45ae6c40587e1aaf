package authorizer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/localgateway"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// home is the default source address of calls.
const home = "192.0.2.1"

// behind is the template's demo API in the profile cached: API Gateway's cache and gateway
// responses in front of the authorizer, with a clock that the test moves.
type behind struct {
	*storetest.Kit
	gateway   *localgateway.Gateway
	firstUses *usage.FirstUses
	asked     int // how often the authorizer was called
}

// function is a Lambda function.
type function func(ctx context.Context, event []byte) ([]byte, error)

func (f function) Invoke(ctx context.Context, event []byte) ([]byte, error) { return f(ctx, event) }

func behindTheCache(t *testing.T) *behind {
	t.Helper()

	text, err := os.ReadFile(filepath.Join("..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	read, err := template.Read(text, map[string]string{
		"Profile":   "cached",
		"KeyLimits": "off",
		"DemoApi":   "rest",
	})
	if err != nil {
		t.Fatal(err)
	}

	c, err := boot.Configure(boot.Of(read.Functions["ProductionAuthorizer"].Environment))
	if err != nil {
		t.Fatal(err)
	}

	kit, _ := setup(t, nil)
	b := &behind{Kit: kit, firstUses: usage.NewFirstUses(kit.Hot, kit.Log.Logger())}
	a := build(kit, func(config *authorizer.Config) {
		config.AdmitKey = c.AdmitKey
		config.KeyHeader = c.KeyHeader
		config.CacheTime = c.CacheTime()
		config.Checker.Limits = nil
		config.FirstUses = b.firstUses
	})

	b.gateway, err = localgateway.New(localgateway.Config{
		Template: read,
		API:      "DemoProduction",
		Now:      kit.Clock.Now,
		Functions: map[string]lambda.Handler{
			"ProductionAuthorizer": function(func(
				ctx context.Context, event []byte,
			) ([]byte, error) {
				b.asked++
				return a.Invoke(ctx, event)
			}),
			"DemoProductionBackend": function(func(context.Context, []byte) ([]byte, error) {
				return []byte(`{"statusCode":200,"body":""}`), nil
			}),
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	return b
}

// call makes a call with secrets in X-Api-Key, one a line, and returns its result: 200, or the
// status, the problem's code and the permission to ask for.
func (b *behind) call(t *testing.T, method, path, from string, secrets ...string) string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(from), 1234).String()
	r.Header["X-Api-Key"] = secrets
	w := httptest.NewRecorder()
	b.gateway.ServeHTTP(w, r)

	if w.Code == http.StatusOK {
		return "200"
	}

	var p struct {
		Status             int
		Code               string
		RequiredPermission string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}

	return strings.TrimSpace(fmt.Sprint(w.Code, " ", p.Code, " ", p.RequiredPermission))
}

// want makes a call from home, and checks its result and how often the authorizer was called so
// far.
func (b *behind) want(t *testing.T, path string, secret apikey.Secret, want string, asked int) {
	t.Helper()

	if got := b.call(t, "GET", path, home, secret.Reveal()); got != want || b.asked != asked {
		t.Errorf("GET %s after %v: %s with %d questions to the authorizer, want %s with %d", path,
			b.Clock.Now(), got, b.asked, want, asked)
	}
}

// The cache is keyed on everything in a call that a check depends on.
func TestBehindTheCacheEachCallGetsItsOwnAnswer(t *testing.T) {
	t.Parallel()
	networks := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}

	many := make([]string, 80) // more customers than a policy holds
	for i := range many {
		many[i] = fmt.Sprintf("a-customer-whose-name-is-as-long-as-names-may-be-%04d", i)
	}

	type step struct{ method, path, from, want string }
	for name, test := range map[string]struct {
		change func(*apikey.Key)
		org    func(*organization.Organization)
		steps  []step
	}{
		"addresses of the key": {
			change: func(k *apikey.Key) { k.AllowedAddresses = networks },
			steps: []step{
				{"GET", "/messages", home, "200"},
				{
					"GET", "/messages", "203.0.113.9", "401 invalid_key",
				},
				{"GET", "/messages", "2001:db8::1", "401 invalid_key"},
				{"GET", "/messages", "192.0.2.7", "200"},
			},
		},
		"addresses of the organization": {
			org: func(o *organization.Organization) {
				o.Settings.AllowedAddresses = []string{"192.0.2.0/24"}
			},
			steps: []step{
				{"GET", "/messages", home, "200"}, {
					"GET", "/messages", "203.0.113.9", "401 invalid_key",
				}, {"GET", "/messages", home, "200"},
			},
		},
		"customers": {
			change: func(k *apikey.Key) {
				k.Permissions = []string{"customers:read"}
				k.Customers = []string{"42"}
			},
			steps: []step{
				{"GET", "/customers/42", home, "200"}, {
					"GET", "/customers/7", home, "403 customer_not_allowed",
				}, {"GET", "/customers/42", home, "200"},
			},
		},
		"customers, another first": {
			change: func(k *apikey.Key) {
				k.Permissions = []string{"customers:read"}
				k.Customers = []string{"42"}
			},
			steps: []step{
				{"GET", "/customers/7", home, "403 customer_not_allowed"},
				{"GET", "/customers/42", home, "200"},
			},
		},
		"so many customers that each has a policy of its own": {
			change: func(k *apikey.Key) {
				k.Permissions = []string{"customers:read"}
				k.Customers = many
			},
			steps: []step{
				{
					"GET", "/customers/" + many[0], home, "200",
				}, {
					"GET", "/customers/" + many[79], home, "200",
				}, {"GET", "/customers/7", home, "403 customer_not_allowed"},
			},
		},
		"routes below one resource of API Gateway's": {
			change: func(k *apikey.Key) { k.Permissions = []string{"metrics:read"} },
			steps: []step{
				{"GET", "/metrics/a", home, "200"},
				{
					"GET", "/metrics/admin", home, "403 permission_denied metrics:admin",
				},
				{"GET", "/metrics/b/c", home, "200"},
				{"GET", "/metrics/a//b", home, "403 permission_denied"},
			},
		},
		"methods": {
			steps: []step{
				{"GET", "/messages", home, "200"},
				{"POST", "/messages", home, "403 permission_denied messages:write"},
				{"GET", "/messages", home, "200"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := behindTheCache(t)
			b.MustCatalogue(t, append(catalogue(),
				permission.Permission{
					Name:  "metrics:read",
					Title: "x",
					Routes: []permission.Route{{
						API:    "demo",
						Method: "GET",
						Path:   "/metrics/{proxy+}",
					}},
				},
				permission.Permission{
					Name:  "metrics:admin",
					Title: "x",
					Routes: []permission.Route{{
						API:    "demo",
						Method: "GET",
						Path:   "/metrics/admin",
					}},
				})...)

			if test.org != nil {
				b.MustRuntimeSettings(t, "acme", test.org)
			}

			_, secret := b.MustKey(t, test.change)
			for range 2 { // the second time from the cache
				for i, s := range test.steps {
					if got := b.call(t, s.method, s.path, s.from, secret.Reveal()); got != s.want {
						t.Errorf("%d: %s %s from %s: %s, want %s",
							i, s.method, s.path, s.from, got, s.want)
					}
				}
			}
		})
	}
}

// An end that is reached while API Gateway keeps an answer ends that, to the second and never too
// late. Other ends change nothing.
func TestBehindTheCacheAKeyEndsInTime(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		end   time.Duration // of the key, from now on
		after []time.Duration
		want  []string
		asked []int
	}{
		"while it is cached": {
			2 * time.Minute,
			[]time.Duration{
				2*time.Minute - 1, 2 * time.Minute, 5*time.Minute - 1, 5 * time.Minute,
			},
			[]string{
				"200", "403 invalid_key", "403 invalid_key", "401 invalid_key",
			},
			[]int{1, 1, 1, 2},
		},
		"within a second": {
			2*time.Minute + 700*time.Millisecond,
			[]time.Duration{
				2*time.Minute - 1, 2 * time.Minute, 2*time.Minute + 700*time.Millisecond,
			},
			[]string{"200", "403 invalid_key", "403 invalid_key"},
			[]int{1, 1, 1},
		},
		"just as the cache forgets": {
			5 * time.Minute,
			[]time.Duration{5*time.Minute - 1, 5 * time.Minute},
			[]string{"200", "401 invalid_key"},
			[]int{1, 2},
		},
		"later": {
			11 * time.Minute,
			[]time.Duration{
				5*time.Minute - 1, 5 * time.Minute, 10*time.Minute - 1, 10 * time.Minute,
				11 * time.Minute,
			},
			[]string{"200", "200", "200", "200", "403 invalid_key"},
			[]int{1, 2, 2, 3, 3},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := behindTheCache(t)
			begin := b.Clock.Now()
			_, secret := b.MustKey(t, func(k *apikey.Key) { k.ExpiresAt = begin.Add(test.end) })
			b.want(t, "/messages", secret, "200", 1)

			for i, after := range test.after {
				b.Clock.Set(begin.Add(after))
				b.want(t, "/messages", secret, test.want[i], test.asked[i])
			}
		})
	}
}

// A 401 refusal is not cached, so a key works from its start on.
func TestBehindTheCacheAKeyBeginsInTime(t *testing.T) {
	t.Parallel()
	b := behindTheCache(t)
	_, secret := b.MustKey(t, func(k *apikey.Key) { k.NotBefore = b.Clock.Now().Add(time.Minute) })
	b.want(t, "/messages", secret, "401 invalid_key", 1)
	b.Clock.Advance(time.Minute - time.Millisecond)
	b.want(t, "/messages", secret, "401 invalid_key", 2)
	b.Clock.Advance(time.Millisecond)
	b.want(t, "/messages", secret, "200", 3)
}

// The old secret of a rotation ends in time, however its end is counted.
func TestBehindTheCacheAnOldSecretEndsInTime(t *testing.T) {
	t.Parallel()
	b := behindTheCache(t)
	k, old := b.MustKey(t, nil)
	current, fresh := b.Mint(t, apikey.Production, k.ID)
	b.MustChange(t, k, func(k *apikey.Key) {
		if err := k.Rotate(fresh, 2*time.Minute, b.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	})
	b.want(t, "/messages", old, "200", 1)
	b.want(t, "/messages", current, "200", 2)
	b.Clock.Advance(2*time.Minute - time.Millisecond)
	b.want(t, "/messages", old, "200", 2)
	b.Clock.Advance(time.Millisecond)
	b.want(t, "/messages", old, "403 invalid_key", 2)
	b.want(t, "/messages", current, "200", 2)
	b.Clock.Advance(3 * time.Minute)
	b.want(t, "/messages", old, "401 invalid_key", 3)
}

// The first use of a new secret is seen, since nothing of it is cached; the old one ends after the
// overlap. An overlap shorter than the cache time is counted from each answer, so that it never
// lasts too long.
func TestBehindTheCacheAnOverlapFromTheFirstUse(t *testing.T) {
	t.Parallel()
	begin := func(
		t *testing.T, overlap time.Duration,
	) (b *behind, k *apikey.Key, old, current apikey.Secret) {
		b = behindTheCache(t)
		k, old = b.MustKey(t, nil)
		current, fresh := b.Mint(t, apikey.Production, k.ID)
		k = b.MustChange(t, k, func(k *apikey.Key) {
			if err := k.RotateFromFirstUse(fresh, overlap, 24*time.Hour,
				b.Clock.Now()); err != nil {
				t.Fatal(err)
			}
		})
		return b, k, old, current
	}
	t.Run("longer than the cache", func(t *testing.T) {
		t.Parallel()
		b, k, old, current := begin(t, 5*time.Minute)
		b.want(t, "/messages", old, "200", 1)
		b.want(t, "/licenses", current, "403 permission_denied", 2) // not a use
		b.Clock.Advance(time.Minute)
		b.want(t, "/messages", current, "200", 3)
		b.firstUses.Flush()

		if at, err := b.Hot.FirstUse(t.Context(), k); !at.Equal(b.Clock.Now()) || err != nil {
			t.Fatalf("first used at %v, %v", at, err)
		}

		b.Clock.Advance(4 * time.Minute)
		b.want(t, "/messages", old, "200", 4)
		b.Clock.Advance(time.Minute - time.Millisecond)
		b.want(t, "/messages", old, "200", 4)
		b.Clock.Advance(time.Millisecond)
		b.want(t, "/messages", old, "403 invalid_key", 4)
		b.Clock.Advance(4 * time.Minute)
		b.want(t, "/messages", old, "401 invalid_key", 5)
	})
	t.Run("shorter", func(t *testing.T) { // set in another profile
		t.Parallel()
		b, _, old, current := begin(t, time.Minute)
		b.want(t, "/messages", old, "200", 1)
		b.want(t, "/messages", current, "200", 2)
		b.firstUses.Flush()
		b.Clock.Advance(time.Minute)
		b.want(t, "/messages", old, "403 invalid_key", 2)
	})
}

// Every change takes effect within 300 seconds, and within ten more if an instance caches the key
// itself.
func TestBehindTheCacheChangesActInTime(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		change func(*testing.T, *behind, *apikey.Key)
		within time.Duration
		want   string
	}{
		"a key is disabled": {func(t *testing.T, b *behind, k *apikey.Key) {
			b.MustChange(t, k, func(k *apikey.Key) { k.Enabled = false })
		}, 300 * time.Second, "401 invalid_key"},
		"a key is revoked": {func(t *testing.T, b *behind, k *apikey.Key) {
			b.MustChange(t, k, func(k *apikey.Key) {
				k.Revocation = &apikey.Revocation{At: b.Clock.Now()}
			})
		}, 300 * time.Second, "401 invalid_key"},
		"a key is deleted": {func(t *testing.T, b *behind, k *apikey.Key) {
			b.MustChange(t, k, func(k *apikey.Key) { k.Delete(b.Clock.Now()) })
		}, 300 * time.Second, "401 invalid_key"},
		"a key is regenerated": {func(t *testing.T, b *behind, k *apikey.Key) {
			_, other := b.MustKey(t, nil)

			parts, err := storetest.Brand.Parse(other.Reveal())
			if err != nil {
				t.Fatal(err)
			}

			pepper, err := b.Keyring.Current(t.Context(), k.Environment)
			if err != nil {
				t.Fatal(err)
			}

			b.MustChange(t, k, func(k *apikey.Key) {
				err = k.Regenerate(apikey.IssuedSecret{Verifier: apikey.Verifier{
					Hash:   pepper.Hash(parts),
					Pepper: pepper.Version(),
				}}, b.Clock.Now())
			})

			if err != nil {
				t.Fatal(err)
			}
		}, 300 * time.Second, "401 invalid_key"},
		"a key gets addresses": {func(t *testing.T, b *behind, k *apikey.Key) {
			b.MustChange(t, k, func(k *apikey.Key) {
				k.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
			})
		}, 300 * time.Second, "401 invalid_key"},
		"the organization gets addresses": {func(t *testing.T, b *behind, _ *apikey.Key) {
			b.MustRuntimeSettings(t, "acme", func(o *organization.Organization) {
				o.Settings.AllowedAddresses = []string{"198.51.100.0/24"}
			})
		}, 310 * time.Second, "401 invalid_key"},
		"a key begins later": {func(t *testing.T, b *behind, k *apikey.Key) {
			b.MustChange(t, k, func(k *apikey.Key) { k.NotBefore = b.Clock.Now().Add(time.Hour) })
		}, 300 * time.Second, "401 invalid_key"},
		"a permission is taken away": {func(t *testing.T, b *behind, k *apikey.Key) {
			b.MustChange(t, k, func(k *apikey.Key) { k.Permissions = nil })
		}, 300 * time.Second, "403 permission_denied messages:read"},
		"a route leaves the catalogue": {func(t *testing.T, b *behind, _ *apikey.Key) {
			b.MustCatalogue(t, catalogue()[1:]...)
		}, 310 * time.Second, "403 permission_denied"},
		"legacy keys are not accepted": {func(t *testing.T, b *behind, _ *apikey.Key) {
			b.MustRuntimeSettings(t, "acme", func(o *organization.Organization) {
				o.Settings.LegacyKeysAccepted = false
			})
		}, 310 * time.Second, "401 invalid_key"},
		"the organization is deleted": {func(t *testing.T, b *behind, _ *apikey.Key) {
			b.MustRuntimeSettings(t, "acme", func(o *organization.Organization) {
				o.DeletedAt = b.Clock.Now()
			})
		}, 310 * time.Second, "401 invalid_key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := behindTheCache(t)
			k, secret := b.MustKey(t, func(k *apikey.Key) { k.Legacy = true })
			b.want(t, "/messages", secret, "200", 1)
			test.change(t, b, k)
			b.Clock.Advance(test.within)
			b.want(t, "/messages", secret, test.want, 2)
		})
	}
}

// Neither a key of another environment nor an outage leaves an answer for the calls that follow.
func TestBehindTheCacheRefusalsAreNotKept(t *testing.T) {
	t.Parallel()
	b := behindTheCache(t)
	_, good := b.MustKey(t, nil)
	_, other := b.MustKey(t, func(k *apikey.Key) { k.Environment = apikey.Staging })

	for asked := range 2 {
		b.want(t, "/messages", other, "401 invalid_key", asked+1)
	}

	b.Traffic.Inject(storetest.Always(storetest.Broken, "GetItem"))
	b.want(t, "/messages", good, "503 unavailable", 3)
	b.Traffic.Inject(nil)
	b.want(t, "/messages", good, "200", 4)
	b.Traffic.Inject(storetest.Always(storetest.Broken, "GetItem"))
	b.want(t, "/messages", good, "200", 4)
}

// A repeated header is refused if the authorizer sees it. If API Gateway keys its cache on one of
// the values and has an answer for it, the call counts as one with that value, whose secret its
// caller has.
func TestBehindTheCacheAKeyThatIsSentTwice(t *testing.T) {
	t.Parallel()
	b := behindTheCache(t)
	_, good := b.MustKey(t, nil)
	_, other := b.MustKey(t, func(k *apikey.Key) { k.Permissions = nil })
	b.want(t, "/messages", good, "200", 1)

	for _, twice := range [][]string{{good.Reveal(), other.Reveal()}, {good.Reveal(), "x"}} {
		if got := b.call(t, "GET", "/messages", home, twice...); got != "401 invalid_key" {
			t.Errorf("%s", got)
		}
	}

	if got := b.call(t, "GET", "/messages", home, "x", good.Reveal()); got != "200" ||
		b.asked != 3 {
		t.Errorf("%s with %d questions", got, b.asked)
	}
}
