package admin

import (
	"context"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/store"
)

// item is one object of a page that a job processes.
type item struct {
	after  string        // the position after it
	key    *apikey.Key   // nil for other objects
	writes []store.Write // none if it already is as the job wants it
	err    error         // why it cannot be changed
}

// phase is one list of objects that a job walks through. It returns up to limit of them from the
// job's position on, and the position after those: "" at the end of the list.
type phase func(
	ctx context.Context, r *Request, j *job.Job, limit int,
) (page []item, next string, err error)

// plan describes a job: its phases in order, and what is written with its end.
type plan struct {
	phases []phase
	// nil for nothing
	last func(ctx context.Context, r *Request, j *job.Job) ([]store.Write, error)
	// stop means that the job takes rights away. Objects that others keep changing are then held,
	// not left out, and the job has not succeeded if one could not be changed.
	stop bool
}

// keyItems returns the items of a page of keys, each with the writes of a change. A key that was
// deleted meanwhile stays as it is.
func (s *core) keyItems(
	ctx context.Context, r *Request, j *job.Job, page []store.KeyAt, action, reason string,
	change func(r *Request, k *apikey.Key) error,
) ([]item, error) {
	if reason != "" {
		reason += " "
	}

	reason += "(job " + j.ID + ")"

	out := make([]item, 0, len(page))
	for _, placed := range page {
		i := item{after: placed.After, key: placed.Key}
		of := *r

		of.key = placed.Key
		if placed.Key.DeletedAt.IsZero() {
			var got attempt[*apikey.Key]
			got, i.err = s.edit(ctx, &of, nil, action, reason, func(k *apikey.Key) error {
				return change(&of, k)
			})
			i.writes = got.writes
			r.busy = r.busy || of.busy
		}

		if i.err != nil && !refused(i.err) { // not due to this key: the whole step fails
			return nil, i.err
		}

		out = append(out, i)
	}

	return out, nil
}
