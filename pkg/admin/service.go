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
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/secretscan"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/hot"
)

// Config is what a service works with. What only goes on with jobs needs Brand, LimitsOff, Store,
// Hot, Logger, Now and Wait, and no more.
type Config struct {
	Brand     apikey.Brand
	Profile   string        // of revocation
	CacheTime time.Duration // how long API Gateway keeps an authorizer's answer; 0: not at all
	CountedBy string        // who counts calls: authorizer or access_log
	LimitsOff bool          // the deployment enforces no limits of keys
	API       string        // the name of the API that calls are explained for
	Store     *store.Store
	Hot       *hot.Table
	Keyring   *pepper.Keyring
	Checker   *check.Checker
	Limits    *limit.Limiter   // of what is reported without a key
	GitHub    *secretscan.Keys // that sign GitHub's reports
	Logger    *slog.Logger
	Now       func() time.Time
	Wait      func(ctx context.Context, d time.Duration)
	Random    io.Reader // crypto/rand's where it is nil
}

// Service is what admins can do.
type Service struct {
	brand     apikey.Brand
	profile   string
	cacheTime time.Duration
	countedBy string
	limitsOff bool
	explained string
	store     *store.Store
	hot       *hot.Table
	keyring   *pepper.Keyring
	checker   *check.Checker
	limits    *limit.Limiter
	github    *secretscan.Keys
	logger    *slog.Logger
	now       func() time.Time
	wait      func(ctx context.Context, d time.Duration)
	random    io.Reader
}

// New returns a service.
func New(c Config) *Service {
	return &Service{
		brand:     c.Brand,
		profile:   c.Profile,
		cacheTime: c.CacheTime,
		countedBy: c.CountedBy,
		limitsOff: c.LimitsOff,
		explained: c.API,
		store:     c.Store,
		hot:       c.Hot,
		keyring:   c.Keyring,
		checker:   c.Checker,
		limits:    c.Limits,
		github:    c.GitHub,
		logger:    c.Logger,
		now:       c.Now,
		wait:      c.Wait,
		random:    cmp.Or(c.Random, rand.Reader),
	}
}
