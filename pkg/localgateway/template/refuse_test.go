package template_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// A property that is not understood and would change how a request is answered is refused with its
// line.
func TestRefusals(t *testing.T) {
	t.Parallel()
	const (
		function = "F: {Type: AWS::Serverless::Function, Properties: {CodeUri: f, "
		rest     = "A: {Type: AWS::Serverless::Api, Properties: {StageName: live, "
		restAuth = "A: {Type: AWS::Serverless::Api, Properties: {StageName: live, Auth: " +
			"{Authorizers: {X: "
		httpAuth = "A: {Type: AWS::Serverless::HttpApi, Properties: {Auth: {Authorizers: {X: "
		event    = "A: {Type: AWS::Serverless::Api, Properties: {StageName: live}}\n  F: {Type: " +
			"AWS::Serverless::Function, Properties: {CodeUri: f, Events: {E: {Type: Api, " +
			"Properties: {RestApiId: !Ref A, Method: GET, "
	)

	tests := map[string]struct {
		resource string
		line     int
		want     string
	}{
		"function property": {
			function + "Layers: [x]}}", 4, "F: property Layers is not understood",
		},
		"inline code": {
			"F: {Type: AWS::Serverless::Function, Properties: {InlineCode: x}}", 4,
			"F: CodeUri is missing",
		},
		"resource attribute": {
			"F: {Type: AWS::Serverless::Function, IgnoreGlobals: '*', Properties: {CodeUri: f}}",
			4, "property IgnoreGlobals is not understood",
		},
		"environment": {
			function + "Environment: {Vars: {}}}}", 4,
			"F.Environment: property Vars is not understood",
		},
		"time-out": {
			function + "Timeout: soon}}", 4, "F.Timeout must be a whole number",
		},
		"key twice": {
			function + "Timeout: 5, Timeout: 6}}", 4, "Timeout appears twice",
		},
		"REST property": {
			rest + "DefinitionBody: {}}}", 4, "A: property DefinitionBody is not understood",
		},
		"REST response cache": {
			rest + "CacheClusterEnabled: true}}", 4,
			"A: property CacheClusterEnabled is not understood",
		},
		"REST without stage": {
			"A: {Type: AWS::Serverless::Api, Properties: {}}", 4, "A: StageName is missing",
		},
		"REST resource policy": {
			rest + "Auth: {ResourcePolicy: {}}}}", 4,
			"A.Auth.ResourcePolicy: only CustomStatements are understood",
		},
		"REST resource policy that denies": {
			rest + "Auth: {ResourcePolicy: {CustomStatements: [{Effect: Deny}]}}}}", 4,
			"Effect is \"Deny\", want one of Allow",
		},
		"REST resource policy for some": {
			rest + "Auth: {ResourcePolicy: {CustomStatements: [{Effect: Allow, Principal: {AWS: a}}]}}}}",
			4, "Principal",
		},
		"SAM's own plan": {
			rest + "Auth: {UsagePlan: {CreateUsagePlan: PER_API}}}}", 4,
			"CreateUsagePlan is \"PER_API\", want one of NONE",
		},
		"unknown default": {
			rest + "Auth: {DefaultAuthorizer: X}}}", 4, `authorizer "X" is not declared on A`,
		},
		"IAM": {
			rest + "Auth: {DefaultAuthorizer: AWS_IAM}}}", 4,
			`authorizer "AWS_IAM" is not declared on A`,
		},
		"Cognito": {
			restAuth + "{UserPoolArn: x}}}}}", 4, "property UserPoolArn is not understood",
		},
		"no permission": {
			restAuth + "{FunctionArn: x, DisableFunctionDefaultPermissions: true}}}}}", 4,
			"API Gateway may not call the function",
		},
		"payload type": {
			restAuth + "{FunctionArn: x, FunctionPayloadType: OTHER}}}}}", 4,
			`FunctionPayloadType is "OTHER"`,
		},
		"caching without source": {
			restAuth + "{FunctionArn: x, FunctionPayloadType: REQUEST}}}}}", 4,
			"caching needs an identity source",
		},
		"time to live": {
			restAuth + "{FunctionArn: x, Identity: {ReauthorizeEvery: 3601}}}}}}", 4,
			"must be from 0 to 3600 seconds",
		},
		"token identity": {
			restAuth + "{FunctionArn: x, Identity: {Headers: [X]}}}}}}", 4,
			"property Headers is not understood",
		},
		"authorizer's function": {
			restAuth + "{FunctionArn: x}}}}}", 4,
			`calls function "x", which this template does not have`,
		},
		"gateway response": {
			rest + "GatewayResponses: {UNAUTHORIZED: {Status: 401}}}}", 4,
			"property Status is not understood",
		},
		"gateway response's status": {
			rest + "GatewayResponses: {UNAUTHORIZED: {StatusCode: 7}}}}", 4,
			"StatusCode 7 is no HTTP status",
		},
		"REST CORS": {
			rest + "Cors: {Origin: x}}}", 4, "A.Cors: property Origin is not understood",
		},
		"event without API": {
			function + "Events: {E: {Type: Api, Properties: {Path: /, Method: GET}}}}}", 4,
			"F.Events.E: RestApiId must name an API of this template",
		},
		"event of the wrong kind": {
			"A: {Type: AWS::Serverless::HttpApi}\n  " + function + "Events: {E: {Type: Api, " +
				"Properties: {RestApiId: !Ref A, Path: /, Method: GET}}}}}", 5,
			"RestApiId must name an API",
		},
		"request validation": {
			event + "Path: /, RequestModel: {}}}}}}", 5,
			"F.Events.E: property RequestModel is not understood",
		},
		"event's authorizer": {
			event + "Path: /, Auth: {Authorizer: Other}}}}}}", 5,
			`authorizer "Other" is not declared on A`,
		},
		"event's scopes": {
			event + "Path: /, Auth: {AuthorizationScopes: [x]}}}}}}", 5,
			"property AuthorizationScopes is not understood",
		},
		"path": {
			event + "Path: 'keys'}}}}}", 5, `path "keys" is not understood`,
		},
		"greedy in the middle": {event + "Path: '/{p+}/x'}}}}}", 5, "is not understood"},
		"route twice": {
			event + "Path: /}}, E2: {Type: Api, Properties: {RestApiId: !Ref A, Method: get, " +
				"Path: /}}}}}", 5, "GET / is declared twice, before on line 5",
		},
		"HTTP property": {
			"A: {Type: AWS::Serverless::HttpApi, Properties: {DefinitionUri: x}}", 4,
			"A: property DefinitionUri is not understood",
		},
		"HTTP IAM": {
			"A: {Type: AWS::Serverless::HttpApi, Properties: {Auth: {EnableIamAuthorizer: true}}}",
			4, "property EnableIamAuthorizer is not understood",
		},
		"HTTP JWT": {
			httpAuth + "{JwtConfiguration: {}}}}}}", 4,
			"AuthorizerPayloadFormatVersion is \"\", want one of 1.0, 2.0",
		},
		"HTTP permission": {
			httpAuth + "{AuthorizerPayloadFormatVersion: '2.0', FunctionArn: x, Identity: " +
				"{ReauthorizeEvery: 0}}}}}}", 4, "without EnableFunctionDefaultPermissions",
		},
		"HTTP time to live": {
			httpAuth + "{AuthorizerPayloadFormatVersion: '2.0', FunctionArn: x, " +
				"EnableFunctionDefaultPermissions: true}}}}}", 4, "ReauthorizeEvery is missing",
		},
		"HTTP caching": {
			httpAuth + "{AuthorizerPayloadFormatVersion: '2.0', FunctionArn: x, " +
				"EnableFunctionDefaultPermissions: true, Identity: {ReauthorizeEvery: 1}}}}}}", 4,
			"caching needs an identity source",
		},
		"simple with 1.0": {
			httpAuth + "{AuthorizerPayloadFormatVersion: '1.0', EnableSimpleResponses: true, " +
				"FunctionArn: x, EnableFunctionDefaultPermissions: true, Identity: " +
				"{ReauthorizeEvery: 0}}}}}}", 4, "EnableSimpleResponses needs",
		},
		"HTTP path without method": {
			"A: {Type: AWS::Serverless::HttpApi}\n  " + function + "Events: {E: {Type: HttpApi, " +
				"Properties: {ApiId: !Ref A, Path: /}}}}}", 5, "Path and Method go together",
		},
		"HTTP CORS": {
			"A: {Type: AWS::Serverless::HttpApi, Properties: {CorsConfiguration: {AllowOrigin: x}}}", 4, "property AllowOrigin is not understood",
		},
		"log stream as destination": {
			rest + "AccessLogSetting: {DestinationArn: 'arn:aws:firehose:x', Format: " +
				"$context.requestId}}}", 4, "DestinationArn must be a log group's ARN",
		},
		"log format without id": {
			rest + "AccessLogSetting: {DestinationArn: 'arn:aws:logs:r:a:log-group:g', Format: " +
				"$context.status}}}", 4, "Format must have $context.requestId",
		},
		"log format of two lines": {
			rest + "AccessLogSetting: {DestinationArn: 'arn:aws:logs:r:a:log-group:g', Format: " +
				"\"$context.requestId\\n\"}}}", 4, "Format must be one line",
		},
		"HTTP log property": {
			"A: {Type: AWS::Serverless::HttpApi, Properties: {AccessLogSettings: {Destination: x}}}", 4, "A.AccessLogSettings: property Destination is not understood",
		},
		"log filter": {
			function + "Events: {E: {Type: CloudWatchLogs, Properties: {LogGroupName: g, " +
				"FilterPattern: x}}}}}", 4, "FilterPattern is not understood",
		},
		"plan with a throttle": {
			"P: {Type: AWS::ApiGateway::UsagePlan, Properties: {Throttle: {RateLimit: 1}}}", 4,
			"P: property Throttle is not understood",
		},
		"APIs that differ in case": {
			"A: {Type: AWS::Serverless::HttpApi}\n  a: {Type: AWS::Serverless::HttpApi}", 5,
			"another API's id differs in case only",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := template.Read([]byte(head+"Description: x\nResources:\n  "+test.resource+
				"\n"), nil)

			var got *template.Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want a template.Error with %q", err, test.want)
			}

			if got.Line != test.line || !strings.Contains(got.Message, test.want) {
				t.Errorf("got %v, want line %d: …%s…", err, test.line, test.want)
			}
		})
	}
}

// A resource or event that may carry a route and is not read is refused with its line, never
// dropped: the local API would answer 404 where AWS answers.
func TestRoutesThatAreNotRead(t *testing.T) {
	t.Parallel()

	const function = "F: {Type: AWS::Serverless::Function, Properties: {CodeUri: f, Events: {"
	for resource, want := range map[string]string{
		"S: {Type: AWS::Serverless::StateMachine, Properties: {Events: {E: {Type: Api, " +
			"Properties: {Path: /, Method: GET}}}}}": `S: event E of type "Api"`,
		"S: {Type: AWS::Serverless::StateMachine, Properties: {Events: {E: {Type: HttpApi}}}}": `S: event E of type "HttpApi"`,
		"S: {Type: AWS::Serverless::StateMachine, Properties: {Events: {N: {Type: Schedule}, E: " +
			"{Type: Api}}}}": `S: event E of type "Api"`,
		"S: {Type: AWS::Serverless::WebSocketApi}": "S: AWS::Serverless::WebSocketApi is not " +
			"understood",
		"S: {Type: AWS::Serverless::GraphQLApi}": "S: AWS::Serverless::GraphQLApi is not " +
			"understood",
		"S: {Type: AWS::Serverless::Application}": "S: AWS::Serverless::Application is not " +
			"understood",
		"S: {Type: AWS::Serverless::Tomorrow}": "S: AWS::Serverless::Tomorrow is not " +
			"understood",
		"S: {Type: AWS::ApiGateway::RestApi}": "S: AWS::ApiGateway::RestApi is not " +
			"understood",
		"S: {Type: AWS::ApiGateway::Resource}": "S: AWS::ApiGateway::Resource is not " +
			"understood",
		"S: {Type: AWS::ApiGateway::Method}": "S: AWS::ApiGateway::Method is not " +
			"understood",
		"S: {Type: AWS::ApiGateway::Stage}": "S: AWS::ApiGateway::Stage is not understood",
		"S: {Type: AWS::ApiGateway::GatewayResponse}": "S: AWS::ApiGateway::GatewayResponse is " +
			"not understood",
		"S: {Type: AWS::ApiGateway::BasePathMapping}": "S: AWS::ApiGateway::BasePathMapping is " +
			"not understood",
		"S: {Type: AWS::ApiGatewayV2::Api}":     "S: AWS::ApiGatewayV2::Api is not understood",
		"S: {Type: AWS::ApiGatewayV2::Route}":   "S: AWS::ApiGatewayV2::Route is not understood",
		"S: {Type: AWS::Lambda::Url}":           "S: AWS::Lambda::Url is not understood",
		"S: {Type: AWS::CloudFormation::Stack}": "S: AWS::CloudFormation::Stack is not understood",
		"S: {Type: 'My::Company::Api::MODULE'}": "S: My::Company::Api::MODULE is not understood",
		"S: {Properties: {}}":                   `S: Type "" is none`,
		"Fn::Transform: {Name: AWS::Include}":   `transform "AWS::Include" is not understood`,
		function + "E: {Type: HttpAPI}}}}":      `F: event E of type "HttpAPI"`,
		function + "E: {Properties: {}}}}}":     `F: event E of type ""`,
		function + "E: !Ref AWS::NoValue}}}":    "F: event E is AWS::NoValue",
		"F: {Type: AWS::Serverless::Function, Properties: {CodeUri: f, FunctionUrlConfig: " +
			"{AuthType: NONE}}}": "property FunctionUrlConfig is not understood",
	} {
		_, err := template.Read([]byte(head+"Description: x\nResources:\n  "+resource+"\n"), nil)

		var got *template.Error
		if !errors.As(err, &got) || got.Line != 4 || !strings.Contains(got.Message, want) {
			t.Errorf("%s: %v, want line 4: …%s…", resource, err, want)
		}
	}
}

// A resource that carries no route can only be referred to.
func TestResourcesWithoutRoutes(t *testing.T) {
	t.Parallel()

	for _, resource := range []string{
		"S: {Type: AWS::Serverless::StateMachine}",
		"S: {Type: AWS::Serverless::StateMachine, Properties: {Events: {E: {Type: Schedule}, F: " +
			"{Type: EventBridgeRule}}}}",
		"S: {Type: AWS::Serverless::SimpleTable}", "S: {Type: AWS::Serverless::Connector}",
		"S: {Type: AWS::ApiGateway::Account}", "S: {Type: AWS::SNS::Topic}",
		"S: {Type: Custom::Thing}",
		"F: {Type: AWS::Serverless::Function, Properties: {CodeUri: f, Events: {Q: {Type: SQS}, " +
			"S: {Type: S3}}}}",
	} {
		if _, err := template.Read([]byte(head+"Resources:\n  "+resource+"\n"), nil); err != nil {
			t.Errorf("%s: %v", resource, err)
		}
	}

	const leftOut = "Conditions: {No: !Equals [a, b]}\nResources:\n  S: {Type: " +
		"AWS::ApiGateway::Method, Condition: No}\n"
	if _, err := template.Read([]byte(head+leftOut), nil); err != nil {
		t.Errorf("with a condition that is false: %v", err)
	}
}

func TestNoTemplate(t *testing.T) {
	t.Parallel()

	for source, want := range map[string]string{
		"":                                "empty",
		"[":                               "not YAML",
		"[]":                              "must be a mapping",
		"Resources: {}":                   "Transform",
		head:                              "no Resources",
		head + "Resources: {}\nHooks: {}": "property Hooks is not understood",
	} {
		if _, err := template.Read([]byte(source), nil); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%q gave %v, want %q", source, err, want)
		}
	}
}

// Combinations of parameters that a rule refuses are refused in the rule's own words.
func TestRules(t *testing.T) {
	t.Parallel()

	const source = `Transform: AWS::Serverless-2016-10-31
Parameters: {Cache: {Type: String, Default: "no"}, Limits: {Type: String, Default: "yes"}}
Rules:
  NotBoth:
    RuleCondition: !Equals [!Ref Cache, "yes"]
    Assertions: [{Assert: !Equals [!Ref Limits, "no"], AssertDescription: "choose one"}]
Resources: {}
`
	for _, test := range []struct{ cache, limits, want string }{
		{"no", "no", ""}, {"no", "yes", ""}, {"yes", "no", ""}, {
			"yes", "yes", "line 6: rule NotBoth: choose one",
		},
	} {
		_, err := template.Read([]byte(source), map[string]string{
			"Cache":  test.cache,
			"Limits": test.limits,
		})
		if got := errorText(err); got != test.want {
			t.Errorf("cache %s, limits %s: %q, want %q", test.cache, test.limits, got, test.want)
		}
	}
}

// The rule that every template of the CDK has.
func TestRuleThatAListContains(t *testing.T) {
	t.Parallel()

	const source = `Transform: AWS::Serverless-2016-10-31
Parameters: {Bootstrap: {Type: String, Default: "21"}}
Rules:
  Recent:
    Assertions:
      - {Assert: {"Fn::Not": [{"Fn::Contains": [["1", "2"], {Ref: Bootstrap}]}]}, AssertDescription: too old}
Resources: {}
`
	for version, want := range map[string]string{
		"21": "", "2": "line 6: rule Recent: too old",
	} {
		_, err := template.Read([]byte(source), map[string]string{"Bootstrap": version})
		if got := errorText(err); got != want {
			t.Errorf("version %s: %q, want %q", version, got, want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}

	return err.Error()
}
