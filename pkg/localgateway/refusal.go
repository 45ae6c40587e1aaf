package localgateway

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// refusal is one way in which API Gateway answers without calling a function: a REST API's answer,
// unless the template customises its response type, and an HTTP API's, which cannot be customised.
type refusal struct {
	responseType string // of the gateway response; empty = not customisable
	restStatus   int
	errorType    string // header x-amzn-ErrorType
	message      string // empty: null
	body         string // REST's default body where it is not {"message":…}

	httpStatus  int
	httpMessage string
}

var (
	unauthorized = refusal{
		responseType: "UNAUTHORIZED",
		restStatus:   http.StatusUnauthorized,
		errorType:    "UnauthorizedException",
		message:      "Unauthorized",
		httpStatus:   http.StatusUnauthorized,
		httpMessage:  "Unauthorized",
	}
	implicitDeny = refusal{
		responseType: "ACCESS_DENIED",
		restStatus:   http.StatusForbidden,
		errorType:    "AccessDeniedException",
		message:      "User is not authorized to access this resource",
		body:         `{"Message":"User is not authorized to access this resource"}`,
		httpStatus:   http.StatusForbidden,
		httpMessage:  "Forbidden",
	}
	explicitDeny = refusal{
		responseType: "ACCESS_DENIED",
		restStatus:   http.StatusForbidden,
		errorType:    "AccessDeniedException",
		message: "User is not authorized to access this resource with an explicit deny in " +
			"an identity-based policy",
		body:        `{"Message":"User is not authorized to access this resource with an explicit deny in an identity-based policy"}`,
		httpStatus:  http.StatusForbidden,
		httpMessage: "Forbidden",
	}
	authorizerBroken = refusal{
		responseType: "AUTHORIZER_CONFIGURATION_ERROR",
		restStatus:   http.StatusInternalServerError,
		errorType:    "AuthorizerConfigurationException",
		httpStatus:   http.StatusInternalServerError,
		httpMessage:  "Internal Server Error",
	}
	authorizerTimedOut = refusal{
		responseType: "AUTHORIZER_FAILURE",
		restStatus:   http.StatusInternalServerError,
		errorType:    "AuthorizerConfigurationException",
		httpStatus:   http.StatusInternalServerError,
		httpMessage:  "Internal Server Error",
	}
	noRoute = refusal{
		responseType: "MISSING_AUTHENTICATION_TOKEN",
		restStatus:   http.StatusForbidden,
		errorType:    "MissingAuthenticationTokenException",
		message:      "Missing Authentication Token",
		httpStatus:   http.StatusNotFound,
		httpMessage:  "Not Found",
	}
	// AWS repeats the header's value in this message; a key does not belong in a body.
	noSignature = refusal{
		responseType: "INVALID_SIGNATURE",
		restStatus:   http.StatusForbidden,
		errorType:    "IncompleteSignatureException",
		message:      "Invalid key=value pair (missing equal-sign) in Authorization header",
	}
	invalidAPIKey = refusal{
		responseType: "INVALID_API_KEY",
		restStatus:   http.StatusForbidden,
		errorType:    "ForbiddenException",
		message:      "Forbidden",
	}
	badRequest = refusal{
		responseType: "DEFAULT_4XX",
		restStatus:   http.StatusBadRequest,
		errorType:    "BadRequestException",
		message:      "Bad Request",
		httpStatus:   http.StatusBadRequest,
		httpMessage:  "Bad Request",
	}
	// AWS documents neither the response type nor the message of this refusal.
	malformedQuery = refusal{
		responseType: "BAD_REQUEST_PARAMETERS",
		restStatus:   http.StatusBadRequest,
		errorType:    "BadRequestException",
		message:      "Bad Request",
	}
	bodyTooLarge = refusal{
		restStatus:  http.StatusRequestEntityTooLarge,
		errorType:   "RequestTooLargeException",
		message:     "HTTP content length exceeded 10485760 bytes.",
		httpStatus:  http.StatusRequestEntityTooLarge,
		httpMessage: "Request Entity Too Large",
	}
	headersTooLarge = refusal{
		restStatus:  http.StatusRequestHeaderFieldsTooLarge,
		errorType:   "RequestTooLargeException",
		message:     "HTTP header is larger than 10240 bytes.",
		httpStatus:  http.StatusRequestHeaderFieldsTooLarge,
		httpMessage: "Request Header Fields Too Large",
	}
	urlTooLong = refusal{
		restStatus: http.StatusRequestURITooLong,
		errorType:  "RequestUriTooLongException",
		message:    "Request-URI Too Long",
	}
	pathTooLong = refusal{
		responseType: "DEFAULT_4XX",
		restStatus:   http.StatusRequestURITooLong,
		errorType:    "RequestUriTooLongException",
		message:      "Request-URI Too Long",
		httpStatus:   http.StatusRequestURITooLong,
		httpMessage:  "Request-URI Too Long",
	}
	integrationBroken = refusal{
		responseType: "DEFAULT_5XX",
		restStatus:   http.StatusBadGateway,
		errorType:    "InternalServerErrorException",
		message:      "Internal server error",
		body:         `{"message": "Internal server error"}`,
		httpStatus:   http.StatusInternalServerError,
		httpMessage:  "Internal Server Error",
	}
	integrationFailed = refusal{
		responseType: "INTEGRATION_FAILURE",
		restStatus:   http.StatusGatewayTimeout,
		errorType:    "InternalServerErrorException",
		message:      "Network error communicating with endpoint",
		httpStatus:   http.StatusServiceUnavailable,
		httpMessage:  "Service Unavailable",
	}
	integrationTimedOut = refusal{
		responseType: "INTEGRATION_TIMEOUT",
		restStatus:   http.StatusGatewayTimeout,
		errorType:    "InternalServerErrorException",
		message:      "Endpoint request timed out",
		httpStatus:   http.StatusServiceUnavailable,
		httpMessage:  "Service Unavailable",
	}
)

// unknownRoute returns the refusal of a request that matches no route.
func unknownRoute(c *call, kind template.APIKind) *refusal {
	if kind == template.REST && c.request.Header.Get("Authorization") != "" {
		return &noSignature
	}

	return &noRoute
}

// refuse renders a refusal as this API answers it.
func (g *Gateway) refuse(c *call, f refusal) answer {
	if g.api.Kind == template.HTTP {
		body, _ := json.Marshal(map[string]string{
			"message": f.httpMessage,
		}) // a map of strings always marshals
		return answer{f.httpStatus, http.Header{"Content-Type": {"application/json"}}, body}
	}

	a := answer{status: f.restStatus, header: http.Header{}}

	custom := g.gatewayResponse(f)
	if custom.Status != 0 {
		a.status = custom.Status
	}

	// Without a template for an accepted type, the default body remains.
	mediaType, body := "application/json", f.defaultBody()
	if chosen, source, ok := chooseTemplate(custom.Templates, c.request.Header.Get("Accept")); ok {
		mediaType, body = chosen, g.render(c, source)
	}

	a.body = []byte(body)
	a.header.Set("Content-Type", mediaType)
	a.header.Set("x-amzn-ErrorType", f.errorType)

	for name, expression := range custom.Headers {
		if value := g.headerValue(c, expression); value != "" {
			a.header.Set(name, value)
		}
	}

	return a
}

func (f refusal) defaultBody() string {
	if f.body != "" {
		return f.body
	}

	return `{"message":` + f.messageString() + `}`
}

// messageString returns $context.error.messageString: the message in quotes, or null.
func (f refusal) messageString() string {
	if f.message == "" {
		return "null"
	}

	return strconv.Quote(f.message) // the messages above are plain ASCII
}

// gatewayResponse finds the template's customisation: of the type itself, else of DEFAULT_4XX or
// DEFAULT_5XX, whose status then holds for all of them.
func (g *Gateway) gatewayResponse(f refusal) template.GatewayResponse {
	if f.responseType == "" {
		return template.GatewayResponse{}
	}

	if custom, ok := g.api.GatewayResponses[f.responseType]; ok {
		return custom
	}

	if f.restStatus >= http.StatusInternalServerError {
		return g.api.GatewayResponses["DEFAULT_5XX"]
	}

	return g.api.GatewayResponses["DEFAULT_4XX"]
}
