package runtimeapi_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/bitting-keys/bitting/pkg/localgateway/runtimeapi"
)

// extended returns a function whose extension works after each invocation until finish is called
// with the invocation's id.
func extended(
	t *testing.T, config runtimeapi.Config,
) (f *runtimeapi.Function, finish func(id string)) {
	t.Helper()
	folder := t.TempDir()
	config.Environment = map[string]string{"START": "extended", "WORK": folder}
	return newFunction(t, config), func(id string) {
		if err := os.WriteFile(filepath.Join(folder, id), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func withID(ctx context.Context, id string) context.Context {
	return lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{
		AwsRequestID:       id,
		InvokedFunctionArn: "arn:of:" + id,
	})
}

// An extension is notified of each invocation. The answer does not wait for its work, but the
// instance's next invocation does.
func TestExtensionWorksAfterTheAnswer(t *testing.T) {
	t.Parallel()
	out := newOutput()

	f, finish := extended(t, runtimeapi.Config{Output: out})
	if _, err := invoke(withID(t.Context(), "one"), f, "", "x"); err != nil {
		t.Fatal(err)
	}

	out.await(t, "Keys: told INVOKE one arn:of:one true\n")
	impatient, cancel := context.WithTimeout(withID(t.Context(), "never"), 100*time.Millisecond)
	defer cancel()

	if _, err := invoke(impatient, f, "", "x"); err == nil {
		t.Error("an instance took an invocation while its extension worked")
	}

	finish("one")

	if _, err := invoke(withID(t.Context(), "two"), f, "", "x"); err != nil {
		t.Fatal(err)
	}

	finish("two")
	out.await(t, "Keys: told INVOKE two arn:of:two true\n")

	if strings.Contains(out.String(), "never") {
		t.Errorf("it was told of what never was: %s", out)
	}
}

// An instance is told to end when its extension has done its work, as by Lambda.
func TestExtensionWorksToTheEnd(t *testing.T) {
	t.Parallel()
	out := newOutput()

	f, finish := extended(t, runtimeapi.Config{Output: out})
	if _, err := invoke(withID(t.Context(), "one"), f, "", "x"); err != nil {
		t.Fatal(err)
	}

	out.await(t, "Keys: told INVOKE one arn:of:one true\n")

	closed := make(chan error, 1)
	go func() { closed <- f.Close() }()

	select {
	case err := <-closed:
		t.Errorf("it ended while its extension worked: %v", err)
	case <-time.After(100 * time.Millisecond):
	}

	finish("one")

	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// While one instance's extension works, another instance takes the next invocation.
func TestExtensionKeepsItsInstanceOnly(t *testing.T) {
	t.Parallel()
	f, finish := extended(t, runtimeapi.Config{Instances: 2})

	first, err := invoke(withID(t.Context(), "one"), f, "", "")
	if err != nil {
		t.Fatal(err)
	}

	second, err := invoke(withID(t.Context(), "two"), f, "", "")
	if err != nil {
		t.Fatal(err)
	}

	if first.PID == second.PID {
		t.Error("an instance took an invocation while its extension worked")
	}

	finish("one")
	finish("two")
}

// The function's time-out covers its extensions: one that never ends costs the process.
func TestExtensionThatNeverEnds(t *testing.T) {
	t.Parallel()
	f, finish := extended(t, runtimeapi.Config{Timeout: 2 * time.Second})

	before, err := invoke(withID(t.Context(), "one"), f, "", "")
	if err != nil {
		t.Fatal(err)
	}

	after, err := invoke(withID(t.Context(), "two"), f, "", "")
	if err != nil {
		t.Fatal(err)
	}

	if before.PID == after.PID || isAlive(before.PID) {
		t.Errorf("process %d is still running, and %d took the next invocation", before.PID, after.PID)
	}

	finish("two")
}

func TestExtensionsThatAreRefused(t *testing.T) {
	t.Parallel()

	f, finish := extended(t, runtimeapi.Config{})
	for events, want := range map[string]string{
		`"SHUTDOWN"`: "403 Extension.InvalidEventType SHUTDOWN: " +
			"ShutdownEventNotSupportedForInternalExtension",
		`"INVOKE", "SHUTDOWN"`: "403 Extension.InvalidEventType SHUTDOWN: " +
			"ShutdownEventNotSupportedForInternalExtension",
		`"SLEEP"`:  "403 Extension.InvalidEventType SLEEP: ErrorInvalidEventType",
		`"INVOKE"`: "403 Extension.AlreadyRegistered Extension already registered",
		`{`:        "400 InvalidRequestFormat expected a name and a list of events",
	} {
		got, err := invoke(withID(t.Context(), "one"), f, "register", events)
		if err != nil || got.Echo != want {
			t.Errorf("%s: %q, %v, want %q", events, got.Echo, err, want)
		}

		finish("one")
	}
}
