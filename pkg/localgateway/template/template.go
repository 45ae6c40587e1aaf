// Package template reads a SAM template as one deployment would see it: with parameters filled in,
// conditions decided, intrinsic functions resolved and Globals merged. It promises to return what
// the SAM translator and CloudFormation would have made of the parts that a local gateway needs:
//
//   - functions
//   - REST APIs and HTTP APIs, declared or implicit, from events or from OpenAPI documents, with
//     their routes, authorizers, gateway responses, CORS, usage-plan keys and access logs
//   - with Read, also DynamoDB tables, schedules and log subscriptions
//
// Read is for a template whose whole deployment runs on this machine. It refuses, with the line
// number, every property that it does not understand and that would change what the deployment
// does, and every resource and event that may carry a route.
//
// ReadAPIs is for anybody's template, of which only the APIs run here. It passes over what does not
// change their answers, says of each route why it cannot be answered here, and lists what accepts
// calls by other ways. It too refuses, with the line, what it would read otherwise than AWS.
//
// Neither validates the rest of the template (policies, alarms); `sam validate` does.
//
// References to things that exist only in AWS become stable placeholders: region us-east-1,
// account 123456789012, partition aws; the stack's name is bitting with Read, local with ReadAPIs.
//
// Sources: the template anatomy and intrinsic function reference of the CloudFormation User Guide,
// the SAM specification
// (https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification.html),
// and API Gateway's extensions to OpenAPI
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html).
package template

import (
	"fmt"
	"time"
)

// Template is a resolved SAM template. Its maps are keyed by logical id and hold only the
// resources whose Condition is true.
type Template struct {
	Functions map[string]Function
	Tables    map[string]Table
	APIs      map[string]API
	// Passed is what accepts calls in AWS and is not served here, with its line (ReadAPIs only).
	Passed []Error
	// Files are the local files that were included, as paths.
	Files []string
}

// Outside is the function of an authorizer that the template names by a parameter, an export or
// an SSM parameter: one that another stack deploys.
const Outside = "{outside}"

// Function is one AWS::Serverless::Function.
type Function struct {
	ID          string
	ARN         string            // the value of !GetAtt <ID>.Arn
	CodeURI     string            // as written, relative to the template; empty if there is none
	Environment map[string]string // resolved; empty map if there is none
	Timeout     time.Duration     // SAM's default of 3 s if unset
	MemoryMB    int               // 128 if unset
	Line        int
	// Unserved is why the function cannot run as a process of this machine; nil if it can.
	Unserved *Error
	// Schedules are in the template's order, without those that are not enabled.
	Schedules []Schedule
	// LogGroups are the log groups, by the value of !Ref, whose lines the function receives: those
	// of its CloudWatchLogs events without a filter pattern.
	LogGroups []string
	// Policies are those of its role, in the template's order, without the one that SAM adds for
	// logs (Read only).
	Policies []Policy
}

// Policy is one policy of a function's role.
type Policy struct {
	Name     string         // logical id of the managed policy; empty for one of the function's own
	Document map[string]any // resolved, decoded as Table.Properties are
}

// Schedule is one Schedule event of a function.
type Schedule struct {
	Name  string        // of the event
	Every time.Duration // from its rate expression
	Input string        // JSON input of the function; empty for EventBridge's own event
}

// Table is one AWS::DynamoDB::Table.
type Table struct {
	ID   string
	Name string // TableName, or the logical id where CloudFormation would generate a name
	// Properties are the resolved CloudFormation properties, as
	// encoding/json would decode them except that integers are int:
	// maps, slices, strings, ints, floats and bools.
	Properties map[string]any
}

// APIKind distinguishes REST APIs from HTTP APIs.
type APIKind string

// The two kinds of API.
const (
	REST APIKind = "REST" // AWS::Serverless::Api
	HTTP APIKind = "HTTP" // AWS::Serverless::HttpApi
)

// API is one AWS::Serverless::Api or AWS::Serverless::HttpApi with its only stage.
type API struct {
	ID             string // logical id
	GatewayID      string // placeholder of the API's id: the value of !Ref, also in ARNs
	Kind           APIKind
	Stage          string // "$default" for an HTTP API that names none
	StageVariables map[string]string
	Routes         []Route
	Authorizers    map[string]Authorizer
	// GatewayResponses are keyed by response type such as UNAUTHORIZED (REST only).
	GatewayResponses map[string]GatewayResponse
	APIKeySource     APIKeySource // REST only
	// APIKeys are the values of the enabled API keys in usage plans that
	// contain this API's stage (REST only).
	APIKeys          []string
	BinaryMediaTypes []string // REST only
	CORS             *CORS    // HTTP only; a REST API's CORS is its OPTIONS routes
	AccessLog        *AccessLog
	Line             int
	// Stages are further stages of the API, by name (ReadAPIs only).
	Stages map[string]Stage
}

// Stage is what a stage of an API has of its own.
type Stage struct {
	Variables map[string]string
	APIKeys   []string // as in API
}

// AccessLog is a stage's access log.
type AccessLog struct {
	LogGroup string // the value of !Ref of the log group
	Format   string // one line with $context variables
}

// APIKeySource is where a REST API looks for the API key of a method that requires one.
type APIKeySource string

// The two sources of an API key.
const (
	KeyFromHeader     APIKeySource = "HEADER"     // X-Api-Key, the default
	KeyFromAuthorizer APIKeySource = "AUTHORIZER" // usageIdentifierKey of the authorizer's answer
)

// Route is one method on one path.
type Route struct {
	Method string // upper case, or ANY
	Path   string // template such as /keys/{keyId}, or "$default" (HTTP only)
	// Function is the logical id of the integration, empty for a Preflight. It need not be one of
	// the template's.
	Function       string
	Authorizer     string // name in API.Authorizers; empty = open
	APIKeyRequired bool   // REST only
	PayloadVersion string // "1.0" or "2.0"; REST has only 1.0
	// Preflight holds the response headers of the mock OPTIONS method that
	// SAM adds for Cors; nil for an ordinary route.
	Preflight map[string]string
	Timeout   time.Duration // of the integration; 0 = API Gateway's limit
	Line      int           // where the template declares it
	// Target is why the route's integration cannot run here, and Guard why its authorizer cannot
	// (ReadAPIs only). A route with a Guard must not be answered at all.
	Target, Guard *Error
}

// AuthorizerType is the kind of event that an authorizer receives.
type AuthorizerType string

// The authorizer types. HTTP APIs have only REQUEST.
const (
	Token   AuthorizerType = "TOKEN"
	Request AuthorizerType = "REQUEST"
)

// Authorizer is one Lambda authorizer of one API.
type Authorizer struct {
	Name           string
	Function       string // logical id, or Outside
	Type           AuthorizerType
	PayloadVersion string // "1.0" or "2.0"; empty for REST
	// IdentitySources are in the template's order. A request that lacks one is refused without a
	// call.
	IdentitySources []IdentitySource
	// Validation is the identity validation expression of a TOKEN
	// authorizer; empty if none.
	Validation      string
	TTL             time.Duration // 0 = no caching
	SimpleResponses bool          // HTTP with payload 2.0 only
}

// IdentitySource names one value of a request.
type IdentitySource struct {
	In   IdentityPlace
	Name string
}

// IdentityPlace is where an identity source looks.
type IdentityPlace string

// The places of identity sources.
const (
	InHeader        IdentityPlace = "header"
	InQueryString   IdentityPlace = "querystring"
	InStageVariable IdentityPlace = "stageVariables"
	InContext       IdentityPlace = "context"
)

// GatewayResponse is a REST API's customised answer of one type.
type GatewayResponse struct {
	Status int // 0 = the type's default
	// Headers are the mapping expressions by header name: 'literal',
	// context.…, method.request.… or stageVariables.….
	Headers   map[string]string
	Templates map[string]string // by media type; empty = the default body
}

// CORS is an HTTP API's CORS configuration.
type CORS struct {
	AllowOrigins, AllowMethods, AllowHeaders, ExposeHeaders []string
	AllowCredentials                                        bool
	MaxAge                                                  *int // seconds
}

// Error is a refusal to read part of the template, with its line.
type Error struct {
	Line    int
	Message string
}

// Error returns "line N: message".
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }
