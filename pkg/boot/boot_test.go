package boot_test

import (
	"bytes"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// good returns an authorizer's environment.
func good() map[string]string {
	return map[string]string{
		"AWS_REGION":            "us-east-1",
		"AWS_ACCESS_KEY_ID":     "a",
		"AWS_SECRET_ACCESS_KEY": "b",
		"BITTING_CORE_TABLE":    "core",
		"BITTING_HOT_TABLE":     "hot",
		"BITTING_KMS_KEY":       "key",
		"BITTING_ENVIRONMENT":   "production",
		"BITTING_API":           "demo",
	}
}

// with returns the good environment with some variables changed; "" removes one.
func with(variables map[string]string) boot.Environment {
	out := good()
	maps.Copy(out, variables)
	return boot.Of(out)
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	const docs = "https://github.com/bitting-keys/bitting/blob/main/docs/problems.md#"

	plain := boot.Configuration{
		CoreTable:     "core",
		HotTable:      "hot",
		Brand:         "bt",
		Environments:  []apikey.Environment{apikey.Production},
		API:           "demo",
		DocsURL:       docs,
		KMSKey:        "key",
		Profile:       "strict",
		CountedBy:     "authorizer",
		GitHubKeysURL: "https://api.github.com/meta/public_keys/secret_scanning",
	}
	for name, test := range map[string]struct {
		variables map[string]string
		change    func(*boot.Configuration)
	}{
		"plain": {nil, func(*boot.Configuration) {}},
		"brand": {map[string]string{
			"BITTING_BRAND": "acme2",
		}, func(c *boot.Configuration) { c.Brand = "acme2" }},
		"staging": {map[string]string{
			"BITTING_ENVIRONMENT": "staging",
		}, func(c *boot.Configuration) { c.Environments = []apikey.Environment{apikey.Staging} }},
		"development": {map[string]string{
			"BITTING_ENVIRONMENT": "development",
		}, func(c *boot.Configuration) {
			c.Environments = []apikey.Environment{apikey.Development}
		}},
		"all environments": {map[string]string{
			"BITTING_ENVIRONMENT": "*",
		}, func(c *boot.Configuration) { c.Environments = apikey.Environments() }},
		"no authorizer": {map[string]string{
			"BITTING_ENVIRONMENT": "",
			"BITTING_API":         "",
		}, func(c *boot.Configuration) { c.Environments, c.API = apikey.Environments(), "" }},
		"the rest": {map[string]string{
			"BITTING_ADMIT_KEY":       "admit",
			"BITTING_KEY_HEADER":      "Authorization",
			"BITTING_DOCS_URL":        "https://docs.test/#",
			"BITTING_PROFILE":         "cached",
			"BITTING_KEY_LIMITS":      "off",
			"BITTING_COUNTED_BY":      "access_log",
			"BITTING_GITHUB_KEYS_URL": "https://github.test/keys",
			"BITTING_SIGN_IN_ORIGINS": "https://a.test,https://b.test",
			"BITTING_PRODUCTION_URL":  "https://api.test",
			"BITTING_STAGING_URL":     "https://staging.test",
		}, func(c *boot.Configuration) {
			c.SignInOrigins = []string{"https://a.test", "https://b.test"}
			c.APIAddresses = map[string]string{
				"production": "https://api.test",
				"staging":    "https://staging.test",
			}
			c.GitHubKeysURL = "https://github.test/keys"
			c.AdmitKey = "admit"
			c.KeyHeader = "Authorization"
			c.DocsURL = "https://docs.test/#"
			c.Profile = "cached"
			c.KeyLimitsOff = true
			c.CountedBy = "access_log"
		}},
		"simple responses": {map[string]string{
			"BITTING_SIMPLE_RESPONSES": "true",
		}, func(c *boot.Configuration) { c.SimpleResponses = true }},
		"simple responses off": {map[string]string{
			"BITTING_SIMPLE_RESPONSES": "false",
		}, func(*boot.Configuration) {}},
		"local keys": {map[string]string{
			"BITTING_KMS_KEY":    "",
			"BITTING_LOCAL_KEYS": "keys",
		}, func(c *boot.Configuration) { c.KMSKey, c.LocalKeys = "", "keys" }},
	} {
		want := plain
		test.change(&want)

		got, err := boot.Configure(with(test.variables))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Every variable that is wrong is named, all at once.
func TestConfigureNamesEveryFault(t *testing.T) {
	t.Parallel()
	bad := map[string]string{
		"BITTING_CORE_TABLE":       "",
		"BITTING_HOT_TABLE":        "",
		"BITTING_BRAND":            "B-T",
		"BITTING_API":              "Orders API",
		"BITTING_ENVIRONMENT":      "prod",
		"BITTING_KEY_HEADER":       "x-api-key",
		"BITTING_PROFILE":          "quick",
		"BITTING_KEY_LIMITS":       "no",
		"BITTING_SIMPLE_RESPONSES": "yes",
		"BITTING_AWS_TIMEOUT":      "soon",
		"BITTING_COUNTED_BY":       "nobody",
		"BITTING_KMS_KEY":          "",
	}
	named := func(err error) []string {
		var names []string
		for name := range bad {
			if err != nil && strings.Contains(err.Error(), name) {
				names = append(names, name)
			}
		}

		slices.Sort(names)
		return names
	}

	_, err := boot.Configure(with(bad))
	if diff := cmp.Diff(slices.Sorted(maps.Keys(bad)), named(err)); diff != "" {
		t.Errorf("all at once (-want +got):\n%s", diff)
	}

	for name, value := range bad {
		_, err := boot.Configure(with(map[string]string{name: value}))
		if diff := cmp.Diff([]string{name}, named(err)); diff != "" {
			t.Errorf("%s=%q (-want +got):\n%s", name, value, diff)
		}

		if err != nil && !strings.Contains(err.Error(), value) {
			t.Errorf("%v does not say %q", err, value)
		}
	}
}

// Calls that API Gateway answers from its cache are not counted, so a deployment that would
// enforce limits behind it does not start.
func TestLimitsAreNotEnforcedBehindACache(t *testing.T) {
	t.Parallel()

	for limits, starts := range map[string]bool{"": false, "enforced": false, "off": true} {
		if _, err := boot.Configure(with(map[string]string{
			"BITTING_PROFILE":    "cached",
			"BITTING_KEY_LIMITS": limits,
		})); (err == nil) != starts {
			t.Errorf("limits %q: %v", limits, err)
		}
	}
}

// A simple answer is cached as it is and could not end with the key. Nothing else in the profile
// depends on its form.
func TestSimpleResponsesAreNotForACache(t *testing.T) {
	t.Parallel()

	for profile, starts := range map[string]bool{"strict": true, "fast": true, "cached": false} {
		c, err := boot.Configure(with(map[string]string{
			"BITTING_PROFILE":          profile,
			"BITTING_KEY_LIMITS":       "off",
			"BITTING_SIMPLE_RESPONSES": "true",
		}))
		if (err == nil) != starts {
			t.Errorf("%s: %v", profile, err)
		}

		if want := map[bool]time.Duration{
			true: 300 * time.Second,
		}[profile == "cached"]; c.CacheTime() != want {
			t.Errorf("%s: answers are kept for %v, want %v", profile, c.CacheTime(), want)
		}
	}
}

// Only the profile fast remembers keys: in cached, API Gateway does.
func TestOnlyFastRemembersKeys(t *testing.T) {
	t.Parallel()

	for profile, remembers := range map[string]bool{"strict": false, "fast": true, "cached": false} {
		d, err := boot.Load(with(map[string]string{
			"BITTING_PROFILE":    profile,
			"BITTING_KEY_LIMITS": "off",
		}), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}

		if got := d.Checker.Memory != nil; got != remembers {
			t.Errorf("%s remembers: %v", profile, got)
		}
	}
}

// An authorizer without an environment would accept the keys of all of them.
func TestAuthorizerNeedsItsEnvironment(t *testing.T) {
	t.Parallel()

	if c, err := boot.Configure(with(map[string]string{"BITTING_ENVIRONMENT": ""})); err == nil {
		t.Errorf("it takes keys of %v", c.Environments)
	}

	// The admin API's authorizer leaves what a key may do to the operations; another has none.
	if _, err := boot.Configure(with(map[string]string{"BITTING_API": "admin"})); err == nil {
		t.Error("it guards one environment as the admin API's")
	}
}

// With any parameters of the template, each of its functions is configured, and each authorizer
// for its own environment.
func TestTemplateConfiguresEveryFunction(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile(filepath.Join("..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	all := apikey.Environments()

	guards := map[string][]apikey.Environment{
		"ProductionAuthorizer":  {apikey.Production},
		"StagingAuthorizer":     {apikey.Staging},
		"DevelopmentAuthorizer": {apikey.Development},
		"AdminAuthorizer":       all,
		"Usage":                 all,
	}
	for profile, limits := range map[string]string{
		"strict": "enforced",
		"fast":   "off",
		"cached": "off",
	} {
		for _, api := range []string{"none", "rest", "http"} {
			for _, header := range []string{"X-Api-Key", "Authorization"} {
				read, err := template.Read(text, map[string]string{
					"Profile":   profile,
					"KeyLimits": limits,
					"DemoApi":   api,
					"KeyHeader": header,
					"Brand":     "acme",
				})
				if err != nil {
					t.Fatal(err)
				}

				for id, f := range read.Functions {
					if f.CodeURI == "functions/demo" {
						continue // an example of a user's backend, which needs no configuration
					}

					c, err := boot.Configure(boot.Of(f.Environment))
					if err != nil {
						t.Errorf("%s with %s, %s: %v", id, profile, api, err)
						continue
					}

					if c.KeyLimitsOff != (limits == "off") {
						t.Errorf("%s with limits %s: off %v", id, limits, c.KeyLimitsOff)
					}

					if c.Brand != "acme" || c.CoreTable != "Core" {
						t.Errorf("%s: %+v", id, c)
					}

					environments, guard := guards[id]
					if guard != (c.API != "") ||
						guard && !slices.Equal(environments, c.Environments) {
						t.Errorf("%s guards %q and takes keys of %v", id, c.API, c.Environments)
					}

					// With API Gateway's cache, the key comes from the header that the cache is
					// keyed on.
					want := ""
					if profile == "cached" && c.API == "demo" && f.CodeURI == "authorizer" {
						want = header
					}

					if c.KeyHeader != want {
						t.Errorf("%s with %s reads keys from %q, want %q",
							id, profile, c.KeyHeader, want)
					}
				}
			}
		}
	}
}

// Load makes everything without network calls: nothing listens at these addresses.
func TestLoadMakesNoNetworkCalls(t *testing.T) {
	t.Parallel()

	var log bytes.Buffer
	for name, variables := range map[string]map[string]string{
		"KMS": {
			"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1",
			"AWS_ENDPOINT_URL_KMS":      "http://127.0.0.1:1",
			"AWS_REGION":                "us-east-1",
		},
		"local": {
			"BITTING_LOCAL_KEYS":        t.TempDir(),
			"BITTING_KMS_KEY":           "",
			"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1",
		},
	} {
		d, err := boot.Load(with(variables), slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}

		if d.Meter == nil || d.Keyring == nil || d.Catalogue == nil || d.Checker == nil ||
			d.Logger == nil || d.Now == nil {
			t.Errorf("%s: %+v", name, d)
		}

		if diff := cmp.Diff([]apikey.Environment{apikey.Production},
			d.Checker.Environments); diff != "" {
			t.Errorf("%s: the check's environments (-want +got):\n%s", name, diff)
		}

		if now := d.Now(); now.Nanosecond()%1_000_000 != 0 || now.Location().String() != "UTC" {
			t.Errorf("%s: the clock says %v, which is not what the store keeps", name, now)
		}
	}

	if log.Len() != 0 {
		t.Errorf("logged: %s", &log)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()

	keys := t.TempDir()
	if err := os.WriteFile(filepath.Join(keys, "wrapping.key"),
		make([]byte, 32), 0o644); err != nil {
		t.Fatal(err)
	}

	for name, variables := range map[string]map[string]string{
		"a fault":                {"BITTING_CORE_TABLE": ""},
		"a key that others read": {"BITTING_LOCAL_KEYS": keys},
	} {
		if d, err := boot.Load(with(variables), slog.New(slog.DiscardHandler)); err == nil ||
			d != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
