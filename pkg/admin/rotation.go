package admin

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// RegenerateKey replaces the secret of the request's key, and ends the old one at once.
func (s *KeyService) RegenerateKey(
	ctx context.Context, r *Request, match Match,
) (api.KeySecret, error) {
	return s.renew(ctx, r, match, history.KeyRegenerated, (*apikey.Key).Regenerate)
}

// Rotate is the input of a rotation; nil fields are absent.
type Rotate struct {
	Overlap, StartsAt, Longest *string

	overlap, longest time.Duration // made by CheckRotate
}

// defaultOverlap is the overlap if none is given.
const defaultOverlap = day

// CheckRotate reads the input of a rotation. Error: *InvalidError.
func CheckRotate(in *Rotate) error {
	f := &validator{}
	in.overlap = f.overlap("body.overlap", in.Overlap, defaultOverlap)

	in.longest = f.overlap("body.longest", in.Longest, apikey.MaxOverlap)
	switch {
	case in.Longest == nil || len(f.fields) > 0:
	case !in.fromFirstUse():
		f.add("body.longest",
			"is only for startsAt first_use: an overlap from now has a fixed end",
			*in.Longest)
	case in.longest < in.overlap || in.longest == 0:
		f.add("body.longest",
			"expected more than 0s, and at least the overlap, which is "+
				formatDuration(in.overlap), *in.Longest)
	}

	return f.err()
}

// overlap reads how long an old secret remains valid; otherwise is the default.
func (f *validator) overlap(location string, text *string, otherwise time.Duration) time.Duration {
	if text == nil {
		return otherwise
	}

	return f.duration(location, *text, 0, apikey.MaxOverlap)
}

func (in *Rotate) fromFirstUse() bool {
	return in.StartsAt != nil && apikey.OverlapStart(*in.StartsAt) == apikey.StartsFirstUse
}

// RotateKey gives the key of the request a new secret, while the old one remains valid for the
// overlap, as read by CheckRotate.
func (s *KeyService) RotateKey(
	ctx context.Context, r *Request, match Match, in *Rotate,
) (api.KeySecret, error) {
	return s.renew(ctx, r, match, history.KeyRotationStarted, func(
		k *apikey.Key, fresh apikey.IssuedSecret, now time.Time,
	) error {
		switch {
		case !in.fromFirstUse():
			return k.Rotate(fresh, in.overlap, now)
		case in.overlap < s.cacheTime:
			return s.unseen(in.overlap)
		default:
			return k.RotateFromFirstUse(fresh, in.overlap, in.longest, now)
		}
	})
}

// unseen refuses an overlap that is shorter than API Gateway's cache time: the cache answers calls
// with the old secret without asking whether the new one was used.
func (s *KeyService) unseen(overlap time.Duration) error {
	f := &validator{}
	f.add("body.overlap",
		"expected, with startsAt first_use in the profile cached, at least "+
			formatDuration(s.cacheTime)+
			": API Gateway answers from its cache for that long",
		formatDuration(overlap))
	return f.err()
}

// renew gives the key a new secret.
func (s *KeyService) renew(
	ctx context.Context, r *Request, match Match, action string,
	change func(k *apikey.Key, fresh apikey.IssuedSecret, now time.Time) error,
) (api.KeySecret, error) {
	return idempotent(ctx, s.core, r, func(r *Request) (got attempt[api.KeySecret], err error) {
		secret, minted, err := s.mint(ctx, r.key.Environment, r.key.ID)
		if err != nil {
			return got, err
		}

		edited, err := s.edit(ctx, r, match, action, "", s.renewal(r, minted, change))
		return answered(edited, err, func(k *apikey.Key) api.KeySecret {
			return withSecret(k, r.now, secret)
		})
	})
}

// renewal is the change that gives a key a new secret. Who gets a new secret gets all that the key
// holds, so it must be theirs to hand out, or the key their own.
func (s *core) renewal(
	r *Request, minted apikey.IssuedSecret,
	change func(k *apikey.Key, fresh apikey.IssuedSecret, now time.Time) error,
) func(k *apikey.Key) error {
	return func(k *apikey.Key) error {
		if err := change(k, minted, r.now); err != nil || r.caller.Holds(k) {
			return err
		}

		return s.within(r, nil, k, "expiresAt")
	}
}

// answered converts the attempt to change a key to the attempt with its answer.
func answered[T any](
	edited attempt[*apikey.Key], err error, show func(k *apikey.Key) T,
) (got attempt[T], _ error) {
	if err != nil {
		return got, err
	}

	return attempt[T]{
		answer:  show(edited.answer),
		writes:  edited.writes,
		urgency: edited.urgency,
	}, nil
}

// FinishRotation ends the old secret of the request's key now.
func (s *KeyService) FinishRotation(
	ctx context.Context, r *Request, match Match,
) (api.KeyOnly, error) {
	return s.changeOnly(ctx, r, match, history.KeyRotationFinished, (*apikey.Key).FinishRotation)
}

// changeOnly makes a change of the request's key that depends only on the time.
func (s *KeyService) changeOnly(
	ctx context.Context, r *Request, match Match, action string,
	change func(k *apikey.Key, now time.Time) error,
) (api.KeyOnly, error) {
	return idempotent(ctx, s.core, r, func(r *Request) (attempt[api.KeyOnly], error) {
		edited, err := s.edit(ctx, r, match, action, "", func(k *apikey.Key) error {
			return change(k, r.now)
		})
		return answered(edited, err, func(k *apikey.Key) api.KeyOnly {
			return api.KeyOnly{Key: viewKey(k, r.now)}
		})
	})
}

// Rotation returns the running rotation of the request's key.
func (s *KeyService) Rotation(ctx context.Context, r *Request) (api.RotationState, error) {
	if !r.key.Rotating(r.now) {
		return api.RotationState{}, apikey.ErrNoRotation
	}

	running := r.key.Rotation

	use, err := s.hot.SecretUse(ctx, r.key.Environment, r.key.ID, running.StartedAt)
	if err != nil {
		return api.RotationState{}, err
	}

	old := api.OldSecret{
		EndsAt:             api.Time{Time: running.OldEndsAt},
		Hint:               running.OldHint,
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

	return api.RotationState{
		OldSecret: old,
		NewSecret: api.NewSecret{FirstUsedAt: orNull(running.FirstUsedAt)},
	}, nil
}

// viewSources returns the sources of calls, the latest first.
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

	slices.SortFunc(out, func(x, y api.Source) int {
		return cmp.Or(y.LastAt.Compare(x.LastAt.Time), cmp.Compare(x.SourceIP, y.SourceIP),
			cmp.Compare(x.UserAgent, y.UserAgent))
	})
	return out
}
