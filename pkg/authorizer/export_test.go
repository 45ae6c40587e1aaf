package authorizer

import (
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/metric"
)

// MetricOf returns the metric of an outcome.
func MetricOf(o check.Outcome) (metric.Metric, bool) {
	m, ok := outcomes[o]
	return m, ok
}
