package boot

import (
	"context"

	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// What stands between a deployment's parts and what they use.
var CountedCatalogue = countedCatalogue

func CountedProvider(p pepper.Provider, m *metric.Set) pepper.Provider {
	return countedProvider{p, m}
}

func CountedSettings(s check.SettingsSource, m *metric.Set) check.SettingsSource {
	return countedSettings{s, m}
}

func CountedLimits(s limit.Store, m *metric.Set) limit.Store { return countedLimits{s, m} }

func CountedUsage(w usage.Writer, m *metric.Set) usage.Writer { return countedUsage{w, m} }

// Connect opens the connections that Warm uses.
func (d *Deployment) Connect(ctx context.Context) { d.connect(ctx) }
