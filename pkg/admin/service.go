package admin

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/secretscan"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/hot"
)

// Config configures a service. A Worker needs only Brand, LimitsOff, Store, Hot, Logger, Now and
// Wait, and Memory if there is one.
type Config struct {
	Brand     apikey.Brand
	Profile   string        // of revocation
	CacheTime time.Duration // how long API Gateway caches an authorizer's answer; 0: not at all
	CountedBy string        // what counts calls: authorizer or access_log
	LimitsOff bool          // the deployment does not enforce limits of keys
	API       string        // the name of the API that calls are explained for
	Store     *store.Store
	Hot       *hot.Table
	Keyring   *pepper.Keyring
	Checker   *check.Checker
	Memory    *check.Memory    // forgets keys after each change; nil if nothing is remembered
	Limits    *limit.Limiter   // for reports without a key
	GitHub    *secretscan.Keys // that verify GitHub's reports
	Metrics   *metric.Set
	Logger    *slog.Logger
	Now       func() time.Time
	Wait      func(ctx context.Context, d time.Duration)
	Random    io.Reader // crypto/rand's if nil
}

// Service implements what admins do, as services that share a gate: Open, which every call passes.
type Service struct {
	*core
	*KeyService
	*LeakService
	*OrganizationService
	*ReportService
	*JobService
}

// New returns a service.
func New(c Config) *Service {
	shared := &core{
		brand:     c.Brand,
		limitsOff: c.LimitsOff,
		store:     c.Store,
		memory:    c.Memory,
		hot:       c.Hot,
		keyring:   c.Keyring,
		logger:    c.Logger,
		now:       c.Now,
		wait:      c.Wait,
		random:    cmp.Or(c.Random, rand.Reader),
	}
	jobs := &JobService{core: shared, metrics: c.Metrics}
	keys := &KeyService{core: shared, jobs: jobs, profile: c.Profile, cacheTime: c.CacheTime}
	organizations := &OrganizationService{core: shared, keys: keys, jobs: jobs}

	jobs.plans = map[job.Kind]func(*job.Job) (*plan, error){
		job.Bulk:               keys.bulkPlan,
		job.DeleteCustomer:     organizations.customerPlan,
		job.DeleteOrganization: organizations.deletionPlan,
		job.RemoveMember:       organizations.removalPlan,
	}
	return &Service{
		core:       shared,
		KeyService: keys,
		LeakService: &LeakService{
			core:    shared,
			checker: c.Checker,
			limits:  c.Limits,
			github:  c.GitHub,
		},
		OrganizationService: organizations,
		ReportService: &ReportService{
			core:      shared,
			checker:   c.Checker,
			profile:   c.Profile,
			countedBy: c.CountedBy,
			explained: c.API,
		},
		JobService: jobs,
	}
}

// core holds what the services share: the gate, changes and their history.
type core struct {
	brand     apikey.Brand
	limitsOff bool
	store     *store.Store
	memory    *check.Memory
	hot       *hot.Table
	keyring   *pepper.Keyring
	logger    *slog.Logger
	now       func() time.Time
	wait      func(ctx context.Context, d time.Duration)
	random    io.Reader
}

// KeyService makes, changes and ends keys, single ones and many at once.
type KeyService struct {
	*core

	jobs      *JobService
	profile   string
	cacheTime time.Duration
}

// LeakService stops keys whose secrets were found in public.
type LeakService struct {
	*core

	checker *check.Checker
	limits  *limit.Limiter
	github  *secretscan.Keys
}

// OrganizationService manages organizations, their members and customers, and the catalogue of
// permissions.
type OrganizationService struct {
	*core

	keys *KeyService
	jobs *JobService
}

// ReportService reports what keys did, and why, and who the caller is.
type ReportService struct {
	*core

	checker   *check.Checker
	profile   string
	countedBy string
	explained string // the name of the API that calls are explained for
}

// JobService makes changes that take longer than one call.
type JobService struct {
	*core

	metrics *metric.Set
	plans   map[job.Kind]func(*job.Job) (*plan, error)
}
