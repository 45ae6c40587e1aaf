package protect_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/bitting-keys/bitting/pkg/protect"
)

const samREST = `AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31   # two spaces stay

Resources:
  # the function
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs22.x
      Handler: index.handler
      CodeUri: src
      Events:
        List: {Type: Api, Properties: {RestApiId: !Ref OrdersApi, Path: /orders, Method: get}}
        All:
          Type: Api
          Properties:
            RestApiId: !Ref OrdersApi
            Path: /{proxy+}
            Method: any # everything else
        Health: {Type: Api, Properties: {RestApiId: !Ref OrdersApi, Path: /health, Method: get, Auth: {Authorizer: NONE}}}

  OrdersApi:
    Type: AWS::Serverless::Api
    Condition: Always
    Properties:
      StageName: production
      Cors: "'*'"

Conditions:
  Always: !Equals [a, a]
`

func TestSAMRestAPI(t *testing.T) {
	t.Parallel()
	after, notes := protected(t, samREST, options())

	if len(notes) > 0 {
		t.Errorf("notes %q", notes)
	}

	properties := []string{"Resources", "OrdersApi", "Properties"}
	for path, want := range map[string]string{
		"ApiKeySourceType":                                   "AUTHORIZER",
		"Variables bittingApi":                               "orders",
		"Auth DefaultAuthorizer":                             "Bitting",
		"Auth ApiKeyRequired":                                "true",
		"Auth AddDefaultAuthorizerToCorsPreflight":           "false",
		"Auth AddApiKeyRequiredToCorsPreflight":              "false",
		"Auth Authorizers Bitting FunctionArn":               "BittingAuthorizer",
		"Auth Authorizers Bitting FunctionPayloadType":       "REQUEST",
		"Auth Authorizers Bitting Identity ReauthorizeEvery": "0",
		"GatewayResponses INVALID_API_KEY StatusCode":        "429",
	} {
		if got := at(t, after, append(slices.Clone(properties), strings.Fields(path)...)...); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}

	for path, want := range map[string]string{
		"Parameters BittingAuthorizer Default":                                       "/bitting/authorizer/production",
		"Parameters BittingAdmitKey Default":                                         "/bitting/admit-key",
		"Resources OrdersApiBittingPlan Condition":                                   "Always",
		"Resources OrdersApiBittingPlanKey Properties KeyId":                         "BittingAdmitKey",
		"Resources Orders Properties Events Health Properties Auth ApiKeyRequired":   "false",
		"Resources Orders Properties Events AllPreflight Properties Method":          "OPTIONS",
		"Resources Orders Properties Events AllPreflight Properties Auth Authorizer": "NONE",
	} {
		if got := at(t, after, strings.Fields(path)...); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}

	if found := codes(t, after, options()); found != nil {
		t.Errorf("found %q in\n%s", found, after)
	}

	staging, _ := protected(t, samREST, options(func(o *protect.Options) {
		o.Names = map[string]string{"OrdersApi": "shop"}
		o.Stack, o.Environment = "keys", "staging"
	}))
	has(t, staging, "Default: /keys/authorizer/staging", "bittingApi: shop")

	docs, _ := protected(t, samREST, options(func(o *protect.Options) { o.Docs = "https://a.test/#" }))
	has(t, docs, `"type":"https://a.test/#invalid_key"`)
}

func TestCachedProfile(t *testing.T) {
	t.Parallel()
	cached := func(o *protect.Options) { o.Cached = true }

	after, _ := protected(t, samREST, options(cached))
	has(t, after, "ReauthorizeEvery: 300", "identity.sourceIp",
		"/bitting/access-log/destination", "/bitting/access-log/rest")

	if found := codes(t, after, options(cached)); found != nil {
		t.Errorf("found %q", found)
	}

	if found := codes(t, after, options()); !slices.Equal(found, []string{protect.CodeCache}) {
		t.Errorf("in the profile strict: found %q", found)
	}

	strict, _ := protected(t, after, options(), "ReauthorizeEvery")
	if found := codes(t, strict, options()); found != nil {
		t.Errorf("back in the profile strict: found %q", found)
	}
}

func TestKeylessRoute(t *testing.T) {
	t.Parallel()

	after, _ := protected(t, samREST, options(func(o *protect.Options) {
		o.Keyless = []string{"GET /orders"}
	}))
	has(t, after, "Path: /orders, Method: get, Auth: {Authorizer: NONE, ApiKeyRequired: false}}}")
}

const implicit = `Transform: [AWS::Serverless-2016-10-31]
Globals:
  Function: {Runtime: nodejs22.x, CodeUri: src}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.handler
      Events:
        Get:
          Type: Api
          Properties:
            Path: /
            Method: GET
        New: {Type: HttpApi, Properties: {Path: /new, Method: POST}}
        Rest: {Type: HttpApi}
Outputs:
  Url: # ServerlessRestApi has this address
    Value: !Sub "https://${ServerlessRestApi}.example.com/Prod"
`

func TestImplicitAPIs(t *testing.T) {
	t.Parallel()

	after, notes := protected(t, implicit, options(func(o *protect.Options) { o.NoLimits = true }),
		"${ServerlessRestApi}")
	has(t, strings.Join(notes, "\n"), "it becomes RestApi, with another address; --keep-implicit")
	has(t, after, "# ServerlessRestApi has this address", "https://${RestApi}.example.com")

	for path, want := range map[string]string{
		"Resources RestApi Type":                                                    "AWS::Serverless::Api",
		"Resources RestApi Properties StageName":                                    "Prod",
		"Resources RestApi Properties Variables bittingApi":                         "api",
		"Resources F Properties Events Get Properties RestApiId":                    "RestApi",
		"Globals HttpApi StageVariables bittingApi":                                 "api",
		"Globals HttpApi Auth DefaultAuthorizer":                                    "Bitting",
		"Resources F Properties Events RestPreflight Type":                          "HttpApi",
		"Resources F Properties Events RestPreflight Properties Path":               "/{proxy+}",
		"Globals HttpApi Auth Authorizers Bitting AuthorizerPayloadFormatVersion":   "2.0",
		"Globals HttpApi Auth Authorizers Bitting EnableFunctionDefaultPermissions": "true",
	} {
		if got := at(t, after, strings.Fields(path)...); got != want {
			t.Errorf("%s is %q, want %q\n%s", path, got, want, after)
		}
	}

	// its HTTP API cannot answer 429, and neither does the code, which is not there
	if found := codes(t, after, options()); !slices.Equal(found, []string{protect.CodeNo429}) {
		t.Errorf("found %q", found)
	}

	answers := func(o *protect.Options) {
		o.Answers429 = func(uri string) bool { return uri == "src" }
	}
	if found := codes(t, after, options(answers)); found != nil {
		t.Errorf("with a guard: found %q", found)
	}

	kept, _ := protected(t, implicit, options(func(o *protect.Options) { o.KeepImplicit = true }))
	has(t, kept, "${ServerlessRestApi}")

	if got := at(t, kept, "Globals", "Api", "Auth", "DefaultAuthorizer"); got != "Bitting" {
		t.Errorf("kept implicit: authorizer %q\n%s", got, kept)
	}

	if found := codes(t, kept, options(answers)); found != nil {
		t.Errorf("kept implicit: found %q", found)
	}
}

const cfnREST = `{
  "Resources": {
    "Shop": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "shop"}},
    "ShopOrders": {
      "Type": "AWS::ApiGateway::Resource",
      "Properties": {
        "RestApiId": {"Ref": "Shop"},
        "ParentId": {"Fn::GetAtt": ["Shop", "RootResourceId"]},
        "PathPart": "orders"
      }
    },
    "ShopOrdersGET": {
      "Type": "AWS::ApiGateway::Method",
      "Properties": {
        "AuthorizationType": "NONE",
        "HttpMethod": "GET",
        "ResourceId": {"Ref": "ShopOrders"},
        "RestApiId": {"Ref": "Shop"},
        "Integration": {"Type": "MOCK"}
      },
      "Metadata": {"aws:cdk:path": "Stack/Shop/GET"}
    },
    "ShopOrdersANY": {
      "Type": "AWS::ApiGateway::Method",
      "Properties": {
        "HttpMethod": "ANY",
        "ResourceId": {"Ref": "ShopOrders"},
        "RestApiId": {"Ref": "Shop"}
      }
    },
    "ShopDeployment1": {
      "Type": "AWS::ApiGateway::Deployment",
      "Properties": {"RestApiId": {"Ref": "Shop"}}
    },
    "ShopStage": {
      "Type": "AWS::ApiGateway::Stage",
      "Properties": {
        "RestApiId": {"Ref": "Shop"},
        "DeploymentId": {"Ref": "ShopDeployment1"},
        "StageName": "production"
      }
    }
  }
}
`

func TestCloudFormationRestAPI(t *testing.T) {
	t.Parallel()
	after, notes := protected(t, cfnREST, options(), `"AuthorizationType": "NONE"`)
	has(t, strings.Join(notes, "\n"), "CDK writes this file again", "ShopDeployment1 is a snapshot")

	for path, want := range map[string]string{
		"Resources ShopOrdersGET Properties AuthorizationType":                    "CUSTOM",
		"Resources ShopOrdersGET Properties AuthorizerId Ref":                     "ShopBittingAuthorizer",
		"Resources ShopOrdersGET Properties ApiKeyRequired":                       "true",
		"Resources ShopOrdersANYPreflight Properties HttpMethod":                  "OPTIONS",
		"Resources ShopOrdersANYPreflight Properties AuthorizationType":           "NONE",
		"Resources ShopBittingAuthorizer Properties Type":                         "REQUEST",
		"Resources ShopBittingAuthorizer Properties AuthorizerResultTtlInSeconds": "0",
		"Resources ShopBittingPermission Properties FunctionName Ref":             "BittingAuthorizer",
		"Resources ShopStage Properties Variables bittingApi":                     "shop",
		"Resources Shop Properties ApiKeySourceType":                              "AUTHORIZER",
		"Resources ShopUnauthorized Properties ResponseType":                      "UNAUTHORIZED",
		"Resources ShopBittingPlanKey Properties KeyId Ref":                       "BittingAdmitKey",
	} {
		if got := at(t, after, strings.Fields(path)...); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}

	if found := codes(t, after, options()); found != nil {
		t.Errorf("found %q in\n%s", found, after)
	}

	if strings.Contains(after, "!Ref") || !strings.Contains(after, "\n    \"ShopBittingPlan\": {\n") {
		t.Errorf("it is no JSON as the rest of it is:\n%s", after)
	}
}

const cfnHTTP = `Resources:
  Shop: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: shop, ProtocolType: HTTP}}
  F: {Type: AWS::Lambda::Function, Properties: {Code: {ZipFile: x}}}
  Integration: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Shop, IntegrationUri: !GetAtt F.Arn}}
  Rest:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Shop
      RouteKey: $default
      Target: !Sub integrations/${Integration}
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Shop, StageName: production}
  Socket: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: socket, ProtocolType: WEBSOCKET}}
  Connect: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Socket, RouteKey: $connect}}
  Send: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Socket, RouteKey: send}}
  SocketStage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Socket, StageName: production}}
`

func TestCloudFormationHTTPAndWebSocketAPI(t *testing.T) {
	t.Parallel()

	if found := codes(t, cfnHTTP, options()); !slices.Equal(found, []string{
		protect.CodeDefault, protect.CodeOpen,
	}) {
		t.Errorf("before: found %q", found)
	}

	after, _ := protected(t, cfnHTTP, options(func(o *protect.Options) { o.NoLimits = true }))
	for path, want := range map[string]string{
		"Resources Rest Properties AuthorizationType":                                 "CUSTOM",
		"Resources RestPreflight Properties RouteKey":                                 "OPTIONS /{proxy+}",
		"Resources ShopBittingAuthorizer Properties AuthorizerPayloadFormatVersion":   "2.0",
		"Resources ShopBittingAuthorizer Properties AuthorizerResultTtlInSeconds":     "0",
		"Resources Stage Properties StageVariables bittingApi":                        "shop",
		"Resources Connect Properties AuthorizerId":                                   "SocketBittingAuthorizer",
		"Resources SocketBittingAuthorizer Properties AuthorizerPayloadFormatVersion": "",
		"Resources Send Properties AuthorizationType":                                 "",
	} {
		if got := at(t, after, strings.Fields(path)...); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}

	if found := codes(t, after, options(func(o *protect.Options) { o.NoLimits = true })); found != nil {
		t.Errorf("found %q", found)
	}

	routes, _, err := read(t, after).Keyed("socket")
	if err != nil || len(routes) != 1 || routes[0].Method != "GET" || routes[0].Path != "/$connect" {
		t.Errorf("%v: the WebSocket's routes are %+v", err, routes)
	}
}

const openAPI = `openapi: 3.0.1
info: {title: Orders, version: "1"}
paths:
  /orders:
    get:
      security:
        - oauth: [orders:read] # documentation
      responses: {}
    post:
      responses: {}
  /health:
    get: {security: [], responses: {}}
components:
  securitySchemes:
    oauth: {type: oauth2, flows: {}}
`

func TestOpenAPIDocument(t *testing.T) {
	t.Parallel()
	after, notes := protected(t, openAPI, options())
	has(t, strings.Join(notes, "\n"), "needs the parameter BittingAuthorizer", "bittingApi = api",
		"/bitting/admit-key")
	has(t, after, "- oauth: [orders:read] # documentation\n          bitting: []\n",
		"x-amazon-apigateway-api-key-source: AUTHORIZER")

	for path, want := range map[string]string{
		"components securitySchemes bitting x-amazon-apigateway-authorizer type":                         "request",
		"components securitySchemes bitting x-amazon-apigateway-authorizer authorizerResultTtlInSeconds": "0",
		"paths /health get security":                                     "[]\n",
		"x-amazon-apigateway-gateway-responses ACCESS_DENIED statusCode": "403",
	} {
		if got := at(t, after, strings.Fields(path)...); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}

	if found := codes(t, after, options()); found != nil {
		t.Errorf("found %q in\n%s", found, after)
	}

	asHTTP := func(o *protect.Options) { o.Kind, o.NoLimits = protect.HTTP, true }

	http, _ := protected(t, openAPI, options(asHTTP))
	has(t, http, `authorizerPayloadFormatVersion: "2.0"`)

	if strings.Contains(http, "gateway-responses") || strings.Contains(http, "AdmitKey") {
		t.Errorf("an HTTP API has neither gateway responses nor keys:\n%s", http)
	}

	if found := codes(t, http, options(asHTTP)); found != nil {
		t.Errorf("found %q in\n%s", found, http)
	}
}

// A definition within a template is protected as SAM does it, or as the document says.
func TestDefinitionBody(t *testing.T) {
	t.Parallel()

	sam := `Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: production
      DefinitionBody:
        openapi: 3.0.1
        paths:
          /orders: {get: {responses: {}}}
          /health: {get: {responses: {}}}
`
	keyless := func(o *protect.Options) { o.Keyless = []string{"GET /health"} }
	after, _ := protected(t, sam, options(keyless))
	has(t, after, "/health: {get: {responses: {}, security: [{NONE: []}, {api_key_false: []}]}}")

	if found := codes(t, after, options()); found != nil {
		t.Errorf("found %q in\n%s", found, after)
	}

	raw := strings.NewReplacer("AWS::Serverless::Api", "AWS::ApiGateway::RestApi",
		"      StageName: production\n", "", "DefinitionBody", "Body",
		"Transform: AWS::Serverless-2016-10-31\n", "").Replace(sam)
	after, notes := protected(t, raw, options())
	has(t, strings.Join(notes, "\n"), "Api has no stage in this file")
	has(t, after, "security: [{bitting: [], bittingAdmitKey: []}]", "ApiKeySourceType: AUTHORIZER")

	included := strings.Replace(sam, sam[strings.Index(sam, "        openapi"):],
		"        Fn::Transform: {Name: AWS::Include, Parameters: {Location: api.yaml}}\n", 1)
	after, notes = protected(t, included, options())
	has(t, strings.Join(notes, "\n"), "its routes are in the OpenAPI document that it names")
	has(t, after, "bittingApi: api", "ApiKeySourceType: AUTHORIZER")

	if strings.Contains(after, "Auth:") {
		t.Errorf("SAM takes no Auth there:\n%s", after)
	}
}

// What somebody decided stays: their own authorizers, responses and open routes.
func TestWhatIsThereStays(t *testing.T) {
	t.Parallel()

	other := strings.Replace(samREST, "      Cors: \"'*'\"\n",
		"      Auth: {DefaultAuthorizer: People, Authorizers: {People: {UserPoolArn: x}}}\n", 1)

	after, notes := protected(t, other, options())
	if after != other {
		t.Errorf("changed:\n%s", after)
	}

	has(t, strings.Join(notes, "\n"), "line 27: OrdersApi has another default authorizer")

	if found := codes(t, other, options()); found != nil {
		t.Errorf("found %q", found)
	}

	mixed := strings.Replace(samREST, "Path: /orders, Method: get", "Path: /orders, Method: get, "+
		"Auth: {Authorizer: People}", 1)
	mixed = strings.Replace(mixed, "      Cors: \"'*'\"\n", "      Auth:\n        Authorizers: "+
		"{People: {UserPoolArn: x}}\n      GatewayResponses: {UNAUTHORIZED: {StatusCode: 418}}\n", 1)
	after, _ = protected(t, mixed, options())
	has(t, after, "Auth: {Authorizer: People, ApiKeyRequired: false}",
		"{UNAUTHORIZED: {StatusCode: 418}, ACCESS_DENIED:")

	if found := codes(t, after, options()); found != nil {
		t.Errorf("found %q in\n%s", found, after)
	}
}

// The forms in which YAML writes the same thing.
func TestFormsOfYAML(t *testing.T) {
	t.Parallel()

	function := "  F: {Type: AWS::Serverless::Function, Properties: {Events: {E: {Type: HttpApi, " +
		"Properties: {ApiId: !Ref A, Path: /x, Method: get}}}}}\n"

	for name, text := range map[string]string{
		"no properties":    "Resources:\n" + function + "  A:\n    Type: AWS::Serverless::HttpApi\n",
		"empty properties": "Resources:\n" + function + "  A:\n    Type: AWS::Serverless::HttpApi\n    Properties:\n",
		"braces":           "Resources:\n" + function + "  A: {Type: AWS::Serverless::HttpApi, Properties: {}}\n",
		"no line end":      "Resources:\n" + function + "  A:\n    Type: AWS::Serverless::HttpApi",
		"trailing comma":   "Resources:\n" + function + "  A: {Type: AWS::Serverless::HttpApi, Properties: {Name: x, },}\n",
		"four columns": "Resources:\n    A:\n        Type: AWS::Serverless::HttpApi\n        Properties:\n" +
			"            Name: x\n    " + strings.TrimSpace(function) + "\n",
		"Windows": strings.ReplaceAll("Resources:\n"+function+"  A:\n    Type: AWS::Serverless::HttpApi\n",
			"\n", "\r\n"),
		"literal last": "Resources:\n" + function + "  A:\n    Type: AWS::Serverless::HttpApi\n    Properties:\n" +
			"      Description: |\n        one\n        # two: it is text\n\n# a comment\nOutputs: {}\n",
		"folded text": "Resources:\n" + function + "  A:\n    Type: AWS::Serverless::HttpApi\n    Properties:\n" +
			"      Description: one\n        two\n        three\n      # of nothing\n",
		"quotes": "Resources:\n" + function + "  A:\n    Type: AWS::Serverless::HttpApi\n    Properties:\n" +
			"      Description: \"a } \\\" # b\"\n      Name: 'it''s } {'\n",
		"long flow": "Resources:\n" + function + "  A:\n    Type: AWS::Serverless::HttpApi\n    Properties: {\n" +
			"      Name: it's, # a comment with } in it\n      Tags: {a: \"}\"}\n    }\n",
		"wide characters": "Resources:\n" + strings.ReplaceAll(function, "/x", "/ü, x: ö") +
			"  A: {Type: AWS::Serverless::HttpApi, Properties: {Name: größer}}\n",
		"an intrinsic last": "Resources:\n" + function + "  A:\n    Type: AWS::Serverless::HttpApi\n    Properties:\n" +
			"      Name: !Join\n        - '-'\n        - - a\n          - !Ref b\n",
		"JSON on one line": `{"Resources": {"A": {"Type": "AWS::Serverless::HttpApi"}, "F": {"Type": "AWS::Serverless::Function", ` +
			`"Properties": {"Events": {"E": {"Type": "HttpApi", "Properties": {"ApiId": {"Ref": "A"}, "Path": "/x", "Method": "get"}}}}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			noLimits := options(func(o *protect.Options) { o.NoLimits = true })
			after, _ := protected(t, text, noLimits)

			if found := codes(t, after, noLimits); found != nil {
				t.Errorf("found %q in\n%s", found, after)
			}

			if strings.Contains(text, "\n") && strings.Contains(text, "\r\n") != (strings.Count(after, "\n") == strings.Count(after, "\r\n")) {
				t.Errorf("line ends are mixed:\n%q", after)
			}

			for _, key := range []string{"Name", "Description", "Tags"} {
				before := at(t, text, "Resources", "A", "Properties", key)
				if got := at(t, after, "Resources", "A", "Properties", key); got != before {
					t.Errorf("%s was %q, and is %q", key, before, got)
				}
			}
		})
	}
}

func TestFilesThatAreNone(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct{ text, want string }{
		"no YAML":    {"a: [", "neither YAML nor JSON"},
		"a list":     {"[]", "neither a template nor"},
		"other YAML": {"services: {}", "neither a template, which has Resources, nor"},
		"next line": {
			strings.Replace(samREST, "StageName", "# a \u0085 # b\n      StageName", 1),
			"line ends other than LF and CRLF",
		},
		"line separator": {samREST + "# \u2028\n", "line ends other than LF and CRLF"},
		"two documents":  {samREST + "---\n" + samREST, "more than one YAML document"},
		"lone CR":        {strings.ReplaceAll(samREST, "\n", "\r"), "line ends other than LF and CRLF"},
	} {
		if _, err := protect.Read([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}

	for name, test := range map[string]struct {
		text, want string
		change     func(*protect.Options)
	}{
		"no API": {"Resources: {}", "there is no API in it", func(*protect.Options) {}},
		"another kind": {
			samREST, "there is no API of kind http in it",
			func(o *protect.Options) { o.Kind = protect.HTTP },
		},
		"one name for two": {
			implicit, "it has 2 APIs: name each, as in --name ServerlessRestApi=shop",
			func(o *protect.Options) { o.Names = map[string]string{"": "shop"} },
		},
		"a value that is computed": {
			strings.Replace(samREST, "StageName: production", "StageName: production\n      "+
				"ApiKeySourceType: !Ref Source", 1),
			"line 27: ApiKeySourceType is not a plain value", func(*protect.Options) {},
		},
		"keys behind question marks": {
			"Transform: AWS::Serverless-2016-10-31\nResources:\n  ? Api\n  : Type: AWS::Serverless::Api\n" +
				"    Properties:\n      StageName: production\n",
			"line 3: write the key as Api: VALUE", func(*protect.Options) {},
		},
		"an alias": {
			"x: &p {Name: a}\nResources:\n  A: {Type: AWS::Serverless::HttpApi, Properties: *p}\n",
			"line 3: Properties is shared by an anchor", func(*protect.Options) {},
		},
		"a merge key": {
			"x: &p {Name: a}\nResources:\n  A:\n    Type: AWS::Serverless::HttpApi\n    Properties: {<<: *p}\n",
			"line 5: ", func(*protect.Options) {},
		},
		"a text without a line end": {
			strings.Replace(cfnHTTP, "\n  SocketStage", "\n# ", 1) + "\n  Last:\n    Type: A::B::C\n    " +
				"Properties:\n      Text: |\n        x",
			"the file ends within a text", func(*protect.Options) {},
		},
	} {
		if _, _, err := read(t, test.text).Protect(options(test.change)); err == nil ||
			!strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}

// A route that stays open, since the file says in another way who guards it, is told.
func TestRoutesThatStayOpen(t *testing.T) {
	t.Parallel()

	text := strings.Replace(samREST, "StageName: production", "StageName: production\n      Auth: !If "+
		"[X, {DefaultAuthorizer: Foo}, !Ref AWS::NoValue]", 1)

	_, notes, err := read(t, text).Protect(options())
	if err != nil {
		t.Fatal(err)
	}

	if !slices.ContainsFunc(notes, func(note string) bool {
		return strings.Contains(note, "cannot change that as it is written")
	}) {
		t.Errorf("notes %q", notes)
	}

	for _, note := range notes {
		var line int
		if _, err := fmt.Sscanf(note, "line %d: GET", &line); err == nil &&
			line > strings.Count(text, "\n") {
			t.Errorf("%q is not a line of the file", note)
		}
	}
}

// A route whose API is chosen by a condition is told of, once.
func TestAPIByCondition(t *testing.T) {
	t.Parallel()

	text := strings.Replace(samREST, "RestApiId: !Ref OrdersApi", "RestApiId: !If [X, a, b]", 1)
	if text == samREST {
		t.Fatal("there is no RestApiId")
	}

	_, notes, err := read(t, text).Protect(options())
	if err != nil {
		t.Fatal(err)
	}

	if n := strings.Count(strings.Join(notes, "\n"), "names its API by If"); n != 1 {
		t.Errorf("notes %q", notes)
	}
}

// JSON escapes what YAML does not: half a character, and a slash.
func TestJSONEscapes(t *testing.T) {
	t.Parallel()

	const text = `{"Transform": "AWS::Serverless-2016-10-31", "Description": "\ud83d\ude00 \\ud83d",
 "Resources": {
  "Api": {"Type": "AWS::Serverless::Api", "Properties": {"StageName": "prod"}},
  "F": {"Type": "AWS::Serverless::Function", "Properties": {"Events": {"List": {"Type": "Api",
   "Properties": {"Path": "\/a\/{id}", "Method": "get", "RestApiId": {"Ref": "Api"}}}}}}}}`

	after, _, err := read(t, text).Protect(options())
	if err != nil {
		t.Fatal(err)
	}

	var decoded struct{ Description string }
	if err := json.Unmarshal([]byte(after), &decoded); err != nil ||
		decoded.Description != `😀 \ud83d` {
		t.Errorf("%v: %q in\n%s", err, decoded.Description, after)
	}

	routes, _, err := read(t, after).Keyed("api")
	if err != nil || len(routes) != 1 || routes[0].Path != "/a/{id}" {
		t.Errorf("%v: %+v", err, routes)
	}
}

// The responses are those of Bitting's own APIs.
func TestResponsesAreTheTemplates(t *testing.T) {
	t.Parallel()

	var own struct {
		Globals struct {
			API struct {
				GatewayResponses map[string]any `yaml:"GatewayResponses"`
			} `yaml:"Api"`
		} `yaml:"Globals"`
	}
	var inserted map[string]any

	for file, into := range map[string]any{
		"../../template.yaml":    &own,
		"gateway-responses.yaml": &inserted,
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}

		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}

	if len(inserted) < 10 {
		t.Errorf("%d responses", len(inserted))
	}

	for kind, response := range inserted {
		if diff := cmp.Diff(own.Globals.API.GatewayResponses[kind], response); diff != "" {
			t.Errorf("%s (-template.yaml +inserted):\n%s", kind, diff)
		}
	}
}
