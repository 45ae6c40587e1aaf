// Package boot makes a running deployment from its environment: configuration, AWS clients,
// peppers, store and check.
//
// It promises:
//
//   - It is the only reader of environment variables, and names every variable that is missing or
//     wrong.
//   - Making a deployment makes no network call: what a function needs from AWS is fetched on
//     first use, or while Serve starts it.
//
// What it makes can check calls and count them, and needs no more of AWS than that: package full
// adds what only administration needs. It starts the functions that count calls, and ensures that
// the counts are written (see Deployment.Serve). It does not know what a function does with a
// deployment.
package boot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	random "math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
	"github.com/bitting-keys/bitting/pkg/store/core"
	"github.com/bitting-keys/bitting/pkg/store/hot"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// Environment returns the value of an environment variable, "" if it is not set.
type Environment func(name string) string

// Of returns an environment with these variables and no others.
func Of(variables map[string]string) Environment {
	return func(name string) string { return variables[name] }
}

// Configuration is the content of the environment.
type Configuration struct {
	CoreTable string       // BITTING_CORE_TABLE
	HotTable  string       // BITTING_HOT_TABLE
	Brand     apikey.Brand // BITTING_BRAND, "bt" by default
	// BITTING_ENVIRONMENT: the one whose keys are accepted, or "*" for all of them, which is the
	// default if no API is guarded
	Environments []apikey.Environment
	// BITTING_API: the name, in the catalogue's routes, of an API that does not say its own
	API             string
	AdmitKey        string // BITTING_ADMIT_KEY
	SimpleResponses bool   // BITTING_SIMPLE_RESPONSES
	// BITTING_KEY_HEADER: the only header that a key is read from; "" for both
	KeyHeader string
	DocsURL   string // BITTING_DOCS_URL: the address to which a problem's code is appended
	KMSKey    string // BITTING_KMS_KEY
	// BITTING_LOCAL_KEYS: the folder of the local key provider, in place of KMS
	LocalKeys string
	Profile   string // BITTING_PROFILE
	// BITTING_COUNTED_BY: what counts the APIs' calls, "authorizer" by default, or "access_log"
	CountedBy string
	// BITTING_KEY_LIMITS is "off", not "enforced": rate limits and quotas of keys do not apply
	KeyLimitsOff bool
	// BITTING_OIDC_ISSUER: the identity provider; "" without a sign-in
	OIDCIssuer   string
	OIDCAudience string // BITTING_OIDC_AUDIENCE: the client that tokens are for
	// BITTING_SIGN_IN_ORIGINS: what a page calls to sign in besides the issuer, comma-separated
	SignInOrigins []string
	// BITTING_PRODUCTION_URL, BITTING_STAGING_URL, BITTING_DEVELOPMENT_URL: the addresses of the
	// API that keys are for, to show them, by environment
	APIAddresses map[string]string
	// BITTING_GITHUB_KEYS_URL: the keys with which GitHub signs leak reports
	GitHubKeysURL string
}

const defaultGitHubKeysURL = "https://api.github.com/meta/public_keys/secret_scanning"

const defaultDocsURL = "https://github.com/bitting-keys/bitting/blob/main/docs/problems.md#"

// Configure reads the configuration. The error names every variable that is wrong.
func Configure(env Environment) (Configuration, error) {
	c := Configuration{
		CoreTable:       env("BITTING_CORE_TABLE"),
		HotTable:        env("BITTING_HOT_TABLE"),
		Brand:           apikey.Brand(or(env("BITTING_BRAND"), "bt")),
		API:             env("BITTING_API"),
		AdmitKey:        env("BITTING_ADMIT_KEY"),
		SimpleResponses: env("BITTING_SIMPLE_RESPONSES") == "true",
		KeyHeader:       env("BITTING_KEY_HEADER"),
		DocsURL:         or(env("BITTING_DOCS_URL"), defaultDocsURL),
		KMSKey:          env("BITTING_KMS_KEY"),
		LocalKeys:       env("BITTING_LOCAL_KEYS"),
		Profile:         or(env("BITTING_PROFILE"), "strict"),
		CountedBy:       or(env("BITTING_COUNTED_BY"), "authorizer"),
		KeyLimitsOff:    env("BITTING_KEY_LIMITS") == "off",
		OIDCIssuer:      env("BITTING_OIDC_ISSUER"),
		OIDCAudience:    env("BITTING_OIDC_AUDIENCE"),
		GitHubKeysURL:   or(env("BITTING_GITHUB_KEYS_URL"), defaultGitHubKeysURL),
	}
	c.readAddresses(env)

	var faults []error
	if c.CoreTable == "" {
		faults = append(faults, errors.New("BITTING_CORE_TABLE is not set"))
	}

	if c.HotTable == "" {
		faults = append(faults, errors.New("BITTING_HOT_TABLE is not set"))
	}

	if !c.Brand.Valid() {
		faults = append(faults,
			fmt.Errorf("BITTING_BRAND %q is not valid: 2 to 10 lower-case letters and digits, a "+
				"letter first", c.Brand))
	}

	if c.API != "" && !permission.ValidAPI(c.API) {
		faults = append(faults, fmt.Errorf("BITTING_API %q is not valid: at most 32 lower-case "+
			"letters, digits and hyphens, a letter first", c.API))
	}

	switch name := env("BITTING_ENVIRONMENT"); {
	case name != "*" && c.API == permission.AdminAPI:
		// There, every key with some admin permission is admitted, and the operations decide.
		faults = append(faults,
			errors.New("BITTING_API is admin, but BITTING_ENVIRONMENT is not *: only the admin "+
				"API has that name"))
	case name == "" && c.API != "":
		// An authorizer without an environment must not accept the keys of all.
		faults = append(faults,
			errors.New("BITTING_ENVIRONMENT is not set, but BITTING_API is: expected production, "+
				"staging, development or *"))
	case name == "*" || name == "":
		c.Environments = apikey.Environments()
	case apikey.Environment(name).Valid():
		c.Environments = []apikey.Environment{apikey.Environment(name)}
	default:
		faults = append(faults,
			fmt.Errorf("BITTING_ENVIRONMENT %q is not production, staging, development or *", name))
	}

	faults = append(faults,
		oneOf("BITTING_KEY_HEADER", c.KeyHeader, "", "X-Api-Key", "Authorization"),
		oneOf("BITTING_PROFILE", c.Profile, "strict", "fast", "cached"),
		oneOf("BITTING_COUNTED_BY", c.CountedBy, "authorizer", "access_log"),
		oneOf("BITTING_KEY_LIMITS", env("BITTING_KEY_LIMITS"), "", "enforced", "off"),
		oneOf("BITTING_SIMPLE_RESPONSES", env("BITTING_SIMPLE_RESPONSES"), "", "true", "false"))
	if c.Profile == "cached" && c.SimpleResponses {
		faults = append(faults,
			errors.New("BITTING_SIMPLE_RESPONSES is true and BITTING_PROFILE is cached: a simple "+
				"response cannot say when it expires"))
	}

	if c.Profile == "cached" && !c.KeyLimitsOff {
		// API Gateway answers from its cache without a call here, so limits of keys could not be
		// enforced.
		faults = append(faults,
			errors.New("BITTING_PROFILE is cached, but BITTING_KEY_LIMITS is not off: behind API "+
				"Gateway's cache, keys cannot have limits"))
	}

	if _, err := Timeout(env); err != nil {
		faults = append(faults, err)
	}

	if c.OIDCIssuer != "" && c.OIDCAudience == "" {
		faults = append(faults,
			errors.New("BITTING_OIDC_ISSUER is set, but BITTING_OIDC_AUDIENCE is not"))
	}

	if c.KMSKey == "" && c.LocalKeys == "" {
		faults = append(faults, errors.New("BITTING_KMS_KEY is not set"))
	}

	return c, errors.Join(faults...)
}

// oneOf returns the fault of a variable whose value is not one of those listed; nil if it is.
func oneOf(name, value string, values ...string) error {
	if slices.Contains(values, value) {
		return nil
	}

	return fmt.Errorf("%s %q is not %s", name, value,
		strings.TrimPrefix(strings.Join(values, " or "), " or "))
}

// readAddresses reads what only the console tells its page.
func (c *Configuration) readAddresses(env Environment) {
	if origins := env("BITTING_SIGN_IN_ORIGINS"); origins != "" {
		c.SignInOrigins = strings.Split(origins, ",")
	}

	for _, e := range apikey.Environments() {
		address := env("BITTING_" + strings.ToUpper(string(e)) + "_URL")
		if address == "" {
			continue
		}

		if c.APIAddresses == nil {
			c.APIAddresses = map[string]string{}
		}

		c.APIAddresses[string(e)] = address
	}
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}

	return value
}

// Deployment holds what checks and counts calls.
type Deployment struct {
	Configuration
	rows      *core.Reader
	connect   func(ctx context.Context) // the backend's
	Meter     *hot.Meter
	Keyring   *pepper.Keyring
	Catalogue *check.Catalogue
	Checker   *check.Checker
	Memory    *check.Memory // the checker's; nil if nothing is remembered
	// Recorder counts the calls that this process checks; nil in the profile cached, where access
	// logs are counted.
	Recorder *usage.Recorder
	Limits   *limit.Limiter // also for callers without a key
	Metrics  *metric.Set    // nil if nobody wants any
	Logger   *slog.Logger
	Now      func() time.Time
	Wait     func(ctx context.Context, d time.Duration) // until d has passed, or the context ends
}

// Backend is where a deployment has its rows and its keys.
type Backend struct {
	Peppers  pepper.Rows
	Provider pepper.Provider
	Meter    *hot.Meter
	// Connect opens the connections that Warm uses, and returns when the first of them is open.
	Connect func(ctx context.Context)
	// Reader returns the reader of the table core, whose rows are sealed by a keyring.
	Reader func(ring *pepper.Keyring) *core.Reader
}

// maxPolicies is how many policies an instance caches: one for each set of permissions and
// customers in use, not one for each key.
const maxPolicies = 1000

// Load makes a deployment from its environment, which can check and count calls.
func Load(env Environment, logger *slog.Logger) (*Deployment, error) {
	return LoadOver(env, logger, backend)
}

// LoadOver is Load with another backend.
func LoadOver(
	env Environment, logger *slog.Logger, open func(Configuration, Environment) (Backend, error),
) (*Deployment, error) {
	c, err := Configure(env)
	if err != nil {
		return nil, err
	}

	b, err := open(c, env)
	if err != nil {
		return nil, err
	}

	d := &Deployment{
		Configuration: c,
		Meter:         b.Meter,
		connect:       b.Connect,
		Metrics:       metrics(env),
		Logger:        logger,
		Now:           now,
		Wait:          wait,
	}
	d.Keyring = pepper.NewKeyring(b.Peppers, countedProvider{b.Provider, d.Metrics}, d.Now)
	d.rows = b.Reader(d.Keyring)
	d.Catalogue = check.NewCatalogue(countedCatalogue(d.rows.CatalogueReader(c.Environments[0]),
		d.Metrics), d.Now)

	d.Checker = &check.Checker{
		Brand:        c.Brand,
		Environments: c.Environments,
		Keys:         d.rows,
		FirstUses:    d.Meter,
		Peppers:      d.Keyring,
		Catalogue:    d.Catalogue,
		Settings:     check.NewSettingsCache(countedSettings{d.rows, d.Metrics}, d.Now),
		Imports:      check.NewImports(d.rows, d.Now),
		Policies:     policy.NewBuilder(maxPolicies),
		Now:          d.Now,
	}
	if c.Profile == "fast" {
		began := time.Now()
		d.Memory = check.NewMemory(d.Now, func() time.Duration { return time.Since(began) })
		d.Checker.Memory = d.Memory
	}

	if c.Profile != "cached" {
		d.Recorder = usage.NewRecorder(countedUsage{d.Meter, d.Metrics}, instance(), d.Now, logger)
	}

	d.Limits = limit.New(countedLimits{d.Meter, d.Metrics}, d.Now, random.Float64)
	if !c.KeyLimitsOff {
		d.Checker.Limits = limit.Keys{Limiter: d.Limits}
	}

	return d, nil
}

// cacheTime is how long API Gateway keeps an authorizer's answer in the profile cached.
const cacheTime = 300 * time.Second

// CacheTime returns the maximum time that API Gateway keeps an authorizer's answer; 0 without a
// cache.
func (c Configuration) CacheTime() time.Duration {
	if c.Profile == "cached" {
		return cacheTime
	}

	return 0
}

// instance returns a unique name of this process for counting. It is no secret, and asks the kernel
// for nothing at the start.
func instance() string {
	return strconv.FormatUint(random.Uint64(), 36) //nolint:gosec // no secret
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()

	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// now returns the time, in the milliseconds that the store keeps.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// Lambda returns the deployment of the process that Lambda started.
func Lambda() *Deployment { return Configured(Load) }

// Configured returns what load makes of the process's environment. A function that is not
// configured cannot serve: it exits, and Lambda reports that.
func Configured[D any](load func(Environment, *slog.Logger) (D, error)) D {
	logger := slog.New(stamped{lambdacontext.NewLogHandler()})

	d, err := load(os.Getenv, logger)
	if err != nil {
		logger.ErrorContext(context.Background(), "not configured", "error", err)
		os.Exit(1)
	}

	return d
}
