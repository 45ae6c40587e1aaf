package boot

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// metrics returns where the process counts, under the stack's name, which is BITTING_METRICS; nil
// without one. Lines go where log lines go.
func metrics(env Environment) *metric.Set {
	stack := env("BITTING_METRICS")
	if stack == "" {
		return nil
	}

	return metric.New(metric.Config{
		Stack:    stack,
		Function: env("AWS_LAMBDA_FUNCTION_NAME"),
		Level:    or(env("AWS_LAMBDA_LOG_LEVEL"), "INFO"),
		Now:      now,
		Out:      os.Stdout,
	})
}

// flushMetrics writes metrics if it is time.
func (d *Deployment) flushMetrics() {
	d.measure()
	d.Metrics.FlushDue()
}

// metricsPause is how long an instance without calls waits before it looks whether metrics are due.
const metricsPause = 10 * time.Second

// tickMetrics writes metrics without a call, as long as the instance is not frozen.
func (d *Deployment) tickMetrics(ctx context.Context) {
	for ctx.Err() == nil {
		d.Wait(ctx, metricsPause)
		d.flushMetrics()
	}
}

// measure records what is not counted, but is as it is.
func (d *Deployment) measure() {
	if d.Recorder != nil && d.Metrics != nil {
		d.Metrics.Raise(metric.UsageBehind, int64(d.Recorder.Behind().Seconds()))
	}
}

// Start starts the Lambda function of a handler that needs no work after its answers. It returns
// only when Lambda ends the process.
func (d *Deployment) Start(handler lambda.Handler) { lambda.Start(counted{handler, d}) }

// counted writes metrics before its answers: a line a minute at most.
type counted struct {
	lambda.Handler

	deployment *Deployment
}

// Invoke implements lambda.Handler.
func (c counted) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	defer func() {
		c.deployment.measure()
		c.deployment.Metrics.FlushSoon()
	}()

	return c.Handler.Invoke(ctx, payload)
}

// failed counts an error, and returns it.
func failed(metrics *metric.Set, m metric.Metric, err error) error {
	if err != nil {
		metrics.Add(m, 1)
	}

	return err
}

// countedProvider counts calls of KMS.
type countedProvider struct {
	pepper.Provider

	metrics *metric.Set
}

// Unwrap implements pepper.Provider.
func (p countedProvider) Unwrap(
	ctx context.Context, s pepper.Scope, wrapped []byte,
) ([]byte, error) {
	p.metrics.Add(metric.Unwraps, 1)
	plain, err := p.Provider.Unwrap(ctx, s, wrapped)
	return plain, failed(p.metrics, metric.UnwrapFailures, err)
}

// countedCatalogue counts failed reads of the catalogue, which checks do without for some seconds.
func countedCatalogue(read check.ReadCatalogue, metrics *metric.Set) check.ReadCatalogue {
	return func(ctx context.Context) ([]permission.Permission, int64, error) {
		permissions, version, err := read(ctx)
		return permissions, version, failed(metrics, metric.RefreshFailures, err)
	}
}

// countedSettings counts failed reads of the settings of organizations, likewise.
type countedSettings struct {
	check.SettingsSource

	metrics *metric.Set
}

// RuntimeSettings implements check.SettingsSource.
func (s countedSettings) RuntimeSettings(
	ctx context.Context, env apikey.Environment, org string,
) (*organization.RuntimeSettings, error) {
	settings, err := s.SettingsSource.RuntimeSettings(ctx, env, org)
	return settings, failed(s.metrics, metric.RefreshFailures, err)
}

// countedLimits counts leases of limits: what was taken, what others were faster at, and what
// failed. Calls that are given back are none.
type countedLimits struct {
	limit.Store

	metrics *metric.Set
}

// ReadLimits implements limit.Store.
func (l countedLimits) ReadLimits(ctx context.Context, s limit.Subject) (*limit.State, error) {
	state, err := l.Store.ReadLimits(ctx, s)
	return state, failed(l.metrics, metric.LimitFailures, err)
}

// ChargeLimits implements limit.Store.
func (l countedLimits) ChargeLimits(
	ctx context.Context, s limit.Subject, c limit.Charge,
) (*limit.State, bool, error) {
	state, made, err := l.Store.ChargeLimits(ctx, s, c)
	if c.Return.Of != limit.Only {
		l.count(made, err)
	}

	return state, made, err
}

// ReplaceLimits implements limit.Store.
func (l countedLimits) ReplaceLimits(
	ctx context.Context, s limit.Subject, was, next *limit.State,
) (*limit.State, bool, error) {
	state, made, err := l.Store.ReplaceLimits(ctx, s, was, next)
	l.count(made, err)
	return state, made, err
}

func (l countedLimits) count(made bool, err error) {
	switch {
	case err != nil:
		l.metrics.Add(metric.LimitFailures, 1)
	case made:
		l.metrics.Add(metric.LimitLeases, 1)
	default:
		l.metrics.Add(metric.LimitConflicts, 1)
	}
}

// countedUsage counts failed writes of usage, which are repeated.
type countedUsage struct {
	usage.Writer

	metrics *metric.Set
}

// PutUsage implements usage.Writer.
func (u countedUsage) PutUsage(ctx context.Context, row usage.Row) error {
	return failed(u.metrics, metric.UsageFailures, u.Writer.PutUsage(ctx, row))
}

// PutJournal implements usage.Writer.
func (u countedUsage) PutJournal(ctx context.Context, j usage.Journal) error {
	return failed(u.metrics, metric.UsageFailures, u.Writer.PutJournal(ctx, j))
}
