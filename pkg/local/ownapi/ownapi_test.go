package ownapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/local/ownapi"
)

// authorizer admits every call and says of which environment it is.
type authorizer string

func (a authorizer) Invoke(context.Context, []byte) ([]byte, error) {
	return []byte(`{"principalId":"k","usageIdentifierKey":"admitted","context":{"environment":"` + string(a) +
		`"},"policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke",` +
		`"Effect":"Allow","Resource":"*"}]}}`), nil
}

// folder is a project with a template.
type folder struct {
	t    *testing.T
	path string
}

func project(t *testing.T, template string) folder {
	t.Helper()

	f := folder{t, t.TempDir()}
	f.write("template.yaml", template)
	return f
}

func (f folder) write(name, content string) {
	f.t.Helper()

	path := filepath.Join(f.path, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700),
		os.WriteFile(path, []byte(content), 0o600)); err != nil {
		f.t.Fatal(err)
	}
}

// build builds testdata/bootstrap, which answers with its version, as sam build would.
func (f folder) build(place, version string) {
	f.t.Helper()

	target := filepath.Join(f.path, ".aws-sam", "build", place, "bootstrap")
	if err := os.RemoveAll(filepath.Dir(target)); err != nil {
		f.t.Fatal(err)
	}

	command := exec.CommandContext(f.t.Context(), "go", "build", "-ldflags", "-X main.version="+version,
		"-o", target, "./testdata/bootstrap")
	command.Env = append(command.Environ(), "CGO_ENABLED=0")

	if out, err := command.CombinedOutput(); err != nil {
		f.t.Fatalf("%v\n%s", err, out)
	}
}

// running are APIs that run, and what they said.
type running struct {
	t    *testing.T
	apis *ownapi.APIs

	mu   sync.Mutex
	said bytes.Buffer
}

func (f folder) config() ownapi.Config {
	return ownapi.Config{
		File: filepath.Join(f.path, "template.yaml"),
		Authorizers: map[string]lambda.Handler{
			"production": authorizer("production"),
			"staging":    authorizer("staging"),
		},
		PlanKey: "admitted",
		Every:   20 * time.Millisecond,
	}
}

func start(t *testing.T, config ownapi.Config) *running {
	t.Helper()

	r := &running{t: t}
	config.Say = func(text string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.said.WriteString(text + "\n")
	}

	var err error
	if r.apis, err = ownapi.Start(t.Context(), config); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := r.apis.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *running) says() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.String()
}

func (r *running) call(method, path string) (status int, body string) {
	r.t.Helper()

	w := httptest.NewRecorder()
	r.apis.ServeHTTP(w, httptest.NewRequestWithContext(r.t.Context(), method, path, nil))
	return w.Code, w.Body.String()
}

func (r *running) want(method, path string, status int, says string) {
	r.t.Helper()

	if got, body := r.call(method, path); got != status || !strings.Contains(body, says) {
		r.t.Errorf("%s %s: %d %s, want %d %s", method, path, got, body, status, says)
	}
}

// until waits until a call is answered so.
func (r *running) until(method, path string, status int, says string) {
	r.t.Helper()

	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if got, body := r.call(method, path); got == status && strings.Contains(body, says) {
			return
		}

		time.Sleep(10 * time.Millisecond)
	}

	r.want(method, path, status, says)
}

const head = `Transform: AWS::Serverless-2016-10-31
Globals:
  Api:
    Auth:
      DefaultAuthorizer: Bitting
      Authorizers:
        Bitting: {FunctionPayloadType: REQUEST, FunctionArn: !Ref Authorizer, Identity: {ReauthorizeEvery: 0}}
Parameters:
  Authorizer: {Type: "AWS::SSM::Parameter::Value<String>", Default: /bitting/authorizer/production}
Resources:
`

const list = `  List:
    Type: AWS::Serverless::Function
    Properties:
      Environment: {Variables: {GREETING: hello}}
      Events: {E: {Type: Api, Properties: {Path: /items, Method: get}}}
`

// A function that is built runs, in each environment behind that environment's authorizer. What is
// built again, and what changes in the template, is taken up.
func TestBuiltFunctions(t *testing.T) {
	t.Parallel()

	f := project(t, head+list)
	f.build("List", "one")

	r := start(t, f.config())
	r.want("GET", "/production/items", 200, "one hello production")
	r.want("GET", "/staging/items", 200, "one hello staging")
	r.want("GET", "/development/items", 404, "")
	r.want("GET", "/production/other", 403, "Missing Authentication Token")

	f.build("List", "two")
	r.until("GET", "/production/items", 200, "two hello production")

	f.write("template.yaml", head+list+`      Timeout: soon
`)
	r.until("GET", "/production/items", 200, "two hello production")

	f.write("template.yaml", head+strings.NewReplacer("/items", "/things", "hello", "bye").Replace(list))
	r.until("GET", "/production/things", 200, "two bye production")
	r.want("GET", "/production/items", 403, "")
}

// What cannot be read is said, with its line, and changes nothing.
func TestBrokenChanges(t *testing.T) {
	t.Parallel()

	f := project(t, head+list)
	f.build("List", "one")

	r := start(t, f.config())
	f.write("template.yaml", head+strings.Replace(list, "Method: get", "Method: get, Cache: x", 1))

	for deadline := time.Now().Add(time.Minute); !strings.Contains(r.says(), "What ran before goes on"); {
		if time.Now().After(deadline) {
			t.Fatal("it says nothing")
		}

		time.Sleep(10 * time.Millisecond)
	}

	if !strings.Contains(r.says(), "template.yaml: line 15: List.Events.E: property Cache") {
		t.Errorf("it says %s", r.says())
	}

	r.want("GET", "/production/items", 200, "one")
}

// Calls that run while a function is replaced are answered.
func TestNoCallIsLostByAChange(t *testing.T) {
	t.Parallel()

	f := project(t, head+list)
	f.build("List", "one")

	r := start(t, f.config())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()

	var calls sync.WaitGroup
	for range 4 {
		calls.Go(func() {
			for ctx.Err() == nil {
				r.want("GET", "/production/items", 200, "hello")
			}
		})
	}

	for i := range 5 {
		path := "/new" + string(rune('a'+i))
		f.write("template.yaml", head+list+strings.NewReplacer("List", "More", "/items", path).Replace(list))
		r.until("GET", "/production"+path, 501, "More is not built")
	}

	stop()
	calls.Wait()
}

// sam build gives functions of one code one folder, and its own template says which.
func TestFunctionsOfOneCode(t *testing.T) {
	t.Parallel()

	f := project(t, head+list)
	f.build("Other", "shared")
	f.write(".aws-sam/build/template.yaml", "Resources: {List: {Properties: {CodeUri: Other, X: !Ref Y}}}")

	r := start(t, f.config())
	r.want("GET", "/production/items", 200, "shared")
}

// Functions without a bootstrap are invoked by Lambda's HTTP API.
func TestFunctionsElsewhere(t *testing.T) {
	t.Parallel()

	var event map[string]any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		event = nil

		switch _ = json.Unmarshal(body, &event); event["path"] {
		case "/fails":
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			_, _ = io.WriteString(w, `{"errorType":"Error","errorMessage":"no"}`)
		case "/gone":
			w.WriteHeader(http.StatusNotFound)
		default:
			_, _ = io.WriteString(w, `{"statusCode":201,"body":"`+r.Method+" "+r.URL.Path+`"}`)
		}
	}))
	defer server.Close()

	config := project(t, head+strings.Replace(list, "/items, Method: get", `"/{proxy+}", Method: any`, 1)).config()

	var err error
	if config.Lambda, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}

	r := start(t, config)
	r.want("PUT", "/production/a", 201, "POST /2015-03-31/functions/List/invocations")

	context, _ := event["requestContext"].(map[string]any)
	if said, _ := context["authorizer"].(map[string]any); said["environment"] != "production" {
		t.Errorf("the function got %v", context)
	}

	r.want("GET", "/production/fails", 502, "")
	r.want("GET", "/production/gone", 502, "")
}

// A backend needs no functions, and is told who calls.
func TestBackend(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.URL.Path+" "+r.Header.Get("X-Bitting-Environment"))
	}))
	defer server.Close()

	config := project(t, head+list).config()

	var err error
	if config.Backend, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}

	start(t, config).want("GET", "/staging/items", 200, "/items staging")
}

// An API key of a usage plan that comes from our stack admits what our authorizer admits.
func TestPlanKey(t *testing.T) {
	t.Parallel()

	f := project(t, head+list+`  ServerlessPlan:
    Type: AWS::ApiGateway::UsagePlan
    Properties: {ApiStages: [{ApiId: !Ref ServerlessRestApi, Stage: !Ref ServerlessRestApiProdStage}]}
  Key:
    Type: AWS::ApiGateway::UsagePlanKey
    Properties:
      {KeyId: "{{resolve:ssm:/bitting/admit-key}}", KeyType: API_KEY, UsagePlanId: !Ref ServerlessPlan}
`)
	f.build("List", "one")

	source, err := os.ReadFile(filepath.Join(f.path, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	f.write("template.yaml", strings.Replace(string(source), "    Auth:\n",
		"    ApiKeySourceType: AUTHORIZER\n    Auth:\n      ApiKeyRequired: true\n", 1))

	start(t, f.config()).want("GET", "/production/items", 200, "one")

	config := f.config()
	config.PlanKey = "another"
	start(t, config).want("GET", "/production/items", 403, "Forbidden")
}

// Several APIs stand under their names.
func TestSeveralAPIs(t *testing.T) {
	t.Parallel()

	const apis = `  Orders: {Type: AWS::Serverless::Api, Properties: {StageName: live, Variables: {bittingApi: orders}}}
  Other: {Type: AWS::Serverless::HttpApi}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        A: {Type: Api, Properties: {RestApiId: !Ref Orders, Path: /a, Method: get}}
        B:
          Type: HttpApi
          Properties: {ApiId: !Ref Other, Path: /a, Method: get, PayloadFormatVersion: "1.0"}
`

	f := project(t, head+apis)
	f.build("F", "one")

	r := start(t, f.config())
	r.want("GET", "/production/orders/a", 200, "one")
	r.want("GET", "/production/Other/a", 200, "one")
	r.want("GET", "/production/a", 404, "/Other, /orders")

	if got := r.apis.Mounts(); !slices.Equal(got, []string{"/Other", "/orders"}) {
		t.Errorf("mounts %q", got)
	}
}

// An API with a stage for each environment is served in that stage, with its variables and keys.
func TestStages(t *testing.T) {
	t.Parallel()

	f := project(t, head+`  Orders:
    Type: AWS::Serverless::Api
    Properties:
      StageName: production
      ApiKeySourceType: AUTHORIZER
      Auth:
        ApiKeyRequired: true
        Authorizers:
          Bitting:
            FunctionPayloadType: REQUEST
            FunctionArn: !Sub "arn:aws:lambda:r:1:function:${!stageVariables.authorizer}"
            Identity: {ReauthorizeEvery: 0, StageVariables: [bittingApi]}
  Staging:
    Type: AWS::ApiGateway::Stage
    Properties: {RestApiId: !Ref Orders, StageName: staging, Variables: {bittingApi: orders}}
  Plan:
    Type: AWS::ApiGateway::UsagePlan
    Properties: {ApiStages: [{ApiId: !Ref Orders, Stage: !Ref Staging}]}
  Key:
    Type: AWS::ApiGateway::UsagePlanKey
    Properties: {KeyId: !ImportValue key, KeyType: API_KEY, UsagePlanId: !Ref Plan}
  F:
    Type: AWS::Serverless::Function
    Properties: {Events: {A: {Type: Api, Properties: {RestApiId: !Ref Orders, Path: /a, Method: get}}}}
`)
	f.build("F", "one")

	r := start(t, f.config())
	r.want("GET", "/staging/a", 200, "one  staging")
	r.want("GET", "/production/a", 401, "Unauthorized") // its stage lacks the variable
}

// A template of which nothing can be answered does not start, and says what to do.
func TestNothingToAnswer(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		template string
		prepare  func(folder)
		want     []string
	}{
		"no API": {"Resources: {Q: {Type: AWS::SQS::Queue}}", nil, []string{"no REST API"}},
		"not built": {
			head + list, nil,
			[]string{"GET /items: line 12: List is not built", "sam build", "--lambda URL", "--backend URL"},
		},
		"built for another machine": {
			head + list,
			func(f folder) {
				// the first bytes of a binary for s390x
				f.write(".aws-sam/build/List/bootstrap", "\x7fELF\x02\x02\x01"+strings.Repeat("\x00", 9)+
					"\x00\x02\x00\x16\x00\x00\x00\x01"+strings.Repeat("\x00", 40))
			},
			[]string{"List is built for linux/", "Architectures"},
		},
		"a secret": {
			head + strings.Replace(list, "hello", "'{{resolve:ssm:/x}}'", 1),
			func(f folder) { f.build("List", "one") },
			[]string{"line 14: List: AWS alone knows its variable GREETING", "--lambda URL"},
		},
		"another's authorizer": {
			strings.Replace(head, "!Ref Authorizer", "arn:aws:lambda:eu-west-1:1:function:x", 1) + list, nil,
			[]string{"line 7: ", "must come from a parameter, an export or SSM"},
		},
		"no such file": {
			"",
			func(f folder) { _ = os.Remove(filepath.Join(f.path, "template.yaml")) },
			[]string{"no such file"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			f := project(t, test.template)
			if test.prepare != nil {
				test.prepare(f)
			}

			apis, err := ownapi.Start(t.Context(), f.config())
			if err == nil {
				t.Fatal("it started", apis.Close())
			}

			for _, want := range append(test.want, f.path) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %s", err, want)
				}
			}
		})
	}
}
