package adminapi

import (
	"cmp"
	"context"
	"slices"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// RotationState is who still uses which secret of a running rotation.
type RotationState struct {
	OldSecret OldSecret `json:"oldSecret"`
	NewSecret NewSecret `json:"newSecret"`
}

// OldSecret is the secret that ends with the rotation, and who still sends it.
type OldSecret struct {
	EndsAt             Time      `json:"endsAt" doc:"With first_use, before that use: at the latest"`
	Hint               string    `json:"hint"`
	LastUsed           *LastUsed `json:"lastUsed"`
	CallsSinceRotation int64     `json:"callsSinceRotation" doc:"With this secret, while it was accepted"`
	Sources            []Source  `json:"sources" nullable:"false" doc:"Where it comes from, the latest first; beside it, secrets that ended before, where somebody still sends them"`
}

// Source is where calls come from.
type Source struct {
	SourceIP  string `json:"sourceIp" doc:"others: those beyond the number that is told apart"`
	UserAgent string `json:"userAgent"`
	Calls     int64  `json:"calls"`
	LastAt    Time   `json:"lastAt"`
}

// NewSecret is the secret that stays.
type NewSecret struct {
	FirstUsedAt *Time `json:"firstUsedAt" doc:"Its first admitted call, as far as is known"`
}

type rotationOutput struct{ Body RotationState }

func (a *API) getRotation(ctx context.Context, s *request, _ *KeyPath) (*rotationOutput, error) {
	if !s.key.Rotating(s.now) {
		return nil, apikey.ErrNoRotation
	}

	r := s.key.Rotation

	use, err := a.store.SecretUse(ctx, s.key.Environment, s.key.ID, r.StartedAt)
	if err != nil {
		return nil, err
	}

	old := OldSecret{
		EndsAt:             Time{r.OldEndsAt},
		Hint:               r.OldHint,
		CallsSinceRotation: use.OldCalls,
		Sources:            viewSources(use),
	}
	if len(old.Sources) > 0 {
		last := old.Sources[0]
		old.LastUsed = &LastUsed{
			At:        last.LastAt,
			SourceIP:  last.SourceIP,
			UserAgent: last.UserAgent,
		}
	}

	return &rotationOutput{RotationState{
		OldSecret: old,
		NewSecret: NewSecret{FirstUsedAt: orNull(r.FirstUsedAt)},
	}}, nil
}

// viewSources lists where calls come from, the latest first.
func viewSources(use usage.SecretUse) []Source {
	out := make([]Source, 0, len(use.Sources))
	for source, u := range use.Sources {
		out = append(out, Source{
			SourceIP:  source.SourceIP,
			UserAgent: source.UserAgent,
			Calls:     u.Calls,
			LastAt:    Time{u.LastAt},
		})
	}

	slices.SortFunc(out, func(a, b Source) int {
		return cmp.Or(b.LastAt.Compare(a.LastAt.Time), cmp.Compare(a.SourceIP, b.SourceIP),
			cmp.Compare(a.UserAgent, b.UserAgent))
	})
	return out
}
