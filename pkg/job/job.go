// Package job is work on many objects of one organization that is done in steps: what a job is, and
// who may work on it when.
//
// It promises that one worker at a time holds a job, that one who lost it cannot take a step any
// more, and that a job goes on from where the last step ended. Each step of a job is one
// transaction with what it changed, which is the store's part and the worker's. It does not know
// what the steps do.
package job

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Why a job cannot be had or worked on.
var (
	ErrNotFound = errors.New("job: no such job")
	ErrLost     = errors.New("job: another worker has it, or it is over")
	ErrExists   = errors.New("job: the id is taken")
	ErrTooMany  = errors.New("job: too many are open")
	// ErrPlaceTaken says that another job took the place meanwhile. It is an apikey.ErrStale, since
	// trying anew helps.
	ErrPlaceTaken = fmt.Errorf("job: the place is taken: %w", apikey.ErrStale)
)

// Kind is what a job does.
type Kind string

// The kinds.
const (
	Bulk         Kind = "bulk"          // one action on the keys that a filter finds
	RemoveMember Kind = "remove_member" // disables a person's keys, then removes them
	// disables the keys of a customer, then deletes it
	DeleteCustomer     Kind = "delete_customer"
	DeleteOrganization Kind = "delete_organization" // deletes keys, members and customers
)

// State is how far a job is.
type State string

// The states. Done and Failed are the last ones.
const (
	Queued  State = "queued"
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
)

const (
	// LeaseFor is how long a worker holds a job after each step. It is more than a step takes, and
	// little for who waits after a crash.
	LeaseFor = 30 * time.Second
	// MaxErrors is how many of its errors a job keeps.
	MaxErrors = 100
	// MaxChanges is how many bulk changes of an organization that stop nothing may be open.
	MaxChanges = 10
	// MaxStops is how many bulk changes of one caller in an organization that stop keys may be
	// open: apart from the others, and for each caller, so that nobody can take the place that
	// another's stop needs.
	MaxStops = 3
	// Retention is how long a job is kept after its end.
	Retention = 90 * 24 * time.Hour
)

// Error is one object that a job could not change.
type Error struct {
	KeyID     string           `json:"keyId"`
	Ownership apikey.Ownership `json:"ownership"` // who may be told of the key, goes by these two
	Owner     apikey.Actor     `json:"owner"`
	Code      string           `json:"code"` // as in problems
	Detail    string           `json:"detail"`
}

// Result counts what became of the objects: Unchanged are those that already were so.
type Result struct {
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	Failed    int `json:"failed"`
}

// Job is the record. Its row is written whole on its version, so that whoever holds an older one
// can write nothing.
type Job struct {
	ID             string `json:"id"` // ids sort as the times do at which they were made
	OrganizationID string `json:"organizationId"`
	Kind           Kind   `json:"kind"`
	// which place it takes until its end, of those that there are; "" for a kind that needs none
	Place      string `json:"place"`
	Parameters []byte `json:"parameters"` // JSON; the kind says of what
	State      State  `json:"state"`
	Handled    int    `json:"handled"` // objects that are done with
	// as counted when it was made; 0 where they were not counted
	Total     int          `json:"total"`
	Result    Result       `json:"result"`
	Errors    []Error      `json:"errors"` // the first MaxErrors
	CreatedBy apikey.Actor `json:"createdBy"`
	SourceIP  string       `json:"sourceIp"`
	UserAgent string       `json:"userAgent"`
	RequestID string       `json:"requestId"`
	Phase     int          `json:"phase"` // of kinds that have several
	// after the last object that it is done with, in the list of its phase
	Position   string    `json:"position"`
	Holder     string    `json:"holder"` // "" for nobody
	HeldUntil  time.Time `json:"heldUntil"`
	CreatedAt  time.Time `json:"createdAt"`
	UpdatedAt  time.Time `json:"updatedAt"`
	FinishedAt time.Time `json:"finishedAt"`
	Version    int64     `json:"version"`
}

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// NewID returns a fresh id: eight characters of the time in milliseconds, then eight random ones.
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

// Step notes that the holder has gone on. Every step renews the lease.
func (j *Job) Step(worker string, now time.Time) error {
	if err := j.Take(worker, now); err != nil {
		return err
	}

	j.State = Running
	j.UpdatedAt = now
	return nil
}

// Release lets others have the job at once.
func (j *Job) Release() { j.Holder, j.HeldUntil = "", time.Time{} }

// Finish ends the job. What was counted when it was made and is no longer there, or does not match
// any more, is done with too.
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

// Fail notes an object that could not be changed.
func (j *Job) Fail(e Error) {
	j.Result.Failed++
	if len(j.Errors) < MaxErrors {
		j.Errors = append(j.Errors, e)
	}
}
