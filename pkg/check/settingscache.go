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
	// expected has the organizations of keys, by their ids, whose checks had to wait for settings
	expected *cache.Cache[string, settingsID]
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
		expected: cache.New(maxSettings, func(string) settingsID { return settingsID{} }),
	}
}

// Expect begins to read the settings that the check of a key will ask for, if an earlier one waited
// for them: a key that is used less often than settings are kept would otherwise wait for two reads
// in each of its checks, one after the other. Until the key is read, its id is only what a caller
// said, so nothing else follows from this.
func (s *SettingsCache) Expect(ctx context.Context, env apikey.Environment, keyID string) {
	if of, known := s.expected.Find(keyID); known && of.environment == env {
		r := s.entries.Get(of)
		r.look(ctx, r.fresh, r.read)
	}
}

// Kept returns what Of does if that need not wait. Otherwise it begins to read the settings, and
// returns nil.
func (s *SettingsCache) Kept(ctx context.Context, k *apikey.Key) *organization.RuntimeSettings {
	r := s.of(k)

	settings, age, _, _ := r.look(ctx, r.fresh, r.read)
	if age >= r.until {
		s.expected.Put(k.ID, settingsID{k.Environment, k.OrganizationID})
		return nil
	}

	return settings
}

// Of returns the runtime settings of the key's organization as they were at most ten seconds ago,
// or an error if they could not be read.
func (s *SettingsCache) Of(
	ctx context.Context, k *apikey.Key,
) (*organization.RuntimeSettings, error) {
	return s.of(k).current(ctx)
}

func (s *SettingsCache) of(k *apikey.Key) *recent[*organization.RuntimeSettings] {
	return s.entries.Get(settingsID{k.Environment, k.OrganizationID})
}
