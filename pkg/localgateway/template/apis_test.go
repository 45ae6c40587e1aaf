package template_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// shown describes an API's routes, sorted: method, path and function, then the authorizer, key when a usage
// plan's key is required, and why the route cannot be answered.
func shown(a template.API) []string {
	var out []string
	for _, r := range a.Routes {
		line := strings.Join([]string{r.Method, r.Path, r.Function, r.Authorizer}, " ")
		if r.APIKeyRequired {
			line += " key"
		}

		for _, fault := range []*template.Error{r.Target, r.Guard} {
			if fault != nil {
				line += fmt.Sprintf(" (%v)", fault)
			}
		}

		out = append(out, strings.TrimSpace(line))
	}

	slices.Sort(out)
	return out
}

const listFunction = `
  List:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: s3://bucket/code
      Layers: [arn]
      Events:
        Get: {Type: Api, Properties: {Path: /items/, Method: get}}
        Queue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}
`

// TestAPIs reads the ways in which people declare the routes of an API.
func TestAPIs(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		source string
		want   map[string][]string
	}{
		"implicit, with Globals": {
			`Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
Globals: {Api: {Auth: {ApiKeyRequired: true}, Cors: "'*'"}}
Resources:` + listFunction,
			map[string][]string{
				"ServerlessRestApi": {"GET /items List  key", "OPTIONS /items   key"},
			},
		},
		"implicit HTTP API": {
			head + `Resources:
  F: {Type: AWS::Serverless::Function, Properties: {Events: {Any: {Type: HttpApi}}}}
`,
			map[string][]string{"ServerlessHttpApi": {"ANY $default F"}},
		},
		"no event": {head + "Resources:\n  Q: {Type: AWS::SQS::Queue}\n", map[string][]string{}},
		"an API that ignores Globals": {
			head + `Globals: {Api: {Auth: {ApiKeyRequired: true}, StageName: live}}
Resources:
  A: {Type: AWS::Serverless::Api, IgnoreGlobals: [Auth]}
  F:
    Type: AWS::Serverless::Function
    Properties: {Events: {E: {Type: Api, Properties: {RestApiId: !Ref A, Path: /, Method: any}}}}
`,
			map[string][]string{"A": {"ANY / F"}},
		},
		"document": {
			head + `Resources:
  F: {Type: AWS::Serverless::Function}
  A:
    Type: AWS::Serverless::Api
    Properties:
      StageName: live
      Auth:
        DefaultAuthorizer: Own
        AddDefaultAuthorizerToCorsPreflight: false
        Authorizers: {Own: {FunctionArn: !GetAtt F.Arn}}
      DefinitionBody:
        openapi: 3.0.1
        components:
          securitySchemes:
            quota: {type: apiKey, name: x-api-key, in: header}
            users: {type: apiKey, name: Authorization, in: header, x-amazon-apigateway-authorizer: {type: cognito_user_pools}}
        paths:
          /a:
            parameters: []
            get:
              x-amazon-apigateway-integration: &lambda
                type: AWS_PROXY
                uri: !Sub arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${F.Arn}/invocations
            post: {security: [{quota: []}], x-amazon-apigateway-integration: *lambda}
            put: {security: [{users: [admin]}], x-amazon-apigateway-integration: *lambda}
            delete: {security: [{NONE: []}], x-amazon-apigateway-integration: {type: http, uri: "https://example.com"}}
            options:
              x-amazon-apigateway-integration:
                type: mock
                responses: {default: {statusCode: 200, responseParameters: {method.response.header.Access-Control-Allow-Origin: "'*'"}}}
          /b:
            Fn::If: [No, {get: {}}, {x-amazon-apigateway-any-method: {}}]
Conditions: {No: !Equals [a, b]}
`,
			map[string][]string{"A": {
				"ANY /b   (line 33: A: ANY /b has no integration)",
				"DELETE /a   (line 27: A.DefinitionBody.paths./a.delete.x-amazon-apigateway-integration: " +
					"integrations of type http are not understood)",
				"GET /a F Own",
				"OPTIONS /a",
				"POST /a F Own key",
				"PUT /a F users (line 17: A.users: authorizers of type cognito_user_pools are not understood)",
			}},
		},
		"events beside a document": {
			head + `Resources:
  Rest: {Type: AWS::Serverless::Api, Properties: {StageName: live, DefinitionBody: {swagger: "2.0", paths: {/a: {get: {}}}}}}
  Merged:
    Type: AWS::Serverless::Api
    Properties: {StageName: live, MergeDefinitions: true, DefinitionBody: {swagger: "2.0", paths: {/a: {get: {}, put: {}}}}}
  Http: {Type: AWS::Serverless::HttpApi, Properties: {DefinitionBody: {openapi: 3.0.1, paths: {/a: {get: {}}}}}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        R: {Type: Api, Properties: {RestApiId: !Ref Rest, Path: /b, Method: GET}}
        M: {Type: Api, Properties: {RestApiId: !Ref Merged, Path: /a, Method: GET}}
        H: {Type: HttpApi, Properties: {ApiId: !Ref Http, Path: /a, Method: GET}}
`,
			map[string][]string{
				"Rest": {"GET /a   (line 3: Rest: GET /a has no integration)"},
				"Merged": {
					"GET /a F",
					"PUT /a   (line 6: Merged: PUT /a has no integration)",
				},
				"Http": {"GET /a F"},
			},
		},
		"what is not answered here": {
			head + `Resources:
  A:
    Type: AWS::Serverless::Api
    Properties: {StageName: live, Auth: {DefaultAuthorizer: Users, Authorizers: {Users: {UserPoolArn: !GetAtt Pool.Arn}}}}
  H:
    Type: AWS::Serverless::HttpApi
    Properties: {Auth: {EnableIamAuthorizer: true, Authorizers: {Users: {JwtConfiguration: {}, IdentitySource: x}}}}
  Pool: {Type: AWS::Cognito::UserPool}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        A: {Type: Api, Properties: {RestApiId: !Ref A, Path: /, Method: GET}}
        B: {Type: Api, Properties: {RestApiId: !Ref A, Path: /, Method: PUT, Auth: {Authorizer: NONE}, RequestModel: {Model: M, ValidateBody: true}}}
        C: {Type: HttpApi, Properties: {ApiId: !Ref H, Path: /, Method: GET, Auth: {Authorizer: Users}}}
        D: {Type: HttpApi, Properties: {ApiId: !Ref H, Path: /, Method: PUT, Auth: {Authorizer: AWS_IAM}}}
  S:
    Type: AWS::Serverless::StateMachine
    Properties: {Events: {E: {Type: Api, Properties: {RestApiId: !Ref A, Path: /s, Method: GET}}}}
`,
			map[string][]string{
				"A": {
					"GET / F Users (line 5: A.Auth.Authorizers.Users: property UserPoolArn is not understood: " +
						"user pools do not exist here)",
					`GET /s  Users (line 20: S: event E of type "Api" is not understood: it starts a state ` +
						"machine) (line 5: A.Auth.Authorizers.Users: property UserPoolArn is not understood: user " +
						"pools do not exist here)",
					"PUT / F  (line 15: F.Events.B.RequestModel: property ValidateBody is not understood: " +
						"requests are not validated here)",
				},
				"H": {
					"GET / F Users (line 8: H.Auth.Authorizers.Users: JWT authorizers are not understood)",
					"PUT / F AWS_IAM (line 7: H: signatures of AWS (AWS_IAM) are not checked here)",
				},
			},
		},
		"CloudFormation's REST API, as the CDK writes it": {
			`Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: orders}}
  Deployment: {Type: AWS::ApiGateway::Deployment, Properties: {RestApiId: !Ref Api}}
  Stage: {Type: AWS::ApiGateway::Stage, Properties: {RestApiId: !Ref Api, StageName: prod, Variables: {bittingApi: orders}}}
  Orders: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: orders}}
  Order: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref Api, ParentId: !Ref Orders, PathPart: "{orderId}"}}
  Bitting:
    Type: AWS::ApiGateway::Authorizer
    Properties:
      {RestApiId: !Ref Api, Name: Bitting, Type: REQUEST, AuthorizerResultTtlInSeconds: 0, AuthorizerUri: !Sub "arn:aws:apigateway:r:lambda:path/2015-03-31/functions/{{resolve:ssm:/bitting/authorizer/production}}/invocations"}
  Get:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Order
      HttpMethod: GET
      AuthorizationType: CUSTOM
      AuthorizerId: !Ref Bitting
      ApiKeyRequired: true
      Integration: {Type: AWS_PROXY, Uri: {"Fn::Join": ["", ["arn:", !Ref AWS::Partition, ":apigateway:r:lambda:path/2015-03-31/functions/", !GetAtt F.Arn, "/invocations"]]}}
  Preflight:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !GetAtt Api.RootResourceId
      HttpMethod: OPTIONS
      AuthorizationType: NONE
      Integration: {Type: MOCK, IntegrationResponses: [{StatusCode: "200", ResponseParameters: {method.response.header.Access-Control-Allow-Origin: "'*'"}}]}
  F: {Type: AWS::Lambda::Function, Properties: {Code: {ZipFile: x}}}
`,
			map[string][]string{"Api": {"GET /orders/{orderId} F Bitting key", "OPTIONS /"}},
		},
		"CloudFormation's HTTP API": {
			`Resources:
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: orders, ProtocolType: HTTP}}
  Stage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Api, StageName: $default, StageVariables: {bittingApi: orders}}}
  Bitting:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties: {ApiId: !Ref Api, AuthorizerType: REQUEST, AuthorizerPayloadFormatVersion: "2.0", AuthorizerResultTtlInSeconds: 0, AuthorizerUri: !Sub "arn:aws:apigateway:r:lambda:path/2015-03-31/functions/${Authorizer}/invocations"}
  I: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Api, IntegrationType: AWS_PROXY, IntegrationUri: !GetAtt F.Arn, PayloadFormatVersion: "2.0"}}
  Any: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Sub "integrations/${I}", AuthorizationType: CUSTOM, AuthorizerId: !Ref Bitting}}
  Get: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: GET /open, Target: !Sub "integrations/${I}"}}
  F: {Type: AWS::Lambda::Function}
Parameters: {Authorizer: {Type: "AWS::SSM::Parameter::Value<String>", Default: /bitting/authorizer/production}}
`,
			map[string][]string{"Api": {"ANY $default F Bitting", "GET /open F"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			tmpl, err := template.ReadAPIs([]byte(test.source), nil, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}

			got := map[string][]string{}
			for id, a := range tmpl.APIs {
				got[id] = shown(a)
			}

			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An authorizer is Bitting's if another stack is where it comes from, however the template says so.
func TestAuthorizersOfOtherStacks(t *testing.T) {
	t.Parallel()

	for written, want := range map[string]string{
		`'{{resolve:ssm:/bitting/authorizer/production}}'`:           template.Outside,
		`!Sub '{{resolve:ssm:/${Stack}/authorizer/${AWS::Region}}}'`: template.Outside,
		`!ImportValue bitting-authorizer-production`:                 template.Outside,
		`{"Fn::ImportValue": !Sub "${Stack}-authorizer-production"}`: template.Outside,
		`!Ref Authorizer`: template.Outside,
		`!Ref Stack`:      template.Outside,
		`!If [Yes, !Ref Authorizer, !GetAtt F.Arn]`:                   template.Outside,
		`!Sub "arn:aws:lambda:r:1:function:${!stageVariables.check}"`: template.Outside,
		`"arn:aws:lambda:r:1:function:${stageVariables.check}"`:       template.Outside,
		`!GetAtt F.Arn`:   "F",
		`!Sub "${F.Arn}"`: "F",
		`arn:aws:lambda:eu-west-1:123456789012:function:F`:              "F",
		`arn:aws:lambda:eu-west-1:123456789012:function:somebody-elses`: "",
	} {
		tmpl, err := template.ReadAPIs([]byte(head+`
Parameters: {Authorizer: {Type: String}, Stack: {Type: String, Default: bitting}}
Conditions: {Yes: !Equals [!Ref Stack, bitting]}
Resources:
  F: {Type: AWS::Serverless::Function}
  A:
    Type: AWS::Serverless::Api
    Properties:
      StageName: live
      Auth: {Authorizers: {X: {FunctionArn: `+written+`}}}
`), nil, "")

		var fault *template.Error

		switch {
		case want == "" && (!errors.As(err, &fault) || fault.Line != 11):
			t.Errorf("%s: %v, want a refusal of line 11", written, err)
		case want == "":
		case err != nil:
			t.Errorf("%s: %v", written, err)
		case tmpl.APIs["A"].Authorizers["X"].Function != want:
			t.Errorf("%s: %q, want %q", written, tmpl.APIs["A"].Authorizers["X"].Function, want)
		}
	}
}

// Fn::Transform includes a local file, alone or beside other keys.
func TestIncludes(t *testing.T) {
	t.Parallel()

	folder := t.TempDir()
	for name, content := range map[string]string{
		"body.yaml":      "openapi: 3.0.1\npaths: {/a: {get: !Ref AWS::NoValue, put: {}}}\n",
		"responses.yaml": "UNAUTHORIZED: {StatusCode: !Ref Status}\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	const source = head + `
Parameters: {Status: {Type: Number, Default: 418}}
Resources:
  A:
    Type: AWS::Serverless::Api
    Properties:
      StageName: live
      DefinitionBody: {"Fn::Transform": {Name: AWS::Include, Parameters: {Location: body.yaml}}}
      GatewayResponses:
        THROTTLED: {StatusCode: 429}
        Fn::Transform: {Name: AWS::Include, Parameters: {Location: ./responses.yaml}}
`

	tmpl, err := template.ReadAPIs([]byte(source), nil, folder)
	if err != nil {
		t.Fatal(err)
	}

	a := tmpl.APIs["A"]
	if got := shown(a); len(got) != 1 || !strings.HasPrefix(got[0], "PUT /a") {
		t.Errorf("routes %q", got)
	}

	if a.GatewayResponses["UNAUTHORIZED"].Status != 418 ||
		a.GatewayResponses["THROTTLED"].Status != 429 {
		t.Errorf("responses %+v", a.GatewayResponses)
	}

	want := []string{filepath.Join(folder, "body.yaml"), filepath.Join(folder, "responses.yaml")}
	if diff := cmp.Diff(want, tmpl.Files); diff != "" {
		t.Error(diff)
	}

	for location, want := range map[string]string{
		"s3://bucket/body.yaml": "line 9: s3://bucket/body.yaml is not included",
		"nowhere.yaml":          "no such file",
	} {
		_, err := template.ReadAPIs([]byte(strings.Replace(source, "body.yaml", location, 1)), nil,
			folder)
		if !strings.Contains(errorText(err), want) {
			t.Errorf("%s: %v, want %s", location, err, want)
		}
	}
}

// What would be answered otherwise than in AWS is refused, with its line.
func TestRefusalsOfAPIs(t *testing.T) {
	t.Parallel()

	const api = "Resources:\n  A: {Type: AWS::Serverless::Api, Properties: {StageName: live, "
	for source, want := range map[string]string{
		head + api + "Auth: {ResourcePolicy: {}}}}": "line 3: A.Auth.ResourcePolicy: only",
		head + api + "DefinitionUri: api.yaml}}":    "line 3: A: DefinitionUri is not understood",
		head + api + "CacheClusterEnabled: true}}":  "line 3: A: property CacheClusterEnabled",
		head + api + "DefinitionBody: {swagger: '2.0', x-amazon-apigateway-policy: {}}}}": "line 3: " +
			"A.DefinitionBody: resource policies",
		head + api + "Name: !Foo x, StageName: !Foo x}}": "line 3: StageName appears twice",
		"Transform: [AWS::Serverless-2016-10-31, Macro]\n" + api + "Name: x}}": "line 1: transform " +
			"Macro is not understood",
		"Parameters: {Stage: {Type: String}}\nResources:\n  A: {Type: AWS::Serverless::Api, " +
			"Properties: {StageName: !Ref Stage}}": "line 3: parameter Stage has no value here: give " +
			"it one by --parameter Stage=VALUE",
		"Parameters: {S: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /s}}\nResources:\n" +
			"  A: {Type: AWS::Serverless::Api, Properties: {StageName: !Ref S}}": "line 3: parameter S " +
			"has no value here",
		"Resources:\n  A: {Type: AWS::ApiGateway::RestApi, Properties: {BodyS3Location: {}}}": "line " +
			"2: A: BodyS3Location is not understood",
	} {
		_, err := template.ReadAPIs([]byte(source+"\n"), nil, "")
		if !strings.Contains(errorText(err), want) {
			t.Errorf("%s\n%v, want %s", source, err, want)
		}
	}
}

// What accepts calls by other ways is passed over, and said.
func TestPassedOver(t *testing.T) {
	t.Parallel()

	tmpl, err := template.ReadAPIs([]byte(`Resources:
  U: {Type: AWS::Lambda::Url}
  F: {Type: AWS::Serverless::Function, Properties: {FunctionUrlConfig: {AuthType: NONE}}}
  W: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET}}
  C: {Type: AWS::CloudFront::Distribution}
  Q: {Type: AWS::SQS::Queue}
  M: {Type: AWS::ApiGateway::BasePathMapping}
  D: {Type: AWS::ApiGateway::DomainName}
`), nil, "")
	if err != nil {
		t.Fatal(err)
	}

	var lines []int
	for _, p := range tmpl.Passed {
		lines = append(lines, p.Line)
	}

	slices.Sort(lines)

	if diff := cmp.Diff([]int{2, 3, 4, 5}, lines); diff != "" {
		t.Errorf("%v\n%s", tmpl.Passed, diff)
	}
}

// A function says why it cannot run as a process; the routes to it are read all the same.
func TestFunctionsThatCannotRun(t *testing.T) {
	t.Parallel()

	tmpl, err := template.ReadAPIs([]byte(head+`
Parameters: {Password: {Type: String}, Given: {Type: String}}
Resources:
  Runs: {Type: AWS::Serverless::Function, Properties: {Timeout: 9, Environment: {Variables: {A: !Ref Given, B: !GetAtt Q.Arn}}}}
  Secret: {Type: AWS::Serverless::Function, Properties: {Environment: {Variables: {A: "{{resolve:ssm:/x}}"}}}}
  Unset: {Type: AWS::Serverless::Function, Properties: {Environment: {Variables: {A: !Ref Password}}}}
  Layered: {Type: AWS::Serverless::Function, Properties: {Layers: [!Ref Q]}}
  Q: {Type: AWS::SQS::Queue}
`), map[string]string{"Given": "x"}, "")
	if err != nil {
		t.Fatal(err)
	}

	for id, want := range map[string]string{
		"Runs":    "",
		"Secret":  "line 6: Secret: AWS alone knows its variable A",
		"Unset":   "line 7: parameter Password has no value here",
		"Layered": "line 8: Layered: layers do not exist here",
	} {
		got := ""
		if fault := tmpl.Functions[id].Unserved; fault != nil {
			got = fault.Error()
		}

		if !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}

	if got := tmpl.Functions["Runs"].Environment; got["A"] != "x" ||
		!strings.HasPrefix(got["B"], "arn:aws:sqs:") {
		t.Errorf("environment %v", got)
	}
}
