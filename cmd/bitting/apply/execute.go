package apply

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/client"
)

// Executor takes the steps of a plan.
type Executor struct {
	Client *client.Client
	// Operator changes the permission catalogue.
	Operator *client.Client
	Places   Places
	// Sleep waits until what is cached is old; nil for a timer.
	Sleep func(ctx context.Context, d time.Duration) error
	// Progress is told of each step before it is taken, and at the end with done == total.
	Progress func(done, total int, title string)
}

// Everywhere is after how long a catalogue and settings act everywhere: they are cached for ten
// seconds.
const Everywhere = 11 * time.Second

// stepTime is how long a step may take that was begun before an interrupt, its repetitions included.
const stepTime = 2 * time.Minute

// ErrInterrupted means that the steps were not taken to the end. Planned again, the rest remains.
var ErrInterrupted = errors.New("interrupted: repeat the command to go on")

// StepError is the step that failed, or before which the execution was interrupted.
type StepError struct {
	Title       string
	Done, Total int // steps
	Err         error
}

// Error implements error.
func (e *StepError) Error() string { return e.Err.Error() }

// Unwrap returns the error itself.
func (e *StepError) Unwrap() error { return e.Err }

// Apply takes the steps in their order, and ends at the first error, a *[StepError]. When the context
// ends, it finishes the step that it has begun: the answer has the only copy of a secret.
func (p *Plan) Apply(ctx context.Context, e Executor) error {
	run := &run{
		Executor:     e,
		plan:         p,
		versions:     map[string]int64{},
		organization: p.state.organizationETag,
	}
	for _, k := range p.state.Keys {
		run.versions[k.ID] = k.Version
	}

	if run.Sleep == nil {
		run.Sleep = sleep
	}

	for i, step := range p.Steps {
		if ctx.Err() != nil {
			return &StepError{Title: step.Title, Done: i, Total: len(p.Steps), Err: ErrInterrupted}
		}

		e.Progress(i, len(p.Steps), step.Title)

		if step.Op == Wait {
			_ = run.Sleep(ctx, Everywhere) // the next look at ctx ends it
			continue
		}

		begun, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
		err := run.take(begun, step)

		cancel()

		if err != nil {
			return &StepError{Title: step.Title, Done: i, Total: len(p.Steps), Err: err}
		}
	}

	e.Progress(len(p.Steps), len(p.Steps), "")
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// run is one execution of a plan.
type run struct {
	Executor

	plan         *Plan
	versions     map[string]int64 // of keys
	organization string           // its ETag
}

// take takes a step. Changes are conditional on what the plan was made of, so that nobody's change in
// between is lost.
func (r *run) take(ctx context.Context, s Step) (err error) {
	org := r.plan.Organization

	switch of := s.Body.(type) {
	case api.CreateCustomer:
		_, err = r.Client.CreateCustomer(ctx, org, of, r.idempotency(s, ""))
	case api.UpdateCustomer:
		_, err = r.Client.UpdateCustomer(ctx, org, s.ID, of)
	case api.PutMember:
		_, err = r.Client.PutMember(ctx, org, s.ID, of)
	case api.UpdateOrganization:
		_, err = r.Client.UpdateOrganization(ctx, org, of, client.IfMatch(r.organization),
			client.ETag(&r.organization))
	case api.Catalogue:
		_, err = r.Operator.PutPermissions(ctx, of, client.IfMatch(r.plan.state.catalogueETag))
	case api.CreateKey:
		return r.create(ctx, s, of)
	case api.UpdateKey:
		var k api.Key

		k, err = r.Client.UpdateKey(ctx, org, s.ID, of, client.IfVersion(r.versions[s.ID]))
		r.versions[s.ID] = k.Version
	case api.RevokeKey:
		var revoked api.Revoked

		revoked, err = r.Client.RevokeKey(ctx, org, s.ID, of, r.idempotency(s, ""), r.version(s))
		r.versions[s.ID] = revoked.Key.Version
	default:
		return r.takeBare(ctx, s)
	}

	return err
}

// takeBare takes a step that needs no body.
func (r *run) takeBare(ctx context.Context, s Step) (err error) {
	org := r.plan.Organization

	var job *api.Job

	switch s.Op {
	case DeleteCustomer:
		job, err = r.Client.DeleteCustomer(ctx, org, s.ID)
	case DeleteMember:
		job, err = r.Client.DeleteMember(ctx, org, s.ID)
	case DeleteKey:
		return r.Client.DeleteKey(ctx, org, s.ID, client.IfVersion(r.versions[s.ID]))
	case RestoreKey:
		_, err = r.Client.RestoreKey(ctx, org, s.ID, r.idempotency(s, ""), r.version(s))
	case RegenerateKey:
		return r.secret(ctx, s, func() (api.KeySecret, error) {
			return r.Client.RegenerateKey(ctx, org, s.ID, r.idempotency(s, ""), r.version(s))
		})
	default:
		return fmt.Errorf("apply: no step %s", s.Op)
	}

	if err != nil || job == nil {
		return err
	}

	done, err := r.Client.WaitJob(ctx, org, job.ID)
	if err == nil && done.State != "done" {
		err = fmt.Errorf("its job %s has not ended well: bitting jobs show %s", job.ID, job.ID)
	}

	return err
}

func (r *run) version(s Step) client.Option { return client.IfVersion(r.versions[s.ID]) }

// idempotency returns the key of a step. It follows from what the step does and from the version that
// it starts from, so that a repetition has it too, also of another process.
func (r *run) idempotency(s Step, after string) client.Option {
	sum := sha256.Sum256([]byte(compact([]any{
		r.plan.Organization, s.Op, s.ID, r.versions[s.ID], s.Body, after,
	})))
	return client.IdempotencyKey("apply-" + hex.EncodeToString(sum[:16]))
}

// create creates a key. Within a day of an earlier creation, the API answers with the key that was
// created then: it counts if it is still there, and else another one is created.
func (r *run) create(ctx context.Context, s Step, of api.CreateKey) error {
	return r.secret(ctx, s, func() (made api.KeySecret, err error) {
		for after := ""; ; after = made.Key.ID {
			made, err = r.Client.CreateKey(ctx, r.plan.Organization, of, r.idempotency(s, after))
			if err != nil || !made.Replayed {
				return made, err
			}

			k, err := r.Client.GetKey(ctx, r.plan.Organization, made.Key.ID)
			if err != nil && !errors.Is(err, client.ErrNotFound) {
				return made, err
			}

			if err == nil && k.DeletedAt == nil && k.Name == of.Name {
				return made, nil
			}
		}
	})
}

// secret makes a secret and keeps it in its place.
func (r *run) secret(
	ctx context.Context, s Step, create func() (api.KeySecret, error),
) error {
	place, err := r.Places(s.Secret)
	if err == nil {
		err = place.Reserve(ctx)
	}

	if err != nil {
		return err
	}

	made, err := create()
	if err != nil {
		var refused *client.Error
		if errors.As(err, &refused) && refused.Status < 500 { // nothing was made
			err = errors.Join(err, place.Release(ctx))
		}

		return err
	}

	if made.Secret == nil {
		return fmt.Errorf("the key %s exists, but the answer with its secret was lost, and %s is empty: "+
			"repeat the command, which makes another secret", made.Key.ID, s.Secret)
	}

	if err := place.Keep(ctx, *made.Secret); err != nil {
		return fmt.Errorf("the key %s exists, but its secret could not be kept in %s: %w\n  Mend that and "+
			"repeat the command, or make another: bitting keys regenerate %s", made.Key.ID, s.Secret, err,
			made.Key.ID)
	}

	return nil
}

// Count returns how many items have an action.
func (p *Plan) Count(a Action) int {
	n := 0
	for _, item := range p.Items {
		if item.Action == a {
			n++
		}
	}

	return n
}

// Takes reports whether a step of the plan does something.
func (p *Plan) Takes(op Op) bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Op == op })
}
