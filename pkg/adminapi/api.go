package adminapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/secretscan"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/hot"
)

// Group is the operations that one Lambda function serves.
type Group string

// The groups, named as the folders of functions/ are.
const (
	GroupKeys          Group = "keys"
	GroupRotation      Group = "rotation"
	GroupRevocation    Group = "revocation"
	GroupOrganizations Group = "organizations"
	GroupUsage         Group = "usage"
)

// MaxBody is the largest body that is read, in bytes, but of an import.
const MaxBody = 256 << 10

// API is the admin API's operations.
type API struct {
	brand   apikey.Brand
	docs    string
	profile string
	// how long API Gateway keeps an authorizer's answer; 0 where it keeps none
	cacheTime time.Duration
	countedBy string // who counts calls: authorizer or access_log
	limitsOff bool   // the deployment enforces no limits of keys
	explained string // the name of the API that calls are explained for
	store     *store.Store
	hot       *hot.Table
	keyring   *pepper.Keyring
	checker   *check.Checker
	limits    *limit.Limiter
	github    *secretscan.Keys
	logger    *slog.Logger
	now       func() time.Time
	wait      func(ctx context.Context, d time.Duration)
	random    io.Reader

	group Group
	huma  huma.API
	mux   *http.ServeMux
}

// New returns the HTTP handler of a group of operations.
func New(d *boot.Deployment, group Group) http.Handler {
	return http.HandlerFunc(newAPI(d, group).serve)
}

func newAPI(d *boot.Deployment, group Group) *API {
	installProblems()
	a := assemble(d)
	a.group = group
	a.mux = http.NewServeMux()
	a.huma = huma.NewAPI(document(), only{humago.NewAdapter(a.mux, ""), group})
	a.huma.UseMiddleware(a.withAPI)
	a.registerKeys()
	a.registerImport()
	a.registerRotation()
	a.registerRevocation()
	a.registerBulk()
	a.registerJobs()
	a.registerOrganizations()
	a.registerSettings()
	a.registerDeletion()
	a.registerMe()
	a.registerMembers()
	a.registerCustomers()
	a.registerHistory()
	a.registerPermissions()
	a.registerWhoami()
	a.registerLeaks()
	a.registerExplain()
	a.registerUsage()
	a.registerRequests()
	a.registerAdvice()
	a.registerReference()
	return a
}

// assemble returns what operations and jobs work with, and mounts nothing.
func assemble(d *boot.Deployment) *API {
	return &API{
		brand:     d.Brand,
		docs:      d.DocsURL,
		profile:   d.Profile,
		cacheTime: d.CacheTime(),
		countedBy: d.CountedBy,
		limitsOff: d.KeyLimitsOff,
		explained: d.API,
		store:     d.Store,
		hot:       d.Hot,
		keyring:   d.Keyring,
		checker:   d.Checker,
		limits:    d.Limits,
		github:    secretscan.NewKeys(d.GitHubKeysURL, d.Now),
		logger:    d.Logger,
		now:       d.Now,
		wait:      d.Wait,
		random:    rand.Reader,
	}
}

// only mounts the operations of one group; the document has them all.
type only struct {
	huma.Adapter
	group Group
}

// Handle implements huma.Adapter.
func (o only) Handle(op *huma.Operation, handler func(huma.Context)) {
	if op.Tags[0] == string(o.group) {
		o.Adapter.Handle(op, handler)
	}
}

// serve answers 404 where there is no operation, in our own form.
func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	r, w = normal(r), &response{ResponseWriter: w, call: r}
	_, pattern := a.mux.Handler(r)

	once := r.Header.Get("Idempotency-Key")
	switch {
	case pattern == "" || lossy(r.URL.Path) || path.Clean(r.URL.Path) != r.URL.Path:
		// the mux would lead on to another
	case r.Method == http.MethodPost && once != "" && len(once) <= maxIdempotencyKey:
		a.serveIdempotent(w, r)
		return
	default:
		a.mux.ServeHTTP(w, r)
		return
	}

	a.write(w, gatewayContextOf(r.Context()).requestID, notFound.with("There is no such route."))
}

// normal is a request without the slash at the end of its path, which is that of the route without
// it, as it is to a REST API.
func normal(r *http.Request) *http.Request {
	if len(r.URL.Path) < 2 || !strings.HasSuffix(r.URL.Path, "/") {
		return r
	}

	address := *r.URL
	address.Path, address.RawPath = strings.TrimSuffix(address.Path,
		"/"), strings.TrimSuffix(address.RawPath, "/")

	out := *r
	out.URL = &address
	return &out
}

// write answers a problem outside of an operation.
func (a *API) write(w http.ResponseWriter, requestID string, p *Problem) {
	p.finish(a.docs, requestID)

	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}

	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the status is written: there is no other answer left
}

// apiKey finds the API in a request's context, for what huma calls without one.
type apiKey struct{}

func apiOf(ctx context.Context) *API {
	a, _ := ctx.Value(apiKey{}).(*API)
	return a
}

// withAPI puts the API into the context of every operation.
func (a *API) withAPI(ctx huma.Context, next func(huma.Context)) {
	next(huma.WithValue(ctx, apiKey{}, a))
}

// installProblems makes huma answer in our form and read JSON as strictly as we promise. These
// variables are huma's documented way to do so; they are the same for every API of the process, and
// are set once.
var installProblems = sync.OnceFunc(func() {
	// "Name" is no field: it would be set without the checks of "name"
	huma.ValidateStrictCasing = true
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return problemOfInput("", status, message, errs)
	}
	huma.NewErrorWithContext = func(
		ctx huma.Context, status int, message string, errs ...error,
	) huma.StatusError {
		a := apiOf(ctx.Context())
		if a == nil {
			return problemOfInput("", status, message, errs)
		}

		p := problemOfInput(a.brand, status, message, slices.Concat(faultsOf(ctx.Context()), errs))
		p.finish(a.docs, gatewayContextOf(ctx.Context()).requestID)
		// huma sets those of an operation's own errors alone
		for name, values := range p.GetHeaders() {
			ctx.SetHeader(name, values[0])
		}

		return p
	}
})

// operation is what is declared of an operation besides its input and output.
type operation struct {
	id      organization.Operation
	group   Group
	method  string
	path    string
	summary string
	about   string
	status  int
	// the body may be left out: there is nothing that it must say
	bare bool
	// of a body that is taken as the bytes that it is, right or wrong
	raw     *huma.Schema
	answers map[string]*huma.MediaType // of an answer that is written by hand
	hidden  bool                       // from the document
	maxBody int64                      // the largest body in bytes, where it is not MaxBody
}

// register declares an operation behind the gate.
func register[I, O any](
	a *API, op operation, work func(context.Context, *request, *I) (*O, error),
) {
	declared := op.declare()

	declared.Middlewares = huma.Middlewares{
		a.gate(op.id), a.conditions(takesIfMatch[I]()), a.secrets, a.read,
	}
	if _, tagged := reflect.TypeFor[O]().FieldByName("ETag"); tagged &&
		op.method == http.MethodGet {
		defer describeCondition(&declared)()
	}

	if op.method != http.MethodGet && op.method != http.MethodDelete {
		declared.RequestBody = &huma.RequestBody{}
		defer op.describeBody(declared.RequestBody)
	}

	huma.Register(a.huma, declared, func(ctx context.Context, in *I) (*O, error) {
		if err := a.wellRead(ctx); err != nil {
			return nil, a.problem(ctx, err)
		}

		out, err := work(ctx, requestOf(ctx), in)
		if err != nil {
			return nil, a.problem(ctx, err)
		}

		return out, nil
	})
}

// describeCondition says that a read may be conditional. It begins before huma describes the
// operation, and ends after.
func describeCondition(declared *huma.Operation) func() {
	declared.Parameters = []*huma.Param{{
		Name:        "If-None-Match",
		In:          "header",
		Description: "The ETag of what the caller has: 304 where that is still so",
		Schema:      &huma.Schema{Type: huma.TypeString},
	}}
	declared.Responses = map[string]*huma.Response{}
	return func() {
		declared.Responses["304"] = &huma.Response{Description: "It is still as the caller has it"}
	}
}

// describeBody corrects what huma says of a body that is also taken raw: that it is required, and
// may be of another media type.
func (op operation) describeBody(body *huma.RequestBody) {
	delete(body.Content, "application/octet-stream")
	body.Required = !op.bare
}

// registerOpen declares an operation that everybody may call.
func registerOpen[I, O any](a *API, op operation, work func(context.Context, *I) (*O, error)) {
	declared := op.declare()
	declared.Middlewares = huma.Middlewares{a.read}

	declared.Security = []map[string][]string{}
	if op.raw != nil {
		declared.SkipValidateBody = true
		declared.RequestBody = &huma.RequestBody{}
		defer func() { declared.RequestBody.Content["application/json"].Schema = op.raw }()
	}

	huma.Register(a.huma, declared, func(ctx context.Context, in *I) (*O, error) {
		if err := a.wellRead(ctx); err != nil {
			return nil, a.problem(ctx, err)
		}

		out, err := work(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, err)
		}

		return out, nil
	})
}

func (op operation) declare() huma.Operation {
	var responses map[string]*huma.Response
	if op.answers != nil {
		responses = map[string]*huma.Response{"200": {Content: op.answers}}
	}

	most := op.maxBody
	if most == 0 {
		most = MaxBody
	}

	return huma.Operation{
		Responses:     responses,
		OperationID:   string(op.id),
		Method:        op.method,
		Path:          op.path,
		Summary:       op.summary,
		Description:   op.about,
		DefaultStatus: op.status,
		Hidden:        op.hidden,
		Tags:          []string{string(op.group)},
		MaxBodyBytes:  most + 1, // huma takes the limit itself for too much
	}
}

// problem makes the problem of an error, complete.
func (a *API) problem(ctx context.Context, err error) *Problem {
	p := problemOf(ctx, a.logger, err)
	p.finish(a.docs, gatewayContextOf(ctx).requestID)
	return p
}
