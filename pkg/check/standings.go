package check

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// StandingSource reads the standings of organizations.
type StandingSource interface {
	// Standing reads what of an organization bears on the calls of its keys of an environment.
	// Every organization has one: whatever is an error, a missing one too, means that nobody knows.
	Standing(
		ctx context.Context, env apikey.Environment, org string,
	) (*organization.Standing, error)
}

// keptStandings is how many standings a process keeps, of some 300 bytes each: more than an
// instance meets in the ten seconds that one is good for.
const keptStandings = 10_000

// Standings keeps the standings of the organizations at hand whose keys are in use, so that a check
// does not read them. It is safe for concurrent use.
type Standings struct {
	source StandingSource
	now    func() time.Time
	most   int // in a generation

	mu sync.Mutex
	// Two generations: when the newer one is full it becomes the older one, and what was used in
	// neither is forgotten.
	newer, older map[standingOf]*recent[*organization.Standing]
}

// standingOf names a standing.
type standingOf struct {
	environment  apikey.Environment
	organization string
}

// NewStandings returns standings, each of which is read when it is first needed.
func NewStandings(source StandingSource, now func() time.Time) *Standings {
	return &Standings{
		source: source,
		now:    now,
		most:   keptStandings / 2,
		newer:  map[standingOf]*recent[*organization.Standing]{},
	}
}

// Of returns the standing of a key's organization as it was at most ten seconds ago, or an error
// where it could not be read.
func (s *Standings) Of(ctx context.Context, k *apikey.Key) (*organization.Standing, error) {
	return s.at(standingOf{k.Environment, k.OrganizationID}).current(ctx)
}

// at returns the place of a standing.
func (s *Standings) at(of standingOf) *recent[*organization.Standing] {
	s.mu.Lock()
	defer s.mu.Unlock()

	if r := s.newer[of]; r != nil {
		return r
	}

	r := s.older[of]
	if r == nil {
		r = &recent[*organization.Standing]{
			now: s.now,
			read: func(
				ctx context.Context, _ *organization.Standing,
			) (*organization.Standing, error) {
				standing, err := s.source.Standing(ctx, of.environment, of.organization)
				if err != nil {
					return nil, fmt.Errorf("read the standing of organization %s: %w",
						of.organization, err)
				}

				return standing, nil
			},
		}
	}

	if len(s.newer) >= s.most {
		s.newer, s.older = map[standingOf]*recent[*organization.Standing]{}, s.newer
	}

	s.newer[of] = r
	return r
}
