package localgateway_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/localgateway/runtimeapi"
)

// A function's failure looks the same to the gateway in this process and in a process of its own.
func TestProcessesAndHandlersFailAlike(t *testing.T) {
	t.Parallel()
	bootstrap := filepath.Join(t.TempDir(), "bootstrap")

	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "lambda.norpc", "-o",
		bootstrap, "./runtimeapi/testdata/bootstrap")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	tests := map[string]struct {
		do, value string
		inProcess lambda.Handler
		want      seen
	}{
		"Unauthorized": {
			"fail",
			"Unauthorized",
			fails(errors.New("Unauthorized")),
			seen{401, `{"message":"Unauthorized"}`, restHeaders("UnauthorizedException")},
		},
		"other error": {
			"fail",
			"table gone",
			fails(errors.New("table gone")),
			seen{500, broken, restHeaders("AuthorizerConfigurationException")},
		},
		"panic": {
			"panic",
			"broken",
			function(panics),
			seen{500, broken, restHeaders("AuthorizerConfigurationException")},
		},
		"no answer": {
			"exit",
			"",
			nil,
			seen{500, broken, restHeaders("AuthorizerConfigurationException")},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := runtimeapi.New(runtimeapi.Config{
				Name:        "Authorizer",
				Bootstrap:   bootstrap,
				Environment: map[string]string{"DO": test.do, "VALUE": test.value},
			})
			t.Cleanup(func() { check(t, error(nil), f.Close()) })
			check(t, test.want, newREST(t, f).get("/keys/1"))
			check(t, test.want, newREST(t, test.inProcess).get("/keys/1"))
		})
	}
}
