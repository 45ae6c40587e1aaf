package check

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
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

// SettingsCache keeps the runtime settings of the organizations at hand whose keys are in use, so that a
// check does not read them. It is safe for concurrent use.
type SettingsCache struct {
	source SettingsSource
	now    func() time.Time
	most   int // in a generation

	mu sync.Mutex
	// Two generations: when the newer one is full it becomes the older one, and what was used in
	// neither is forgotten.
	newer, older map[settingsID]*recent[*organization.RuntimeSettings]
}

// settingsID names the settings of an organization in an environment.
type settingsID struct {
	environment  apikey.Environment
	organization string
}

// NewSettingsCache returns a cache, each entry of which is read when it is first needed.
func NewSettingsCache(source SettingsSource, now func() time.Time) *SettingsCache {
	return &SettingsCache{
		source: source,
		now:    now,
		most:   maxSettings / 2,
		newer:  map[settingsID]*recent[*organization.RuntimeSettings]{},
	}
}

// Of returns the runtime settings of a key's organization as it was at most ten seconds ago, or an
// error where it could not be read.
func (s *SettingsCache) Of(
	ctx context.Context, k *apikey.Key,
) (*organization.RuntimeSettings, error) {
	return s.at(settingsID{k.Environment, k.OrganizationID}).current(ctx)
}

// at returns the entry of an organization.
func (s *SettingsCache) at(of settingsID) *recent[*organization.RuntimeSettings] {
	s.mu.Lock()
	defer s.mu.Unlock()

	if r := s.newer[of]; r != nil {
		return r
	}

	r := s.older[of]
	if r == nil {
		r = &recent[*organization.RuntimeSettings]{
			now: s.now,
			read: func(
				ctx context.Context, _ *organization.RuntimeSettings,
			) (*organization.RuntimeSettings, error) {
				standing, err := s.source.RuntimeSettings(ctx, of.environment, of.organization)
				if err != nil {
					return nil, fmt.Errorf("read the standing of organization %s: %w",
						of.organization, err)
				}

				return standing, nil
			},
		}
	}

	if len(s.newer) >= s.most {
		s.newer, s.older = map[settingsID]*recent[*organization.RuntimeSettings]{}, s.newer
	}

	s.newer[of] = r
	return r
}
