// Package localgateway answers HTTP requests as Amazon API Gateway would for
// one API of a SAM template: it routes, calls the Lambda authorizer, evaluates
// the policy, and calls the function behind the route or refuses with API
// Gateway's own status, headers and body. REST APIs and HTTP APIs are both
// understood.
//
// It promises to fail closed: a missing function, a malformed answer, an error
// or a time-out never lets a call through. Of throttling it has only Lambda's,
// of a function that too many call at once. It does not promise usage-plan
// quotas, resource policies, WAF, mutual TLS, response caching,
// request validation or mapping templates; package template refuses those of
// them that a template can ask for.
//
// This project has compared nothing here with a live AWS account. Behaviour is
// graded in the comments of the code and in the table below:
//
//	D  AWS documentation (developer guide, https://docs.aws.amazon.com/apigateway/latest/developerguide/)
//	O  observed by others on AWS and published
//	I  inference: verify on AWS before relying on it
//
// Routing and requests:
//
//	D  HTTP API: full match, then greedy, then $default (http-api-develop-routes)
//	D  an unknown route is 403 at a REST API, 404 at an HTTP API; with an Authorization header a REST API reads it as a
//	   signature (O), whose value is not repeated here
//	O  REST: one trailing slash is ignored; I: HTTP APIs do not ignore it
//	I  REST: static before parameter before greedy; a parameter never matches an empty segment
//	I  paths are never decoded: path, rawPath, pathParameters and ARNs carry what the client sent, characters that no URL
//	   has included
//	O  HTTP API: rawPath begins with the stage unless that is $default, also where a custom domain is called, whose base
//	   path is nowhere in payload 2.0
//	O  by a custom domain, path and requestContext.path of payload 1.0 begin with the base path and have no stage
//	D  10,240 bytes of header values (limits), at an HTTP API with the request line; I: beyond them 431
//	D  10,240 characters of URL at a Regional REST API (limits); I: beyond them 414, not customisable
//	D  10 MB of body, 413, not customisable (api-gateway-known-issues); O: the REST text; I: the HTTP text
//	D  ARN over 1,600 bytes is 414 (api-gateway-lambda-authorizer-output); I: its body
//	D  a preflight to an HTTP API with CORS is answered without a route (http-api-cors)
//
// Authorizers (api-gateway-lambda-authorizer-input, -output, http-api-lambda-authorizer):
//
//	D  the events of every kind; O: REST keeps header spelling, HTTP APIs lower-case it. Go's server canonicalises
//	   names, so a REST event here has X-Api-Key in any case
//	D  every identity source must be there and non-empty, else 401 without a call, also where nothing is cached (I)
//	I  a validation expression must match the whole token
//	D  what is cached is the authorizer's answer; the policy is evaluated again for each request
//	D  a policy may have conditions (reference_policies_elements_condition); of them only DateLessThan of aws:CurrentTime is
//	   understood here, and a policy with another is 500. I: an authorizer's policy has that key, as a resource policy has
//	O  the error text Unauthorized, exactly, is 401; any other error or malformed answer is 500 with a null message, and
//	   none of them is cached; a time-out is AUTHORIZER_FAILURE (I), every other failure
//	   AUTHORIZER_CONFIGURATION_ERROR (O)
//	O  the bodies of implicit and explicit denials at a REST API, with a capital Message
//	D  REST context values are strings, numbers and booleans, and arrive as strings; others are 500
//	D  HTTP API context keeps its types
//	D  usageIdentifierKey with the key source AUTHORIZER; a value in no plan of the stage is INVALID_API_KEY
//	D  10 s for an HTTP API's authorizer; I: likewise for a REST API's
//
// Gateway responses (api-gateway-gatewayResponse-definition, supported-gateway-response-types):
//
//	D  types, default statuses, fall-back to DEFAULT_4XX and DEFAULT_5XX, plain substitution of variables
//	O  a query at a REST API with a percent sign that begins no escape is 400 (ustayready/fireprox #27); I: as
//	   BAD_REQUEST_PARAMETERS, before the authorizer. I: a semicolon parts no parameters
//	O  the authorizer's context is there after a Deny; I: also after an Allow that lacked a usage-plan key
//	O  x-amzn-ErrorType of 401, 403, 500 and 502; I: of 413, 414, 431 and 504
//	I  a variable without value is the empty string, and a header without value is left out
//
// Access logs (set-up-logging, api-gateway-variables-for-access-logging,
// http-api-logging-variables):
//
//	D  one line a call, after the answer, in the stage's format; a hyphen where a variable has no value (O)
//	I  values are not escaped, control characters are left out, an empty value is a hyphen too
//	I  the authorizer's context is there after a Deny, also of a cached answer, and is not after an authorizer's error
//
// Integrations (set-up-lambda-proxy-integrations, http-api-develop-integrations-lambda):
//
//	D  events 1.0 and 2.0, the response formats, and the inferred response of 2.0
//	O  REST: a function error or malformed response is 502; HTTP API: 500
//	I  a function that throttles has failed, behind a route and as an authorizer
//	D  29 s at a REST API (504), 30 s at an HTTP API (O: 503)
//	D  an HTTP server that cannot be reached is INTEGRATION_FAILURE, 504; I: 503 at an HTTP API
//	D  REST may rename some response headers to x-amzn-Remapped-…; I: which ones
//
// A client that goes away does not stop a function, as on AWS. The source
// address is the connection's alone; X-Forwarded-For is passed on, never
// trusted. Mount a Gateway so that it sees raw paths: http.ServeMux cleans
// them (it redirects //x and /a/../b), http.StripPrefix does not.
package localgateway
