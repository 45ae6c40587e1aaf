package authorizer_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// No answer, error or log line contains a secret or text sent in place of one, for any input and
// any outcome.
func TestSecretsStayWhereTheyAre(t *testing.T) {
	t.Parallel()

	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit, a := setup(t, func(c *authorizer.Config) { c.SimpleResponses = kind.simple })
			k, good := kit.MustKey(t, nil)
			_, disabled := kit.MustKey(t, func(k *apikey.Key) { k.Enabled = false })
			_, weak := kit.MustKey(t, func(k *apikey.Key) { k.Permissions = nil })
			_, staging := kit.MustKey(t, func(k *apikey.Key) { k.Environment = apikey.Staging })
			wrong, _ := kit.Mint(t, apikey.Production, k.ID)
			unknown, _ := kit.Mint(t, apikey.Production, "0000000000000000")
			broken, _ := kit.MustKey(t, nil)
			kit.Change(t, "production#"+broken.ID, "key", "seal", nil)
			damaged, _ := kit.Mint(t, apikey.Production, broken.ID)

			const foreign, unimported = "sk_live_Kfj2lDk48dmQpX0aVb7T", "sk_live_Zzj2lDk48dmQpX0aVb7T"
			kit.MustImport(t, foreign, apikey.SHA256, nil)

			outcomes := 0

			see := func(secret string) {
				t.Helper()

				out, err := a.Invoke(t.Context(), []byte(sample(t, kind.event, secret)))
				if err != nil {
					out = append(out, err.Error()...)
				}

				outcomes++

				random := secret[len(secret)-20:]
				if all := string(out) + kit.Log.String(); strings.Contains(all, random) {
					t.Errorf("%s shows: %s", secret, all)
				}
			}
			for _, secret := range []apikey.Secret{
				good, disabled, weak, staging, wrong, unknown, damaged,
			} {
				see(secret.Reveal())
			}

			see("bt_prod_" + good.Reveal()[9:])
			see(good.Reveal() + "x")
			see("x " + good.Reveal()) // not the form of any system
			see(foreign)
			see(unimported)

			for _, fault := range []storetest.Fault{
				storetest.Refused, storetest.Broken, storetest.DropAnswer, storetest.Throttled,
			} {
				kit.Traffic.Inject(storetest.Always(fault))
				see(good.Reveal())
				see(foreign)
			}

			lines := strings.Count(kit.Log.String(), "\n")
			if lines != outcomes {
				t.Errorf("%d log lines for %d checks:\n%s", lines, outcomes, kit.Log)
			}

			for _, outcome := range []string{
				"allowed", "inactive", "permission_denied", "wrong_environment", "wrong_secret",
				"unknown_key", "unavailable", "malformed",
			} {
				if !strings.Contains(kit.Log.String(), `"outcome":"`+outcome+`"`) {
					t.Errorf("no check ended %s:\n%s", outcome, kit.Log)
				}
			}
		})
	}
}

// Allowed calls are logged only at a finer level; a refusal is logged with the key and the reason.
func TestLog(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, nil)
	log := &storetest.Log{}
	a := build(kit, func(c *authorizer.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(log, nil))
	})
	k, secret := kit.MustKey(t, nil)

	event := sample(t, "rest-request", secret.Reveal())
	if _, err := a.Invoke(t.Context(), []byte(event)); err != nil || log.String() != "" {
		t.Errorf("%v: %s", err, log)
	}

	if _, err := a.Invoke(t.Context(),
		[]byte(elsewhere(event, "POST", "/messages", "/messages"))); err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{
		`"level":"INFO"`, `"msg":"check"`, `"outcome":"permission_denied"`,
		`"key_id":"` + k.ID + `"`, `"organization_id":"acme"`,
		`"required_permission":"messages:write"`,
		`"gateway_request_id":"3f1c9f0e-6f9a-4a0b-9a57-2f8f0c1d7e11"`, `"method":"POST"`,
		`"route":"/messages"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in %s", want, log)
		}
	}

	kit.Traffic.Inject(storetest.Always(storetest.Broken))

	if _, err := a.Invoke(t.Context(), []byte(event)); err == nil ||
		!strings.Contains(log.String(), `"level":"ERROR"`) {
		t.Errorf("%v: %s", err, log)
	}
}
