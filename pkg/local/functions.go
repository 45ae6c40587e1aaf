package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"sync"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting"
	"github.com/bitting-keys/bitting/pkg/accesslog"
	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/adminauthorizer"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/console"
	"github.com/bitting-keys/bitting/pkg/demo"
	"github.com/bitting-keys/bitting/pkg/localgateway/runtimeapi"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/upkeep"
)

// startFunctions starts every function of the template: inside this process, or each in processes
// of its own.
func (m *machine) startFunctions(ctx context.Context) (stop func() error, err error) {
	m.functions = map[string]lambda.Handler{}
	if !m.options.Processes {
		return m.startInProcess(ctx)
	}

	bootstraps, err := m.build(ctx)
	if err != nil {
		return nil, err
	}

	var running []*runtimeapi.Function
	for id, f := range m.template.Functions {
		function := runtimeapi.New(runtimeapi.Config{
			Name:        id,
			Bootstrap:   bootstraps[f.CodeURI],
			ARN:         f.ARN,
			Environment: m.heldToRole(f),
			Timeout:     f.Timeout,
			MemoryMB:    f.MemoryMB,
			Instances:   instancesEach,
			Output:      m.log,
			Logger:      m.logger,
		})
		m.functions[id] = function
		running = append(running, function)
	}

	return func() error {
		var faults []error
		for _, function := range running {
			faults = append(faults, function.Close())
		}

		return errors.Join(faults...)
	}, nil
}

// startInProcess creates the functions' handlers, and starts their background work.
func (m *machine) startInProcess(ctx context.Context) (stop func() error, err error) {
	// the counts of the last calls are written after ctx has ended
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var background sync.WaitGroup

	stop = func() error {
		cancel()
		background.Wait()
		return nil
	}
	for id, f := range m.template.Functions {
		handler, work, err := m.inProcess(f)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("function %s: %w", id, err), stop())
		}

		m.functions[id] = handler

		if work != nil {
			background.Go(func() { work(ctx) })
		}
	}

	return stop, nil
}

// instancesEach is the maximum number of processes of a function.
const instancesEach = 4

// inProcess returns the handler that the main of the function's folder starts, and its background
// work, which runs until a context ends; nil if it has none.
func (m *machine) inProcess(
	f template.Function,
) (handler lambda.Handler, work func(context.Context), err error) {
	switch f.CodeURI {
	case "functions/demo":
		return demo.Function(), nil, nil
	case "authorizer":
		return m.authorizer(f, func(d *boot.Deployment) *authorizer.Authorizer {
			return authorizer.Function(d, nil)
		})
	case "functions/adminauthorizer":
		return m.authorizer(f, adminauthorizer.Function)
	}

	d, err := full.Load(boot.Of(m.heldToRole(f)), m.logger.With("function", f.ID))
	if err != nil {
		return nil, nil, err
	}

	m.shareMemory(d.Deployment)

	switch folder, name := path.Split(f.CodeURI); {
	case f.CodeURI == "functions/accesslog":
		return accesslog.Function(d), nil, nil
	case f.CodeURI == "functions/console":
		return console.Function(d.Configuration), nil, nil
	case f.CodeURI == "functions/upkeep":
		return upkeep.Function(d), nil, nil
	case folder == "functions/":
		return adminapi.Function(d, adminapi.Group(name)), nil, nil
	default:
		return nil, nil, fmt.Errorf("nothing here stands for the code in %s", f.CodeURI)
	}
}

// shareMemory makes all functions of the process share one memory: what an admin function changes,
// the authorizers forget.
func (m *machine) shareMemory(d *boot.Deployment) {
	if d.Memory == nil {
		return
	}

	if m.memory == nil {
		m.memory = d.Memory
	}

	d.Memory = m.memory
	d.Checker.Memory = m.memory
}

// authorizer is inProcess for an authorizer.
func (m *machine) authorizer(
	f template.Function, function func(*boot.Deployment) *authorizer.Authorizer,
) (handler lambda.Handler, work func(context.Context), err error) {
	d, err := boot.Load(boot.Of(m.heldToRole(f)), m.logger.With("function", f.ID))
	if err != nil {
		return nil, nil, err
	}

	m.shareMemory(d)

	a := function(d)
	handler = &onDemand{Handler: a, start: d.Warm}

	if d.Recorder == nil {
		return handler, nil, nil
	}

	return handler, func(ctx context.Context) {
		d.Recorder.Run(ctx)
		d.End(context.WithoutCancel(ctx), a.Flush)
	}, nil
}

// onDemand is a function that starts with its first call, as an instance does in Lambda. It is safe
// for concurrent use.
type onDemand struct {
	lambda.Handler

	once  sync.Once
	start func(ctx context.Context)
}

// Invoke implements lambda.Handler.
func (o *onDemand) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	o.once.Do(func() { o.start(context.WithoutCancel(ctx)) })
	return o.Handler.Invoke(ctx, payload)
}

// build builds the bootstrap of each code folder as for Lambda, but for this machine's platform.
// It returns their paths.
func (m *machine) build(ctx context.Context) (map[string]string, error) {
	if m.checkout == "" {
		return nil, errors.New("processes are built from the sources: start bitting local in a checkout " +
			"of Bitting, or leave out --functions process")
	}

	_, _ = fmt.Fprintln(m.options.Out, "Building the functions.")

	built := map[string]string{}
	for _, f := range m.template.Functions {
		if built[f.CodeURI] != "" {
			continue
		}

		target, err := filepath.Abs(m.path(filepath.Join("build", filepath.FromSlash(f.CodeURI),
			"bootstrap")))
		if err != nil {
			return nil, err
		}

		command := exec.CommandContext(ctx, "go", "build", "-trimpath", //nolint:gosec // our own folders
			"-tags", bitting.BuildTags, "-ldflags", "-s -w", "-o", target, "./"+f.CodeURI)
		command.Dir = m.checkout
		command.Env = append(command.Environ(), "CGO_ENABLED=0")
		// so that it removes partial output
		command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
		command.WaitDelay = finishTime
		out, err := command.CombinedOutput()

		if ctx.Err() != nil {
			return nil, ctx.Err()
		}

		if err != nil {
			return nil, fmt.Errorf("build %s: %w\n%s", f.CodeURI, err, out)
		}

		built[f.CodeURI] = target
	}

	return built, nil
}
