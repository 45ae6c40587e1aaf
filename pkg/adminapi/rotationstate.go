package adminapi

import (
	"cmp"
	"context"
	"slices"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/usage"
)

type rotationOutput struct{ Body api.RotationState }

func (a *API) getRotation(ctx context.Context, s *request, _ *KeyPath) (*rotationOutput, error) {
	if !s.key.Rotating(s.now) {
		return nil, apikey.ErrNoRotation
	}

	r := s.key.Rotation

	use, err := a.hot.SecretUse(ctx, s.key.Environment, s.key.ID, r.StartedAt)
	if err != nil {
		return nil, err
	}

	old := api.OldSecret{
		EndsAt:             api.Time{Time: r.OldEndsAt},
		Hint:               r.OldHint,
		CallsSinceRotation: use.OldCalls,
		Sources:            viewSources(use),
	}
	if len(old.Sources) > 0 {
		last := old.Sources[0]
		old.LastUsed = &api.LastUsed{
			At:        last.LastAt,
			SourceIP:  last.SourceIP,
			UserAgent: last.UserAgent,
		}
	}

	return &rotationOutput{api.RotationState{
		OldSecret: old,
		NewSecret: api.NewSecret{FirstUsedAt: orNull(r.FirstUsedAt)},
	}}, nil
}

// viewSources lists where calls come from, the latest first.
func viewSources(use usage.SecretUse) []api.Source {
	out := make([]api.Source, 0, len(use.Sources))
	for source, u := range use.Sources {
		out = append(out, api.Source{
			SourceIP:  source.SourceIP,
			UserAgent: source.UserAgent,
			Calls:     u.Calls,
			LastAt:    api.Time{Time: u.LastAt},
		})
	}

	slices.SortFunc(out, func(a, b api.Source) int {
		return cmp.Or(b.LastAt.Compare(a.LastAt.Time), cmp.Compare(a.SourceIP, b.SourceIP),
			cmp.Compare(a.UserAgent, b.UserAgent))
	})
	return out
}
