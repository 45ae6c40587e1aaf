package runtimeapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"time"
)

// grace is how long a process has to exit after SIGTERM, as on Lambda when a function is shut
// down.
const grace = 2 * time.Second

// errDiedIdle means that an instance was found dead before it got an invocation.
var errDiedIdle = errors.New("the instance died while it was idle")

// instance is one process and the Runtime API that only it talks to.
type instance struct {
	name    string
	used    bool // has completed an invocation, so it is initialised
	command *exec.Cmd
	server  *http.Server
	api     *api
	exited  chan struct{} // closed when the process has ended
	exitErr error         // readable after exited
	gone    chan struct{} // closed when its Runtime API has ended too
}

// start starts a process, which initialises while the first invocation waits.
func start(config Config, output *lines) (*instance, error) {
	// Neither may end with the invocation that happens to need it first.
	background := context.Background()

	listener, err := new(net.ListenConfig).Listen(background, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("runtime API of %s: %w", config.Name, err)
	}

	path, err := filepath.Abs(config.Bootstrap)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bootstrap of %s: %w", config.Name, err),
			listener.Close())
	}

	began := time.Now()

	in := &instance{
		name:   config.Name,
		api:    newAPI(config.ARN, func() { config.Started(time.Since(began)) }),
		exited: make(chan struct{}),
		gone:   make(chan struct{}),
	}
	in.server = &http.Server{Handler: in.api.routes(), ReadHeaderTimeout: 10 * time.Second}
	in.command = exec.CommandContext(background, path) //nolint:gosec // running the function is the point
	in.command.Env = environment(config, listener.Addr().String())
	in.command.Dir = filepath.Dir(path)
	stdout, stderr := output.stream(), output.stream()
	in.command.Stdout = stdout
	in.command.Stderr = stderr
	in.command.WaitDelay = grace // a grandchild may keep the pipes open
	ownGroup(in.command)

	if err := in.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", config.Name, err), listener.Close())
	}

	go func() { _ = in.server.Serve(listener) }() // ends with ErrServerClosed below
	go func() {
		in.exitErr = in.command.Wait()
		killGroup(in.command) // child processes that it left behind
		stdout.flush()
		stderr.flush()
		close(in.exited)
		_ = in.server.Close() // closes a listener and connections to a dead process
		close(in.gone)
	}()
	return in, nil
}

// invoke hands over the invocation and waits for its result. answered reports whether the result
// came from the function itself, so that its process can be reused.
func (in *instance) invoke(ctx context.Context, inv *invocation) (r result, answered bool) {
	select {
	case in.api.next <- inv:
	case failure := <-in.api.initErrors:
		return result{err: failure}, false
	case <-in.exited:
		if in.used {
			return result{err: errDiedIdle}, false
		}

		return result{err: in.initFailure(inv)}, false
	case <-ctx.Done():
		return result{err: in.endOf(ctx, inv)}, false
	}

	select {
	case r := <-inv.result:
		return r, true
	case <-in.exited:
		select { // it may have answered before it died
		case r := <-inv.result:
			return r, false
		default:
			return result{
				err: &Error{
					"Runtime.ExitError",
					fmt.Sprintf("RequestId: %s Error: %s", inv.id, in.exitReason()),
				},
			}, false
		}
	case <-ctx.Done():
		return result{err: in.endOf(ctx, inv)}, false
	}
}

// initFailure returns the function's own report of why it could not start, if it sent one before
// it died.
func (in *instance) initFailure(inv *invocation) error {
	select {
	case failure := <-in.api.initErrors:
		return failure
	default:
		return &Error{
			"Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: %s", inv.id, in.exitReason()),
		}
	}
}

func (in *instance) exitReason() string {
	if in.exitErr == nil {
		return "Runtime exited without providing a reason"
	}

	return "Runtime exited with error: " + in.exitErr.Error()
}

// endOf distinguishes a time-out from a caller who gave up.
func (in *instance) endOf(ctx context.Context, inv *invocation) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{
			"Sandbox.Timedout",
			fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", inv.id,
				inv.allowed.Seconds()),
		}
	}

	return fmt.Errorf("invocation of %s: %w", in.name, context.Cause(ctx))
}

// kill ends the process group at once.
func (in *instance) kill() {
	select {
	case <-in.exited: // its id may belong to another process by now
	default:
		killGroup(in.command)
	}

	<-in.gone
}

// stop asks the process to exit once its extensions have done their work, as Lambda does, and kills
// it after the grace period.
func (in *instance) stop() {
	in.wait(in.api.extensions.done())
	terminate(in.command)
	in.wait(nil)
	in.kill()
}

// wait waits for something, or until the process has ended, or until the grace period is over.
func (in *instance) wait(something <-chan struct{}) {
	timer := time.NewTimer(grace)
	defer timer.Stop()

	select {
	case <-something:
	case <-in.exited:
	case <-timer.C:
	}
}
