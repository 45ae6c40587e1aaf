package check

import (
	"context"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/cache"
)

// FastWithin is the promise of the profile fast: who is told at a time that a key or a secret has
// ended finds it refused everywhere so much later. It is what a row is remembered for, and a second
// for the write, which has not happened when its answer is made, and for clocks that differ.
const FastWithin = memoryTime + time.Second

// memoryTime is how long the row of a key is remembered, from the beginning of its read. A read
// that takes as long is of no use to anybody, and ends.
const memoryTime = 4 * time.Second

// maxRemembered is how many rows a process remembers. One is dropped early when it was not used
// while a thousand others were: an instance that meets so many keys in four seconds gains little by
// any of them, and only reads it again. A row has about 1 KB, and at most 60: all of them the
// largest would still be half of an authorizer's 256 MB.
const maxRemembered = 2000

// Memory remembers rows of keys for some seconds, for the profile fast, so that not every check
// reads one. It is safe for concurrent use.
//
// What is remembered only ever lets a call through: what refuses a call is read for it. So whatever
// gives a key more than it had, and a new secret, acts at once. What takes something away acts
// within FastWithin, and limits that were changed do. An error is not remembered, nor that there is
// no key.
//
// A check remembers the row alone. Everything else it decides as without a memory: the time, the
// address, the customer, the permission and the limits for each call, the settings of the key's
// organization and the permission catalogue as they were at most ten seconds ago, and the first use
// of a new secret as it is.
type Memory struct {
	rows *cache.Cache[rowID, *recent[*apikey.Key]]
}

// rowID identifies the row of a key.
type rowID struct {
	environment apikey.Environment
	key         string
}

// NewMemory returns a memory without any rows. It tells their ages by two clocks, and goes by the
// longer time of both: now may be set while the process runs, and running, which is how long the
// process has run, may stand still while it is suspended. A row would be remembered too long only if
// both happened in the same seconds: now set back where nobody looks, and the process suspended.
func NewMemory(now func() time.Time, running func() time.Duration) *Memory {
	return &Memory{cache.New(maxRemembered, func(rowID) *recent[*apikey.Key] {
		return &recent[*apikey.Key]{
			now:     now,
			running: running,
			fresh:   memoryTime,
			until:   memoryTime,
			timeout: memoryTime,
		}
	})}
}

// Forget drops every row, also those that are being read. A process that has changed a key forgets
// before it says so. A nil Memory has nothing to forget.
func (m *Memory) Forget() {
	if m != nil {
		m.rows.Clear()
	}
}

// remembering reads keys for one check, those that are remembered from memory.
type remembering struct {
	Keys

	memory *Memory
	// some row, or that there is none, was remembered, or read for another check that began earlier
	early bool
}

// Key implements Keys. Checks that ask for a key at the same time share a read.
func (r *remembering) Key(
	ctx context.Context, env apikey.Environment, id string,
) (*apikey.Key, error) {
	at := rowID{env, strings.Clone(id)} // it is part of the event, which has the secret
	k, own, err := r.memory.rows.Get(at).get(ctx, func(
		ctx context.Context, _ *apikey.Key,
	) (*apikey.Key, error) {
		return r.Keys.Key(ctx, env, id)
	}, nil)

	r.early = r.early || !own
	if err != nil && ctx.Err() == nil { // whoever leaves takes nothing from those who wait
		r.memory.rows.Remove(at) // what is not there takes no place
	}

	return k, err
}

// Check decides a call.
func (c *Checker) Check(ctx context.Context, h Headers, call Call) Verdict {
	if c.Memory == nil {
		return c.checkOnce(ctx, h, call)
	}

	keys := &remembering{Keys: c.Keys, memory: c.Memory}
	one := *c
	one.Keys = keys

	v := one.checkOnce(ctx, h, call)
	if !keys.early || !v.Outcome.atFault() {
		return v
	}

	again := c.checkOnce(ctx, h, call)
	if v.Key != nil && !sameVersion(v.Key, again.Key) {
		c.Memory.rows.Remove(rowID{v.Key.Environment, v.Key.ID})
	}

	return again
}

// atFault reports whether the key, or that there is none, refuses the call: neither its limits nor
// a failure of ours. Nothing is spent then.
func (o Outcome) atFault() bool {
	status := o.Status()
	return status == 401 || status == 403
}

func sameVersion(a, b *apikey.Key) bool {
	return b != nil && a.ID == b.ID && a.Version == b.Version
}
