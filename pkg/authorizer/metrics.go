package authorizer

import (
	"context"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/metric"
)

// outcomes are the metrics of the outcomes.
var outcomes = map[check.Outcome]metric.Metric{
	check.Allowed:            metric.Allowed,
	check.PermissionDenied:   metric.PermissionDenied,
	check.RateLimited:        metric.RateLimited,
	check.QuotaExceeded:      metric.QuotaExceeded,
	check.Inactive:           metric.Inactive,
	check.Expired:            metric.Expired,
	check.NotYetValid:        metric.NotYetValid,
	check.AddressNotAllowed:  metric.AddressNotAllowed,
	check.CustomerNotAllowed: metric.CustomerNotAllowed,
	check.PathNotSupported:   metric.PathNotSupported,
	check.WrongSecret:        metric.WrongSecret,
	check.RetiredSecret:      metric.RetiredSecret,
	check.Unavailable:        metric.Unavailable,
	check.NoKey:              metric.NoKey,
	check.Malformed:          metric.Malformed,
	check.WrongEnvironment:   metric.WrongEnvironment,
	check.UnknownKey:         metric.UnknownKey,
	check.Ambiguous:          metric.AmbiguousKey,
}

// count counts a call that began at a time.
func (a *Authorizer) count(m metric.Metric, began time.Time) {
	if a.metrics == nil {
		return
	}

	a.metrics.Turn()
	a.metrics.Add(metric.Checks, 1)
	a.metrics.Add(m, 1)
	a.metrics.Observe(metric.CheckLatency, a.checker.Now().Sub(began))
}

// timedKeys measures how long a key takes to be read.
type timedKeys struct {
	check.Keys

	metrics *metric.Set
	now     func() time.Time
}

// Key implements check.Keys.
func (k timedKeys) Key(
	ctx context.Context, env apikey.Environment, id string,
) (*apikey.Key, error) {
	if k.metrics == nil {
		return k.Keys.Key(ctx, env, id)
	}

	began := k.now()
	key, err := k.Keys.Key(ctx, env, id)
	k.metrics.Observe(metric.ReadLatency, k.now().Sub(began))
	return key, err
}
