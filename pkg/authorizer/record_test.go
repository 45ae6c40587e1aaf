package authorizer_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// calls collects the recorded calls.
type calls struct{ all []usage.Call }

func (c *calls) Record(call usage.Call) { c.all = append(c.all, call) }

// Checks what is recorded of a call, for each form of event and each kind of outcome.
func TestRecord(t *testing.T) {
	t.Parallel()

	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorded := &calls{}
			kit, a := setup(t, func(c *authorizer.Config) {
				c.SimpleResponses = kind.simple
				c.Recorder = recorded
			})
			k, secret := kit.MustKey(t, func(k *apikey.Key) {
				k.Permissions = []string{"messages:read", "customers:read"}
				k.Customers = []string{"42"}
			})
			wrong, _ := kit.Mint(t, apikey.Production, k.ID)
			unknown, _ := kit.Mint(t, apikey.Production, "0000000000000000")
			_, elsewhereSecret := kit.MustKey(t, func(k *apikey.Key) {
				k.Environment = apikey.Staging
			})

			type record struct {
				Outcome, Permission, Customer, Route, Path string
				Secret                                     apikey.SecretMatch
			}
			for _, test := range []struct {
				secret                 apikey.Secret
				method, path, resource string
				want                   *record
			}{
				{
					secret, "GET", "/messages/42", "/messages/{messageId}", &record{
						"allowed", "messages:read", "", "/messages/{messageId}", "/messages/42",
						apikey.Current,
					},
				},
				{
					secret, "GET", "/customers/42", "/customers/{customerId}", &record{
						"allowed", "customers:read", "42", "/customers/{customerId}",
						"/customers/42", apikey.Current,
					},
				},
				{
					secret, "GET", "/customers/43", "/customers/{customerId}", &record{
						"customer_not_allowed", "customers:read", "43", "/customers/{customerId}",
						"/customers/43", apikey.Current,
					},
				},
				{
					secret, "POST", "/messages", "/messages", &record{
						"permission_denied", "messages:write", "", "/messages", "/messages",
						apikey.Current,
					},
				},
				{
					wrong, "GET", "/messages/42", "/messages/{messageId}", &record{
						"wrong_secret", "", "", "/messages/{messageId}", "/messages/42",
						apikey.Unknown,
					},
				},
				{unknown, "GET", "/messages/42", "/messages/{messageId}", nil},
				{elsewhereSecret, "GET", "/messages/42", "/messages/{messageId}", nil},
			} {
				recorded.all = nil
				event := elsewhere(sample(t, kind.event, test.secret.Reveal()), test.method,
					test.path, test.resource)
				_, _ = a.Invoke(t.Context(), []byte(event)) // refused or not

				var got *record
				for _, c := range recorded.all {
					if c.Environment != apikey.Production || c.KeyID != k.ID ||
						c.OrganizationID != "acme" || c.KeyVersion != 1 || c.API != "demo" ||
						c.Method != test.method || c.At != kit.Clock.Now() {
						t.Errorf("%s: %+v", test.path, c)
					}

					if name != "REST TOKEN" &&
						(c.SourceIP != netip.MustParseAddr("203.0.113.7") ||
							c.UserAgent != "curl/8.14.1" || c.RequestID == "") {
						t.Errorf("%s: from %v, %q, id %q",
							test.path, c.SourceIP, c.UserAgent, c.RequestID)
					}

					got = &record{string(c.Outcome), c.Permission, c.Customer, c.Route, c.Path, c.Secret}
				}

				if name == "REST TOKEN" && test.want != nil && test.want.Secret == apikey.Unknown {
					test.want.Route = "" // the event has none
				}

				if diff := cmp.Diff(test.want, got); diff != "" || len(recorded.all) > 1 {
					t.Errorf("%s with %v, %d records (-want +got):\n%s", test.path, test.secret,
						len(recorded.all), diff)
				}
			}
		})
	}
}

// A rotation's old and new secret, and a secret that has ended.
func TestRecordSecrets(t *testing.T) {
	t.Parallel()
	recorded := &calls{}
	kit, a := setup(t, func(c *authorizer.Config) { c.Recorder = recorded })
	k, old := kit.MustKey(t, nil)
	next, fresh := kit.Mint(t, k.Environment, k.ID)
	started := kit.Clock.Now()
	kit.MustChange(t, k, func(k *apikey.Key) {
		if err := k.Rotate(fresh, time.Hour, started); err != nil {
			t.Fatal(err)
		}
	})

	for i, want := range []apikey.SecretMatch{apikey.Old, apikey.Current, apikey.Retired} {
		if i == 2 {
			kit.Clock.Advance(2 * time.Hour)
		}

		secret := []apikey.Secret{old, next, old}[i]
		// refused or not
		_, _ = a.Invoke(t.Context(), []byte(sample(t, "rest-request", secret.Reveal())))
		if got := recorded.all[len(recorded.all)-1]; got.Secret != want ||
			!got.Rotation.Equal(started) {
			t.Errorf("call %d: secret %v of the rotation of %v, want %v", i, got.Secret,
				got.Rotation, want)
		}
	}
}

// A call waits for no write of its counts, and a later write cannot make it fail.
func TestRecordAwaitsNoWrite(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, nil)
	r := usage.NewRecorder(kit.Hot, "i1", kit.Clock.Now, slog.New(slog.DiscardHandler))
	a := build(kit, func(c *authorizer.Config) { c.Recorder = r })
	k, secret := kit.MustKey(t, nil)

	event := []byte(sample(t, "rest-request", secret.Reveal()))
	if _, err := a.Invoke(t.Context(), event); err != nil { // reads the catalogue
		t.Fatal(err)
	}

	kit.Traffic.Reset()
	kit.Traffic.Inject(storetest.Always(storetest.Refused, "UpdateItem"))

	for range 100 {
		if _, err := a.Invoke(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	}

	operations := slices.Compact(storetest.Operations(kit.Traffic.Requests()))
	if diff := cmp.Diff([]string{"GetItem"}, operations); diff != "" || kit.Traffic.Count() != 100 {
		t.Errorf("%d requests for 100 calls (-want +got):\n%s", kit.Traffic.Count(), diff)
	}

	if err := r.FlushDue(t.Context()); err == nil {
		t.Error("a write succeeded that was refused")
	}

	kit.Traffic.Inject(nil)

	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}

	hours, err := kit.Hot.Usage(t.Context(), usage.KeyScope(k.Environment, k.ID),
		kit.Clock.Now().Truncate(time.Hour), kit.Clock.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}

	for _, c := range hours {
		if got := c.Totals().Allowed; got != 101 {
			t.Errorf("%d calls are counted", got)
		}
	}
}

// Everyone who sees a key can read its calls, so a secret that is in a path or a user agent by
// mistake is not stored.
func TestRecordHoldsNoSecret(t *testing.T) {
	t.Parallel()
	recorded := &calls{}
	kit, a := setup(t, func(c *authorizer.Config) { c.Recorder = recorded })
	const foreign = "sk_live_Kfj2lDk48dmQpX0aVb7T"
	kit.MustImport(t, foreign, apikey.SHA256, nil)
	_, own := kit.MustKey(t, nil)
	_, another := kit.MustKey(t, nil)
	encoded := func(text string) string { // with every letter encoded, as a path may contain it
		return "%" + strings.ToUpper(strings.TrimSpace(strings.ReplaceAll(fmt.Sprintf("% x", text),
			" ", "%")))
	}

	underscores := func(text string) string { return strings.ReplaceAll(text, "_", "%5f") }
	for _, test := range []struct{ sent, placed, want string }{
		{
			own.Reveal(), underscores(own.Reveal()), "[secret]",
		},
		{own.Reveal(), encoded(another.Reveal()), "[secret]"},
		{own.Reveal(), strings.ReplaceAll(underscores(another.Reveal()), "%", "%25"), "[secret]"},
		{foreign, underscores(foreign), "[secret]"},
		{foreign, encoded(foreign), "[secret]"},
		{own.Reveal(), own.Reveal(), "[secret]"},
		{
			own.Reveal(), another.Reveal(), "[secret]",
		},
		{own.Reveal(), another.Reveal()[:40], "[secret]"},
		{own.Reveal(), another.Reveal()[:12] + "%2D" + another.Reveal()[12:], "[secret]"},
		{own.Reveal(), another.Reveal()[:12] + "%00" + another.Reveal()[12:], "[secret]"},
		{own.Reveal(), strings.ReplaceAll(another.Reveal(), "_", "."), "[secret]"},
		{own.Reveal(), another.Reveal()[len(another.Reveal())-38:], "[secret]"},
		{foreign, foreign, "[secret]"},
		{foreign, own.Reveal(), "[secret]"},
		{own.Reveal(), "42", "42"},
	} {
		for _, name := range []string{"rest-request", "http-2"} {
			recorded.all = nil
			event := elsewhere(sample(t, name, test.sent), "GET", "/messages/"+test.placed,
				"/messages/{messageId}")
			event = strings.NewReplacer(
				"curl/8.14.1", "curl/"+test.placed,
				"VQ1x2jKLIAMEPLA=", test.placed, // request ids, which a client may choose
				"3f1c9f0e-6f9a-4a0b-9a57-2f8f0c1d7e11", test.placed,
			).Replace(event)

			_, _ = a.Invoke(t.Context(), []byte(event)) // refused or not
			if len(recorded.all) != 1 {
				t.Fatalf("%s: %d calls are recorded", name, len(recorded.all))
			}

			if c := recorded.all[0]; c.Path != "/messages/"+test.want ||
				c.UserAgent != "curl/"+test.want || c.RequestID != test.want ||
				c.Route != "/messages/{messageId}" {
				t.Errorf("%s: route %s, path %s by %s, request %s", name, c.Route, c.Path,
					c.UserAgent, c.RequestID)
			}

			event = elsewhere(sample(t, name, test.sent), "GET", "/customers/"+test.placed,
				"/customers/{customerId}")
			_, _ = a.Invoke(t.Context(), []byte(event)) // refused or not

			customer := test.want
			if strings.Contains(test.placed, "%") {
				customer = "" // no path with such an escape names one
			}

			if c := recorded.all[len(recorded.all)-1]; len(recorded.all) != 2 ||
				c.Customer != customer {
				t.Errorf("%s: %d calls are recorded, the last of the customer %s", name,
					len(recorded.all), c.Customer)
			}
		}
	}
}
