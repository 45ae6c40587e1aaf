package admin

import (
	"context"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// operations lists what the caller may do with a key of the request's organization, each with why
// it would be refused now. It tries each on a copy of the key, by the code that does it in earnest,
// so that what is offered is what would be done.
func (s *core) operations(ctx context.Context, r *Request, k *apikey.Key) []api.KeyOperation {
	out := []api.KeyOperation{}

	for _, trial := range []struct {
		id     organization.Operation
		change func(k *apikey.Key) error
	}{
		{organization.UpdateKey, updatable},
		{organization.RegenerateKey, s.renewal(r, apikey.IssuedSecret{}, (*apikey.Key).Regenerate)},
		{organization.RotateKey, s.renewal(r, apikey.IssuedSecret{}, func(
			k *apikey.Key, fresh apikey.IssuedSecret, now time.Time,
		) error {
			return k.Rotate(fresh, defaultOverlap, now)
		})},
		{organization.FinishRotation, func(k *apikey.Key) error { return k.FinishRotation(r.now) }},
		{organization.RevokeKey, func(k *apikey.Key) error {
			return k.Revoke(r.caller.Actor(), "", false, r.now)
		}},
		{organization.RestoreKey, (*apikey.Key).Restore},
		{organization.DeleteKey, func(k *apikey.Key) error {
			k.Delete(r.now)
			return nil
		}},
	} {
		if r.caller.May(trial.id, r.organization, k) != nil {
			continue
		}

		op := api.KeyOperation{ID: string(trial.id)}
		if _, err := r.changed(k, trial.change); err != nil {
			op.Refusal = s.refusal(ctx, err)
		}

		out = append(out, op)
	}

	return out
}

// updatable returns the error of changing a key that no change may be made to.
func updatable(k *apikey.Key) error {
	if !k.DeletedAt.IsZero() {
		return apikey.ErrDeleted
	}

	return nil
}

// refusal tells an error in one text.
func (s *core) refusal(ctx context.Context, err error) *api.Refusal {
	told := s.Error(ctx, err)

	reasons := []string{told.Detail}
	for _, field := range told.Fields {
		reasons = append(reasons, sentence(field.Message))
	}

	return &api.Refusal{Code: told.Code, Detail: strings.Join(reasons, " ")}
}
