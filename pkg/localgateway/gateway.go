package localgateway

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// Config configures a Gateway.
type Config struct {
	Template *template.Template // required
	API      string             // required: logical id of the API in Template

	// Mapping is the base path mapping of the custom domain name that clients use. Nil means the
	// API's own address, whose paths begin with the stage.
	Mapping *Mapping

	// Functions are called by logical id: in-process handlers, or processes that speak the Lambda
	// Runtime API. A missing function counts as failed, so it never lets a call through.
	Functions map[string]lambda.Handler

	// Backend answers in place of the functions behind the routes; nil for none.
	Backend *Backend

	Logger *slog.Logger // nil logs nothing
	// AccessLog is called once per request, after the answer was written; nil for none.
	AccessLog func(AccessRecord)
	Now       func() time.Time // nil means time.Now
	Random    io.Reader        // for request ids; nil means crypto/rand
}

// Mapping maps a custom domain name to a stage.
type Mapping struct {
	BasePath string // such as "/keys"; "" for the whole domain
}

// Gateway is one stage of one API. It is an http.Handler that expects request
// paths without the stage and without a base path, and is safe for concurrent use.
type Gateway struct {
	api       template.API
	mapping   *Mapping
	functions map[string]template.Function
	handlers  map[string]lambda.Handler
	backend   *Backend
	instances map[string]*instances // of each function
	throttled atomic.Int64          // when that was logged last, in seconds
	routes    router
	cache     *cache
	answers   map[bool]memo[authorization] // by whether they are simple
	policies  memo[*policy.Parsed]
	logger    *slog.Logger
	accessLog func(AccessRecord)
	now       func() time.Time
	random    io.Reader
}

// New returns a Gateway. It fails if the template has no such API, or if one of its validation
// expressions is not a regular expression.
func New(config Config) (*Gateway, error) {
	api, ok := config.Template.APIs[config.API]
	if !ok {
		return nil, fmt.Errorf("template has no API %q", config.API)
	}

	for name, a := range api.Authorizers {
		if _, err := validation(a); err != nil {
			return nil, fmt.Errorf("authorizer %s: %w", name, err)
		}
	}

	g := &Gateway{
		api:       api,
		mapping:   config.Mapping,
		functions: config.Template.Functions,
		handlers:  config.Functions,
		backend:   config.Backend,
		instances: make(map[string]*instances, len(config.Functions)),
		routes:    newRouter(api),
		cache:     newCache(),
		answers: map[bool]memo[authorization]{
			true:  newMemo[authorization](),
			false: newMemo[authorization](),
		},
		policies:  newMemo[*policy.Parsed](),
		logger:    config.Logger,
		accessLog: config.AccessLog,
		now:       config.Now,
		random:    config.Random,
	}
	for id := range config.Functions {
		g.instances[id] = newInstances()
	}

	if g.logger == nil {
		g.logger = slog.New(slog.DiscardHandler)
	}

	if g.now == nil {
		g.now = time.Now
	}

	if g.random == nil {
		g.random = rand.Reader
	}

	return g, nil
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := g.newCall(r)
	if err != nil {
		g.logger.ErrorContext(r.Context(), "request id could not be made", "error", err)
		http.Error(w, `{"message":"Internal Server Error"}`, http.StatusInternalServerError)
		return
	}

	a, refused := g.serve(c)
	if refused != nil {
		c.refusal = refused
		a = g.refuse(c, *refused)
	}

	g.write(w, c, a)

	if g.accessLog != nil {
		g.accessLog(g.record(c, a))
	}
}

// answer is the response to the client.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// serve takes API Gateway's steps in order; the first refusal decides.
func (g *Gateway) serve(c *call) (answer, *refusal) {
	if refused := g.checkHeaders(c); refused != nil {
		return answer{}, refused
	}

	if g.isPreflight(c) {
		return answer{status: http.StatusNoContent, header: http.Header{}}, nil
	}

	if !g.routes.find(c) {
		return answer{}, unknownRoute(c, g.api.Kind)
	}

	if fault := c.route.Guard; fault != nil {
		return unserved(fault), nil
	}

	if g.api.Kind == template.REST && malformedEscape(c.request.URL.RawQuery) {
		return answer{}, &malformedQuery
	}

	if refused := c.readBody(); refused != nil {
		return answer{}, refused
	}

	if c.route.Authorizer != "" {
		if refused := g.authorize(c, g.api.Authorizers[c.route.Authorizer]); refused != nil {
			return answer{}, refused
		}
	}

	if c.route.APIKeyRequired && !g.hasPlanKey(c) {
		return answer{}, &invalidAPIKey
	}

	if c.route.Preflight != nil {
		return mockPreflight(c.route.Preflight), nil
	}

	return g.integrate(c)
}

// write sends an answer with the headers that API Gateway adds to every one.
func (g *Gateway) write(w http.ResponseWriter, c *call, a answer) {
	header := w.Header()
	for name, values := range a.header {
		header[name] = values
	}

	if g.api.Kind == template.REST {
		header.Set("x-amzn-RequestId", c.requestID)
		header.Set("x-amz-apigw-id", c.extendedID)
	} else {
		header.Set("apigw-requestid", c.requestID)
		g.addCORS(c, header)
	}

	w.WriteHeader(a.status)

	if _, err := w.Write(a.body); err != nil && c.request.Method != http.MethodHead {
		g.logger.DebugContext(c.request.Context(), "answer was not delivered", "error", err,
			"request_id", c.requestID)
	}
}
