// Package job is work on many objects of one organization that is done in steps: what a job is,
// and which worker may work on it when.
//
// It promises:
//
//   - A job has at most one worker at a time, and a worker that lost it cannot take another step.
//   - A job continues where its last step ended.
//
// Each step of a job is one transaction with the changes it makes, which is up to the store and
// the worker. The package does not know what the steps do.
package job

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Errors about a job.
var (
	ErrNotFound = errors.New("job: no such job")
	ErrLost     = errors.New("job: another worker has it, or it is over")
	ErrExists   = errors.New("job: the id is taken")
	ErrTooMany  = errors.New("job: too many are open")
	// ErrPlaceTaken means that another job has taken the place. It is an apikey.ErrStale, since a
	// retry helps.
	ErrPlaceTaken = fmt.Errorf("job: the place is taken: %w", apikey.ErrStale)
)

// Kind is what a job does.
type Kind string

// The kinds.
const (
	Bulk         Kind = "bulk"          // one action on all keys that match a filter
	RemoveMember Kind = "remove_member" // disables a person's keys, then removes them
	// disables the keys of a customer, then deletes it
	DeleteCustomer     Kind = "delete_customer"
	DeleteOrganization Kind = "delete_organization" // deletes keys, members and customers
)

// State is a job's state.
type State string

// The states. Done and Failed are the last ones.
const (
	Queued  State = "queued"
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
)

const (
	// LeaseFor is how long a worker holds a job after each step. It is longer than a step takes,
	// and short enough to wait for after a crash.
	LeaseFor = 30 * time.Second
	// MaxErrors is how many of its errors a job keeps.
	MaxErrors = 100
	// MaxChanges is the maximum number of open bulk changes of an organization that stop no keys.
	MaxChanges = 10
	// MaxStops is the maximum number of open bulk changes of one caller in an organization that
	// stop keys. They are counted separately and by caller, so that no caller can take the place
	// that another's stop needs.
	MaxStops = 3
	// Retention is how long a job is kept after its end.
	Retention = 90 * 24 * time.Hour
)

// Error is one object that a job could not change.
type Error struct {
	KeyID     string           `json:"keyId"`
	Ownership apikey.Ownership `json:"ownership"` // with the ID, decides who may know of the key
	Owner     apikey.Actor     `json:"owner"`
	Code      string           `json:"code"` // as in problems
	Detail    string           `json:"detail"`
}

// Result counts the outcomes of the objects. Unchanged are those that needed no change.
type Result struct {
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	Failed    int `json:"failed"`
}

// Job is the record. Its row is written as a whole on its version, so a worker with an older
// version can write nothing.
type Job struct {
	ID             string `json:"id"` // ids sort by the time of creation
	OrganizationID string `json:"organizationId"`
	Kind           Kind   `json:"kind"`
	// Place is the place that it takes until its end, from a limited number; "" for a kind that
	// needs none.
	Place      string `json:"place"`
	Parameters []byte `json:"parameters"` // JSON; its type depends on the kind
	State      State  `json:"state"`
	Handled    int    `json:"handled"` // the number of finished objects
	// Total is the number of objects counted at creation; 0 if they were not counted.
	Total     int          `json:"total"`
	Result    Result       `json:"result"`
	Errors    []Error      `json:"errors"` // the first MaxErrors
	CreatedBy apikey.Actor `json:"createdBy"`
	SourceIP  string       `json:"sourceIp"`
	UserAgent string       `json:"userAgent"`
	RequestID string       `json:"requestId"`
	Phase     int          `json:"phase"` // of kinds that have several
	// Position is after the last finished object, in the list of the phase.
	Position   string    `json:"position"`
	Holder     string    `json:"holder"` // "" for nobody
	HeldUntil  time.Time `json:"heldUntil"`
	CreatedAt  time.Time `json:"createdAt"`
	UpdatedAt  time.Time `json:"updatedAt"`
	FinishedAt time.Time `json:"finishedAt"`
	Version    int64     `json:"version"`
}

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// NewID returns a new id: eight characters of the time in milliseconds, then eight random ones.
func NewID(now time.Time, random io.Reader) (string, error) {
	tail, err := apikey.NewID(random)
	if err != nil {
		return "", err
	}

	var head [8]byte
	for i, n := len(head)-1, now.UnixMilli(); i >= 0; i, n = i-1, n/int64(len(alphabet)) {
		head[i] = alphabet[n%int64(len(alphabet))]
	}

	return string(head[:]) + tail[:8], nil
}

// MadeAt returns when the job with an id of NewID was made, to the millisecond; the zero time if it
// is no such id.
func MadeAt(id string) time.Time {
	if len(id) != 16 {
		return time.Time{}
	}

	var n int64
	for _, c := range id[:8] {
		digit := strings.IndexRune(alphabet, c)
		if digit < 0 {
			return time.Time{}
		}

		n = n*int64(len(alphabet)) + int64(digit)
	}

	return time.UnixMilli(n).UTC()
}

// Clone returns a copy to change.
func (j *Job) Clone() *Job {
	c := *j
	c.Parameters = slices.Clone(j.Parameters)
	c.Errors = slices.Clone(j.Errors)
	return &c
}

// Open reports whether there is something left to do.
func (j *Job) Open() bool { return j.State == Queued || j.State == Running }

// Free reports whether a worker may take the job at now.
func (j *Job) Free(now time.Time) bool {
	return j.Open() && (j.Holder == "" || !now.Before(j.HeldUntil))
}

// Take makes the worker the holder for LeaseFor. Error: ErrLost, where another holds it or it is
// over.
func (j *Job) Take(worker string, now time.Time) error {
	if !j.Free(now) && (j.Holder != worker || !j.Open()) {
		return ErrLost
	}

	j.Holder = worker
	j.HeldUntil = now.Add(LeaseFor)
	return nil
}

// Step records progress of the holder. Every step renews the lease.
func (j *Job) Step(worker string, now time.Time) error {
	if err := j.Take(worker, now); err != nil {
		return err
	}

	j.State = Running
	j.UpdatedAt = now
	return nil
}

// Release makes the job available to others at once.
func (j *Job) Release() { j.Holder, j.HeldUntil = "", time.Time{} }

// Finish ends the job. Objects that were counted at creation but are gone, or no longer match,
// count as handled.
func (j *Job) Finish(state State, now time.Time) {
	j.State = state
	j.UpdatedAt = now

	j.FinishedAt = now
	if state == Done {
		j.Handled = max(j.Handled, j.Total)
		j.Total = j.Handled
	}

	j.Release()
}

// Fail records an object that could not be changed.
func (j *Job) Fail(e Error) {
	j.Result.Failed++
	if len(j.Errors) < MaxErrors {
		j.Errors = append(j.Errors, e)
	}
}
