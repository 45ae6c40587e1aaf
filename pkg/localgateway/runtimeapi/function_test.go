package runtimeapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/bitting-keys/bitting/pkg/localgateway/runtimeapi"
)

var _ lambda.Handler = (*runtimeapi.Function)(nil)

// bootstrap is the path of the binary that TestMain builds.
var bootstrap string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "bootstrap")
	if err != nil {
		panic(err)
	}

	defer func() { _ = os.RemoveAll(folder) }()

	bootstrap = filepath.Join(folder, "bootstrap")
	if out, err := exec.CommandContext(context.Background(), "go", "build", "-tags", "lambda.norpc",
		"-o", bootstrap, "./testdata/bootstrap").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build of the test's bootstrap: %v\n%s", err, out)
		return 1
	}

	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}

	return code
}

// output collects what the functions print, and lets a test wait for a line.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newOutput() *output { return &output{changed: make(chan struct{}, 1000)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changed <- struct{}{}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *output) await(t *testing.T, line string) {
	t.Helper()

	for !strings.Contains(o.String(), line) {
		select {
		case <-o.changed:
		case <-t.Context().Done():
			t.Fatalf("never printed %q, only:\n%s", line, o)
		}
	}
}

func newFunction(t *testing.T, config runtimeapi.Config) *runtimeapi.Function {
	t.Helper()
	config.Name = "Keys"

	config.Bootstrap = bootstrap
	if config.Timeout == 0 {
		config.Timeout = time.Minute
	}

	f := runtimeapi.New(config)
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

type reply struct {
	PID         int
	Echo        string
	RequestID   string
	ARN         string
	Deadline    bool
	Environment []string
}

func invoke(ctx context.Context, f *runtimeapi.Function, do, value string) (reply, error) {
	event, err := json.Marshal(map[string]string{"Do": do, "Value": value})
	if err != nil {
		return reply{}, err
	}

	payload, err := f.Invoke(ctx, event)
	if err != nil {
		return reply{}, err
	}

	var r reply
	return r, json.Unmarshal(payload, &r)
}

func mustInvoke(t *testing.T, f *runtimeapi.Function, do, value string) reply {
	t.Helper()

	r, err := invoke(t.Context(), f, do, value)
	if err != nil {
		t.Fatal(err)
	}

	return r
}

func isAlive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// Each process tells once how long it took until it asked for its first event.
func TestStarted(t *testing.T) {
	t.Parallel()

	started := make(chan time.Duration, 10)
	f := newFunction(t, runtimeapi.Config{Started: func(init time.Duration) { started <- init }})

	began := time.Now()

	for range 3 {
		mustInvoke(t, f, "", "")
	}

	if init := <-started; init <= 0 || init > time.Since(began) {
		t.Errorf("%v of %v", init, time.Since(began))
	}

	if len(started) > 0 {
		t.Errorf("%d more", len(started))
	}
}

func TestInvokeKeepsItsProcess(t *testing.T) {
	t.Parallel()
	f := newFunction(t, runtimeapi.Config{
		ARN: "arn:aws:lambda:us-east-1:123456789012:function:Keys",
	})
	first := mustInvoke(t, f, "", "one")
	second := mustInvoke(t, f, "", "two")

	want := reply{
		PID:       first.PID,
		Echo:      "two",
		Deadline:  true,
		RequestID: "00000000-0000-4000-8000-000000000000",
		ARN:       "arn:aws:lambda:us-east-1:123456789012:function:Keys",
	}
	if diff := cmp.Diff(want, second); diff != "" {
		t.Error(diff)
	}
}

func TestInvokeHandsOnTheCallersContext(t *testing.T) {
	t.Parallel()
	f := newFunction(t, runtimeapi.Config{})
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{
		AwsRequestID:       "an-id",
		InvokedFunctionArn: "an-arn",
	})

	r, err := invoke(ctx, f, "", "")
	if err != nil {
		t.Fatal(err)
	}

	if r.RequestID != "an-id" || r.ARN != "an-arn" {
		t.Errorf("request id %q and ARN %q", r.RequestID, r.ARN)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	const id = "RequestId: 00000000-0000-4000-8000-000000000000 Error: "

	tests := map[string]struct {
		start, do, value string
		timeout          time.Duration
		want             runtimeapi.Error
	}{
		"error": {
			do:    "fail",
			value: "Unauthorized",
			want:  runtimeapi.Error{Type: "errorString", Message: "Unauthorized"},
		},
		"panic": {
			do:    "panic",
			value: "broken",
			want:  runtimeapi.Error{Type: "string", Message: "broken"},
		},
		"exit": {
			do: "exit",
			want: runtimeapi.Error{
				Type:    "Runtime.ExitError",
				Message: id + "Runtime exited with error: exit status 3",
			},
		},
		"exit at start": {
			start: "exit",
			want: runtimeapi.Error{
				Type:    "Runtime.ExitError",
				Message: id + "Runtime exited with error: exit status 7",
			},
		},
		"panic at start": {
			start: "panic",
			want: runtimeapi.Error{
				Type:    "Runtime.ExitError",
				Message: id + "Runtime exited with error: exit status 2",
			},
		},
		"report at start": {
			start: "report",
			want:  runtimeapi.Error{Type: "Runtime.NoConfig", Message: "no table"},
		},
		"time-out": {
			do:      "hang",
			timeout: 1500 * time.Millisecond,
			want: runtimeapi.Error{
				Type:    "Sandbox.Timedout",
				Message: id + "Task timed out after 1.50 seconds",
			},
		},
		"response too large": {
			do: "large",
			want: runtimeapi.Error{
				Type: "Function.ResponseSizeTooLarge",
				Message: "Response payload size exceeded maximum allowed payload size (6291556 " +
					"bytes).",
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFunction(t, runtimeapi.Config{
				Timeout:     test.timeout,
				Environment: map[string]string{"START": test.start},
			})
			_, err := invoke(t.Context(), f, test.do, test.value)

			var got *runtimeapi.Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want a runtimeapi.Error", err)
			}

			if diff := cmp.Diff(test.want, *got); diff != "" {
				t.Error(diff)
			}

			if err.Error() != test.want.Message {
				t.Errorf("text is %q", err)
			}

			if test.start == "" && test.timeout == 0 {
				mustInvoke(t, f, "", "works again")
			}
		})
	}
}

// After a panic the runtime reports the error and then exits, so the next invocation finds an idle
// process that is dead or dying.
func TestErrorKeepsTheProcessAndPanicDoesNot(t *testing.T) {
	t.Parallel()
	f := newFunction(t, runtimeapi.Config{})

	before := mustInvoke(t, f, "", "")
	if _, err := invoke(t.Context(), f, "fail", "x"); err == nil {
		t.Fatal("no error")
	}

	after := mustInvoke(t, f, "", "")
	if before.PID != after.PID {
		t.Errorf("an error replaced process %d by %d", before.PID, after.PID)
	}

	if _, err := invoke(t.Context(), f, "panic", "x"); err == nil {
		t.Fatal("no error")
	}

	if last := mustInvoke(t, f, "", ""); last.PID == after.PID {
		t.Errorf("process %d survived a panic", last.PID)
	}
}

func TestAnswerToAnotherInvocationIsRefused(t *testing.T) {
	t.Parallel()

	f := newFunction(t, runtimeapi.Config{})
	if got := mustInvoke(t, f, "stale", "").Echo; got != "400 Bad Request" {
		t.Errorf("got %q", got)
	}
}

func TestTimeOutKillsTheProcess(t *testing.T) {
	t.Parallel()
	f := newFunction(t, runtimeapi.Config{})
	before := mustInvoke(t, f, "", "")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()

	if _, err := invoke(ctx, f, "hang", ""); err == nil {
		t.Fatal("no error")
	}

	if isAlive(before.PID) {
		t.Errorf("process %d outlived its time-out", before.PID)
	}

	mustInvoke(t, f, "", "")
}

func TestConcurrency(t *testing.T) {
	t.Parallel()

	for _, instances := range []int{1, 3} {
		t.Run(fmt.Sprint(instances), func(t *testing.T) {
			t.Parallel()
			f := newFunction(t, runtimeapi.Config{Instances: instances})
			var wait sync.WaitGroup
			var mu sync.Mutex

			pids := map[int]bool{}
			for i := range 30 {
				wait.Go(func() {
					r, err := invoke(t.Context(), f, "", fmt.Sprint(i))
					if err != nil || r.Echo != fmt.Sprint(i) {
						t.Errorf("invocation %d got %q, %v", i, r.Echo, err)
					}

					mu.Lock()
					defer mu.Unlock()
					pids[r.PID] = true
				})
			}

			wait.Wait()

			if len(pids) > instances {
				t.Errorf("%d processes, want at most %d", len(pids), instances)
			}
		})
	}
}

func TestBusyFunctionMakesOthersWait(t *testing.T) {
	t.Parallel()
	out := newOutput()
	f := newFunction(t, runtimeapi.Config{Output: out})
	hanging, release := context.WithCancel(t.Context())

	done := make(chan error)
	go func() {
		_, err := invoke(hanging, f, "hang", "")
		done <- err
	}()
	out.await(t, "Keys: hanging\n")
	impatient, cancel := context.WithCancel(t.Context())
	cancel()

	if _, err := invoke(impatient, f, "", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("a second invocation got %v, want to wait until it was cancelled", err)
	}

	release()

	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the first invocation got %v", err)
	}

	mustInvoke(t, f, "", "")
}

func TestEnvironmentIsLambdasAndTheFunctionsOwn(t *testing.T) {
	t.Setenv("BITTING_LEAK", "from this process")
	f := newFunction(t, runtimeapi.Config{
		MemoryMB:    256,
		Environment: map[string]string{"BITTING_BRAND": "bt", "TZ": "Europe/Berlin"},
	})

	got := map[string]string{}
	for _, variable := range mustInvoke(t, f, "environment", "").Environment {
		name, value, _ := strings.Cut(variable, "=")
		got[name] = value
	}

	if got["AWS_LAMBDA_RUNTIME_API"] == "" {
		t.Errorf("no Runtime API in %v", got)
	}

	for _, machine := range []string{
		"AWS_LAMBDA_RUNTIME_API", "HOME", "LAMBDA_TASK_ROOT", "PWD", "_X_AMZN_TRACE_ID",
	} {
		delete(got, machine)
	}

	want := map[string]string{
		"AWS_DEFAULT_REGION":              "us-east-1",
		"AWS_EXECUTION_ENV":               "AWS_Lambda_provided.al2023",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
		"AWS_LAMBDA_FUNCTION_NAME":        "Keys",
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/Keys",
		"AWS_LAMBDA_LOG_STREAM_NAME":      "local",
		"AWS_REGION":                      "us-east-1",
		"BITTING_BRAND":                   "bt",
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"LANG":                            "en_US.UTF-8",
		"PATH":                            "/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"TZ":                              "Europe/Berlin",
		"_HANDLER":                        "bootstrap",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOutputCarriesTheName(t *testing.T) {
	t.Parallel()
	out := newOutput()
	f := newFunction(t, runtimeapi.Config{Output: out})
	mustInvoke(t, f, "print", "hello")
	out.await(t, "Keys: hello\n")
	out.await(t, "Keys: error: hello\n")
}

func TestClose(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		environment map[string]string
		says        string
	}{
		"ends by SIGTERM": {},
		"lets the function flush": {
			environment: map[string]string{"SIGTERM_SAYS": "flushed"},
			says:        "Keys: flushed\n",
		},
		"kills a function deaf for SIGTERM": {environment: map[string]string{"START": "deaf"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := newOutput()
			f := newFunction(t, runtimeapi.Config{Environment: test.environment, Output: out})

			pid := mustInvoke(t, f, "", "").PID
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}

			if isAlive(pid) {
				t.Errorf("process %d is still there", pid)
			}

			if !strings.Contains(out.String(), test.says) {
				t.Errorf("printed %q, want %q", out, test.says)
			}

			if _, err := invoke(t.Context(), f, "", ""); !errors.Is(err, runtimeapi.ErrClosed) {
				t.Errorf("Invoke after Close gave %v", err)
			}
		})
	}
}

func TestCloseEndsARunningInvocation(t *testing.T) {
	t.Parallel()
	out := newOutput()
	f := newFunction(t, runtimeapi.Config{Output: out})

	done := make(chan error)
	go func() {
		_, err := invoke(context.WithoutCancel(t.Context()), f, "hang", "")
		done <- err
	}()
	out.await(t, "hanging")

	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	if err := <-done; err == nil {
		t.Error("the invocation succeeded")
	}
}

func TestMissingBootstrap(t *testing.T) {
	t.Parallel()

	f := runtimeapi.New(runtimeapi.Config{
		Name:      "Keys",
		Bootstrap: filepath.Join(t.TempDir(), "bootstrap"),
		Output:    io.Discard,
	})
	if _, err := f.Invoke(t.Context(), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that the file does not exist", err)
	}
}
