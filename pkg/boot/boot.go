// Package boot makes a running deployment of its environment: configuration, AWS clients, peppers,
// store and check.
//
// It promises to be the only reader of environment variables, to name every variable that is
// missing or wrong, and that making a deployment does no network call: what a function needs from
// AWS it fetches when it is first asked for. It starts the functions that count calls, and sees to
// it that what they counted is written (see Deployment.Serve). It does not know what a function
// does with what it gets.
package boot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	jitter "math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/policy"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/hot"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// Environment gives the value of an environment variable, "" where it is not set.
type Environment func(name string) string

// Of returns an environment with these variables and no others.
func Of(variables map[string]string) Environment {
	return func(name string) string { return variables[name] }
}

// Configuration is what the environment says.
type Configuration struct {
	CoreTable string       // BITTING_CORE_TABLE
	HotTable  string       // BITTING_HOT_TABLE
	Brand     apikey.Brand // BITTING_BRAND, "bt" by default
	// BITTING_ENVIRONMENT: the one whose keys are accepted, or "*" for all of them, which is the
	// default where no API is guarded
	Environments []apikey.Environment
	// BITTING_API: the name of the API that the authorizer guards, or that calls are explained for
	API             string
	AdmitKey        string // BITTING_ADMIT_KEY
	SimpleResponses bool   // BITTING_SIMPLE_RESPONSES
	// BITTING_KEY_HEADER: the only header that a key is read from; "" for both
	KeyHeader string
	DocsURL   string // BITTING_DOCS_URL: what a problem's code is appended to
	KMSKey    string // BITTING_KMS_KEY
	// BITTING_LOCAL_KEYS: the folder of the local key provider, in place of KMS
	LocalKeys string
	Profile   string // BITTING_PROFILE
	// BITTING_COUNTED_BY: who counts the APIs' calls, "authorizer" by default, or "access_log"
	CountedBy string
	// BITTING_KEY_LIMITS is "off", not "enforced": rate limits and quotas of keys hold nobody
	KeyLimitsOff bool
	// BITTING_OIDC_ISSUER: who says who people are; "" where nobody signs in
	OIDCIssuer   string
	OIDCAudience string // BITTING_OIDC_AUDIENCE: the client that tokens are for
	// BITTING_GITHUB_KEYS_URL: where the keys are that GitHub signs leak reports with
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

	switch name := env("BITTING_ENVIRONMENT"); {
	case name == "" && c.API != "":
		// What guards an API and is not told its environment must not take the keys of all.
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
		// API Gateway answers from its cache without asking: what a key may be limited to, nobody
		// would hold it to.
		faults = append(faults,
			errors.New("BITTING_PROFILE is cached, but BITTING_KEY_LIMITS is not off: behind API "+
				"Gateway's cache, keys cannot have limits"))
	}

	if _, err := timeout(env); err != nil {
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

// oneOf is the fault of a variable that has another value than those; nil where it has one of them.
func oneOf(name, value string, values ...string) error {
	if slices.Contains(values, value) {
		return nil
	}

	return fmt.Errorf("%s %q is not %s", name, value,
		strings.TrimPrefix(strings.Join(values, " or "), " or "))
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}

	return value
}

// Deployment is what the functions of one deployment share.
type Deployment struct {
	Configuration
	Store     *store.Store
	Hot       *hot.Table
	Scanner   store.Scanner // for upkeep alone
	Keyring   *pepper.Keyring
	Catalogue *check.Catalogue
	Checker   *check.Checker
	// counts the calls that this process checks; nil in the profile cached, where access logs tell
	// of all calls
	Recorder *usage.Recorder
	Limits   *limit.Limiter // also for callers without a key
	Logger   *slog.Logger
	Now      func() time.Time
	Wait     func(ctx context.Context, d time.Duration) // until d is over, or the context
}

// maxPolicies is how many policies an instance keeps: one for each set of permissions and
// customers in use, not one for each key.
const maxPolicies = 1000

// Load makes a deployment of its environment.
func Load(env Environment, logger *slog.Logger) (*Deployment, error) {
	c, err := Configure(env)
	if err != nil {
		return nil, err
	}

	provider, err := provider(c, env)
	if err != nil {
		return nil, err
	}

	d := &Deployment{
		Configuration: c,
		Logger:        logger,
		Now:           now,
		Wait:          wait,
	}
	connection := DynamoDB(env)
	d.Scanner = connection
	peppers := store.NewPeppers(connection, c.CoreTable)
	d.Keyring = pepper.NewKeyring(peppers, provider, d.Now)
	d.Store = store.New(peppers, d.Keyring, logger)
	d.Hot = hot.New(connection, c.HotTable)
	d.Catalogue = check.NewCatalogue(d.Store.CatalogueReader(c.Environments[0]), d.Now)

	d.Checker = &check.Checker{
		Brand:        c.Brand,
		Environments: c.Environments,
		Keys:         d.Store,
		FirstUses:    d.Hot,
		Peppers:      d.Keyring,
		Catalogue:    d.Catalogue,
		Settings:     check.NewSettingsCache(d.Store, d.Now),
		Imports:      check.NewImports(d.Store, d.Now),
		Policies:     policy.NewBuilder(maxPolicies),
		Now:          d.Now,
	}
	if c.Profile != "cached" {
		d.Recorder = usage.NewRecorder(d.Hot, instance(), d.Now, logger)
	}

	d.Limits = limit.New(d.Hot, d.Now, jitter.Float64)
	if !c.KeyLimitsOff {
		d.Checker.Limits = limit.Keys{Limiter: d.Limits}
	}

	return d, nil
}

// cacheTime is how long API Gateway keeps an authorizer's answer in the profile cached.
const cacheTime = 300 * time.Second

// CacheTime is how long API Gateway keeps an authorizer's answer at most; 0 where it keeps none.
func (c Configuration) CacheTime() time.Duration {
	if c.Profile == "cached" {
		return cacheTime
	}

	return 0
}

// instance names this process among all that ever count.
func instance() string { return strings.ToLower(rand.Text()[:16]) }

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()

	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// now is the clock, in the milliseconds that the store keeps.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// Lambda makes the deployment of the process that Lambda started. A function that is not configured
// cannot serve: it ends, and Lambda reports it.
func Lambda() *Deployment {
	logger := slog.New(stamped{lambdacontext.NewLogHandler()})

	d, err := Load(os.Getenv, logger)
	if err != nil {
		logger.ErrorContext(context.Background(), "not configured", "error", err)
		os.Exit(1)
	}

	return d
}
