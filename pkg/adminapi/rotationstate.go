package adminapi

import (
	"context"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// RotationState is who still uses which secret of a running rotation.
type RotationState struct {
	OldSecret OldSecret `json:"oldSecret"`
	NewSecret NewSecret `json:"newSecret"`
}

// OldSecret is the secret that ends with the rotation.
type OldSecret struct {
	EndsAt time.Time `json:"endsAt"`
	Hint   string    `json:"hint"`
}

// NewSecret is the secret that stays.
type NewSecret struct {
	FirstUsedAt *time.Time `json:"firstUsedAt" doc:"Its first admitted call, as far as is known"`
}

type rotationOutput struct{ Body RotationState }

func (a *API) getRotation(_ context.Context, s *session, _ *KeyPath) (*rotationOutput, error) {
	if !s.key.Rotating(s.now) {
		return nil, apikey.ErrNoRotation
	}
	r := s.key.Rotation
	return &rotationOutput{RotationState{
		OldSecret: OldSecret{EndsAt: r.OldEndsAt, Hint: r.OldHint},
		NewSecret: NewSecret{FirstUsedAt: orNull(r.FirstUsedAt)},
	}}, nil
}
