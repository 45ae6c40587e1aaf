package check

import (
	"context"
	"fmt"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/cache"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// SettingsSource reads the runtime settings of organizations.
type SettingsSource interface {
	// RuntimeSettings reads what of an organization bears on the calls of its keys of an
	// environment. Every organization has one: whatever is an error, a missing one too, means that
	// nobody knows.
	RuntimeSettings(
		ctx context.Context, env apikey.Environment, org string,
	) (*organization.RuntimeSettings, error)
}

// maxSettings is of how many organizations a process keeps the settings, of some 300 bytes each:
// more than an instance meets in the ten seconds that one is good for.
const maxSettings = 10_000

// SettingsCache keeps the runtime settings of the organizations whose keys are in use, so that a
// check does not read them. It is safe for concurrent use.
type SettingsCache struct {
	entries *cache.Cache[settingsID, *recent[*organization.RuntimeSettings]]
}

// settingsID names the settings of an organization in an environment.
type settingsID struct {
	environment  apikey.Environment
	organization string
}

// NewSettingsCache returns a cache, each entry of which is read when it is first needed.
func NewSettingsCache(source SettingsSource, now func() time.Time) *SettingsCache {
	return &SettingsCache{cache.New(maxSettings,
		func(of settingsID) *recent[*organization.RuntimeSettings] {
			return &recent[*organization.RuntimeSettings]{
				now: now,
				read: func(
					ctx context.Context, _ *organization.RuntimeSettings,
				) (*organization.RuntimeSettings, error) {
					settings, err := source.RuntimeSettings(ctx, of.environment, of.organization)
					if err != nil {
						return nil, fmt.Errorf("read the runtime settings of organization %s: %w",
							of.organization, err)
					}

					return settings, nil
				},
			}
		})}
}

// Of returns the runtime settings of a key's organization as they were at most ten seconds ago, or
// an error if they could not be read.
func (s *SettingsCache) Of(
	ctx context.Context, k *apikey.Key,
) (*organization.RuntimeSettings, error) {
	return s.entries.Get(settingsID{k.Environment, k.OrganizationID}).current(ctx)
}
