package localgateway

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sync/semaphore"
)

// instancesPerCPU is how many calls of one function run at the same time for each processor of the
// machine; others wait, first come, first served. On Lambda each instance has a processor of its
// own. Here they share a few: if all ran at once, a call that reads the table ten times would wait
// ten times behind every other.
const instancesPerCPU = 4

// maxWait is how long a call waits for an instance at most. Lambda throttles at once, but has far
// more instances. Without a bound, more calls than can be answered would all be answered late, and
// the queue would have to be worked off after them.
const maxWait = time.Second

// maxIdle is how long an instance waits for its next call.
const maxIdle = 100 * time.Millisecond

// instances run the calls of one function. Each is a goroutine that stays for the next call: a new
// one for each call would first have to grow its stack, which is a twelfth of all work for a call.
type instances struct {
	free *semaphore.Weighted
	work chan func()
}

func newInstances() *instances {
	return &instances{
		free: semaphore.NewWeighted(int64(instancesPerCPU * runtime.GOMAXPROCS(0))),
		work: make(chan func()),
	}
}

// acquire waits for an instance, but not for long. It is given back by run. Error: errThrottled.
func (i *instances) acquire(ctx context.Context) error {
	if i.free.TryAcquire(1) {
		return nil
	}

	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()

	if i.free.Acquire(ctx, 1) != nil {
		return errThrottled
	}

	return nil
}

// run calls a function in an instance that was acquired, and gives that back afterwards. It does not
// wait for the end.
func (i *instances) run(call func()) {
	select {
	case i.work <- call:
	default:
		go i.serve(call)
	}
}

// serve is an instance: it runs calls for as long as they come.
func (i *instances) serve(call func()) {
	idle := time.NewTimer(maxIdle)
	defer idle.Stop()

	for {
		i.once(call)
		idle.Reset(maxIdle)

		select {
		case call = <-i.work:
		case <-idle.C:
			return
		}
	}
}

// once runs a call, and gives the instance back even if the call ends its goroutine.
func (i *instances) once(call func()) {
	defer i.free.Release(1)

	call()
}
