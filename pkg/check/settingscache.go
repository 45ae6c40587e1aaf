package check

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/cache"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// SettingsSource reads the runtime settings of organizations.
type SettingsSource interface {
	// RuntimeSettings reads an organization's settings that apply to the calls of its keys of an
	// environment. Every organization has some, so a missing row is an error, too. On error the
	// state is unknown; deny the call.
	RuntimeSettings(
		ctx context.Context, env apikey.Environment, org string,
	) (*organization.RuntimeSettings, error)
}

// maxSettings is the number of organizations whose settings a process keeps, of some 300 bytes
// each: more than an instance meets in the ten seconds for which an entry is valid.
const maxSettings = 10_000

// SettingsCache caches the runtime settings of the organizations whose keys are in use, so that a
// check does not read them. It is safe for concurrent use.
type SettingsCache struct {
	entries *cache.Cache[settingsID, *recentSettings]
	// expected has whose settings the checks of secrets had to wait for
	expected *cache.Cache[fingerprint, *recentSettings]
}

type recentSettings = recent[*organization.RuntimeSettings]

// settingsID identifies the settings of an organization in an environment.
type settingsID struct {
	environment  apikey.Environment
	organization string
}

// NewSettingsCache returns a cache, each entry of which is first read when it is needed.
func NewSettingsCache(source SettingsSource, now func() time.Time) *SettingsCache {
	entry := func(of settingsID) *recentSettings {
		return newRecent(now, func(
			ctx context.Context, _ *organization.RuntimeSettings,
		) (*organization.RuntimeSettings, error) {
			settings, err := source.RuntimeSettings(ctx, of.environment, of.organization)
			if err != nil {
				return nil, fmt.Errorf("read the runtime settings of organization %s: %w",
					of.organization, err)
			}

			return settings, nil
		})
	}

	return &SettingsCache{
		entries:  cache.New(maxSettings, entry),
		expected: cache.New[fingerprint, *recentSettings](maxSettings, nil),
	}
}

// Of returns the runtime settings of the key's organization as they were at most ten seconds ago,
// or an error if they could not be read.
func (s *SettingsCache) Of(
	ctx context.Context, k *apikey.Key,
) (*organization.RuntimeSettings, error) {
	return s.of(k).current(ctx, nil)
}

// of returns the settings of the key's organization, as they were at most ten seconds ago.
func (s *SettingsCache) of(k *apikey.Key) *recentSettings {
	if r, ok := s.entries.Find(settingsID{k.Environment, k.OrganizationID}); ok {
		return r
	}

	// these texts are parts of the key's row, which must not be kept for them
	return s.entries.Get(settingsID{
		environment:  apikey.Environment(strings.Clone(string(k.Environment))),
		organization: strings.Clone(k.OrganizationID),
	})
}
