// Package runtimeapi runs a Lambda function's real bootstrap binary on this machine, behind the
// Lambda Runtime API.
//
// A Function starts processes on demand, up to a maximum, gives each one invocation at a time, and
// replaces those that died. It promises:
//
//   - A function's errors read as Lambda reports them.
//   - A time-out kills the process that ran out of time.
//   - Close leaves no process behind. If this process is killed instead, functions end when they
//     next call the Runtime API.
//
// It does not promise Lambda's isolation: processes share this machine's files, network and clock,
// memory is not limited, and a cold start counts against the function's time-out.
//
// The API that it serves on 127.0.0.1 is documented in
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and, for extensions inside the
// process, in https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html. Each
// invocation is an INVOKE event to extensions too, and an instance gets no other before they are
// done. SHUTDOWN is for external extensions, which are not supported. Nor is response streaming: a
// streamed response arrives whole.
package runtimeapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// ErrClosed is returned by Invoke once Close was called.
var ErrClosed = errors.New("the function is closed")

// Error is a failure as Lambda reports it to the caller of a function. Its text is the
// errorMessage alone, so that it reads like the error that the function returned.
type Error struct {
	Type    string // errorType, such as errorString or Sandbox.Timedout
	Message string // errorMessage
}

// Error returns the errorMessage.
func (e *Error) Error() string { return e.Message }

// Config describes one function.
type Config struct {
	Name        string // required: AWS_LAMBDA_FUNCTION_NAME and the prefix of the output
	Bootstrap   string // required: path of the binary
	ARN         string // the ARN that the function is invoked as
	Environment map[string]string
	Timeout     time.Duration // of one invocation; 0 means Lambda's default of 3 s
	MemoryMB    int           // AWS_LAMBDA_FUNCTION_MEMORY_SIZE; 0 means 128
	Instances   int           // maximum number of processes; 0 means 1

	Output io.Writer    // receives what the processes print, each line after the name; nil discards it
	Logger *slog.Logger // nil logs nothing

	// Started is told how long each process took to ask for its first event, which is the Init
	// Duration of Lambda's logs; nil for nobody. It may be called at any time, and must return at once.
	Started func(init time.Duration)
}

// Function is a lambda.Handler that runs in separate processes.
type Function struct {
	config Config
	slots  chan struct{} // one token for each invocation that may run
	output *lines

	mu        sync.Mutex
	closed    bool
	idle      []*instance // the most recently used one is taken first, as on Lambda
	instances map[*instance]struct{}
	done      chan struct{} // closed by Close
}

// New returns a Function. No process starts before the first Invoke.
func New(config Config) *Function {
	if config.Timeout == 0 {
		config.Timeout = 3 * time.Second
	}

	if config.MemoryMB == 0 {
		config.MemoryMB = 128
	}

	if config.Output == nil {
		config.Output = io.Discard
	}

	if config.Started == nil {
		config.Started = func(time.Duration) {}
	}

	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}

	return &Function{
		config:    config,
		slots:     make(chan struct{}, max(config.Instances, 1)),
		output:    &lines{to: config.Output, prefix: config.Name + ": "},
		instances: map[*instance]struct{}{},
		done:      make(chan struct{}),
	}
}

// Invoke runs the function once. A failure of the function is an *Error. While all instances are
// busy it waits until ctx ends, where Lambda would throttle.
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for an instance of %s: %w", f.config.Name,
			context.Cause(ctx))
	case <-f.done:
		return nil, ErrClosed
	}

	ctx, cancel := context.WithTimeout(ctx, f.config.Timeout)
	defer cancel()
	inv := newInvocation(ctx, payload)

	free := func() { <-f.slots }
	for {
		in, err := f.take()
		if err != nil {
			free()
			return nil, err
		}

		r, answered := in.invoke(ctx, inv)
		if answered {
			// the instance is busy until its extensions are done; the answer does not wait for them
			go func() {
				defer free()
				f.reclaim(in, inv.deadline)
			}()
			return r.payload, r.err
		}

		f.discard(in)

		if errors.Is(r.err, errDiedIdle) {
			continue // it never saw the invocation, so another instance can have it
		}

		free()
		return r.payload, r.err
	}
}

// PIDs returns the ids of the function's processes, to measure them by.
func (f *Function) PIDs() (ids []int) {
	f.mu.Lock()
	defer f.mu.Unlock()

	for in := range f.instances {
		ids = append(ids, in.command.Process.Pid)
	}

	return ids
}

// reclaim returns an instance that has answered to the pool, once its extensions are done. Their
// time counts as the function's: an extension that takes longer ends the process.
func (f *Function) reclaim(in *instance, deadline time.Time) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()

	select {
	case <-in.api.extensions.done():
		f.release(in)
	case <-in.exited:
		f.release(in) // the next invocation finds out that it is dead
	case <-timer.C:
		f.config.Logger.Error("an extension took more than the function's time", "function",
			f.config.Name)
		f.discard(in)
	}
}

// take returns an idle instance, or starts a new one.
func (f *Function) take() (*instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	if f.closed {
		return nil, ErrClosed
	}

	if n := len(f.idle); n > 0 {
		in := f.idle[n-1]
		f.idle = f.idle[:n-1]
		return in, nil
	}

	in, err := start(f.config, f.output)
	if err != nil {
		return nil, err
	}

	f.instances[in] = struct{}{}
	f.config.Logger.Debug("function started", "function", f.config.Name, "pid",
		in.command.Process.Pid)
	return in, nil
}

func (f *Function) release(in *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	in.used = true
	f.idle = append(f.idle, in)
}

// discard kills an instance and waits until it is gone.
func (f *Function) discard(in *instance) {
	in.kill()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.instances, in)
}

// Close asks all processes to exit, kills those that have not after two seconds, and returns when
// none is left. Running invocations fail with ErrClosed or as their process ends.
func (f *Function) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}

	f.closed = true
	close(f.done)

	all := make([]*instance, 0, len(f.instances))
	for in := range f.instances {
		all = append(all, in)
	}

	f.mu.Unlock()

	var wait sync.WaitGroup
	for _, in := range all {
		wait.Go(in.stop)
	}

	wait.Wait()
	return nil
}
