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
	entries *cache.Cache[settingsID, *recent[*organization.RuntimeSettings]]
	// expected has whose settings the checks of secrets, by their marks, had to wait for
	expected *cache.Cache[mark, settingsID]
}

// settingsID identifies the settings of an organization in an environment.
type settingsID struct {
	environment  apikey.Environment
	organization string
}

// NewSettingsCache returns a cache, each entry of which is first read when it is needed.
func NewSettingsCache(source SettingsSource, now func() time.Time) *SettingsCache {
	entry := func(of settingsID) *recent[*organization.RuntimeSettings] {
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
		expected: cache.New(maxSettings, func(mark) settingsID { return settingsID{} }),
	}
}

// Of returns the runtime settings of the key's organization as they were at most ten seconds ago,
// or an error if they could not be read.
func (s *SettingsCache) Of(
	ctx context.Context, k *apikey.Key,
) (*organization.RuntimeSettings, error) {
	return s.of(settingsOf(k)).current(ctx, nil)
}

// settingsOf returns which settings apply to the calls of a key.
func settingsOf(k *apikey.Key) settingsID { return settingsID{k.Environment, k.OrganizationID} }

// of returns the settings of an organization, as they were at most ten seconds ago.
func (s *SettingsCache) of(id settingsID) *recent[*organization.RuntimeSettings] {
	if r, ok := s.entries.Find(id); ok {
		return r
	}

	return s.entries.Get(id.clone())
}

// clone returns an id of its own: that of a key is part of its row, which must not be kept for it.
func (id settingsID) clone() settingsID {
	return settingsID{
		environment:  apikey.Environment(strings.Clone(string(id.environment))),
		organization: strings.Clone(id.organization),
	}
}
