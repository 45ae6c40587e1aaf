package adminapi

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
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

// Config is what the admin API works with.
type Config struct {
	Admin   *admin.Service
	Group   Group // "" for all, declared but not served: for the document
	Brand   apikey.Brand
	DocsURL string          // what a problem's code is appended to
	Keyring *pepper.Keyring // that seals cursors
}

// API is the admin API's operations.
type API struct {
	admin   *admin.Service
	group   Group
	brand   apikey.Brand
	docs    string
	keyring *pepper.Keyring
	huma    huma.API
	mux     *http.ServeMux
	paths   map[string]bool // those that the group serves
}

// New returns the operations of a group.
func New(c Config) *API {
	installProblems()
	a := &API{
		admin:   c.Admin,
		group:   c.Group,
		brand:   c.Brand,
		docs:    c.DocsURL,
		keyring: c.Keyring,
		mux:     http.NewServeMux(),
		paths:   map[string]bool{},
	}
	a.huma = a.newHuma(http.NewServeMux()) // where nobody asks: what is served has another
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

// newHuma returns a huma API that serves its operations by a mux.
func (a *API) newHuma(mux *http.ServeMux) huma.API {
	out := huma.NewAPI(document(), humago.NewAdapter(mux, ""))
	out.UseMiddleware(a.withAPI)
	return out
}

// declare declares an operation: all at once for the document, and for a group those of its own, each
// when its first call comes. Huma takes longer to look through the types of all of a group's than
// all else at a function's start.
func (a *API) declare(op operation, by func(*API)) {
	switch a.group {
	case "":
		by(a)
	case op.group:
		first := sync.OnceValue(func() *http.ServeMux {
			mux, one := http.NewServeMux(), *a
			one.huma = one.newHuma(mux)
			by(&one)
			return mux
		})
		a.paths[op.path] = true
		a.mux.HandleFunc(op.method+" "+op.path, func(w http.ResponseWriter, r *http.Request) {
			first().ServeHTTP(w, r)
		})
	}
}

// ServeHTTP implements http.Handler. Where there is no operation, it answers 404 in our own form.
func (a *API) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	r = normal(r)

	w := respond(to, r)
	a.answer(w, r)
	w.send()
}

func (a *API) answer(w *response, r *http.Request) {
	if forPages(r.URL.Path) {
		letPagesRead(w.Header())
	}

	_, pattern := a.mux.Handler(r)

	once := r.Header.Get("Idempotency-Key")
	switch {
	case lossy(r.URL.Path) || path.Clean(r.URL.Path) != r.URL.Path:
		// the mux would lead on to another
	case r.Method == http.MethodOptions && a.options(w, r):
		return
	case pattern == "":
	case r.Method == http.MethodPost && once != "" && len(once) <= maxIdempotencyKey:
		a.serveIdempotent(w, r)
		return
	default:
		a.mux.ServeHTTP(w, r)
		return
	}

	a.write(w, gatewayContextOf(r.Context()).RequestID, admin.Refuse(api.CodeNotFound,
		"There is no such route."))
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

// write answers an error outside of an operation.
func (a *API) write(w http.ResponseWriter, requestID string, err *admin.Error) {
	p := problemOf(err)
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
		return problemOf(errorOfInput("", status, message, errs))
	}
	huma.NewErrorWithContext = func(
		ctx huma.Context, status int, message string, errs ...error,
	) huma.StatusError {
		a := apiOf(ctx.Context())
		if a == nil {
			return problemOf(errorOfInput("", status, message, errs))
		}

		p := a.problem(ctx.Context(), errorOfInput(a.brand, status, message,
			slices.Concat(detailsOf(faultsOf(ctx.Context())), errs)))
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
	name    string // its operationId, where the same is done as by another; "" for id
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
	hidden  bool  // from the document
	maxBody int64 // the largest body in bytes, where it is not MaxBody
	// the answers where all went well, where they are not one of huma's making
	outcomes []outcome
	// those headers of the output that the answer has; nil for all
	headers []string
	// who may call an operation that is open to more, or to fewer, than the others
	security []map[string][]string
}

// register declares an operation behind the gate.
func register[I, O any](
	a *API, op operation, work func(context.Context, *admin.Request, *I) (*O, error),
) {
	a.declare(op, func(a *API) {
		declared := op.declared()

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

		defer op.describeOutcomes(a.huma.OpenAPI().Components.Schemas, &declared)

		serve(a, declared, func(ctx context.Context, in *I) (*O, error) {
			return work(ctx, requestOf(ctx), in)
		})
	})
}

// serve declares an operation whose input is read, and answers its errors.
func serve[I, O any](
	a *API, declared huma.Operation, work func(context.Context, *I) (*O, error),
) {
	if a.group != "" {
		components := a.huma.OpenAPI().Components
		components.Schemas = undescribed{components.Schemas, bodyOf[O](), bodyOf[I]()}
	}

	huma.Register(a.huma, declared, func(ctx context.Context, in *I) (*O, error) {
		err := a.wellRead(ctx)
		if err == nil {
			var out *O
			if out, err = work(ctx, in); err == nil {
				return out, nil
			}
		}

		return nil, a.problem(ctx, err)
	})
}

// undescribed is the registry of an operation that is served, and not described: it makes no schema of
// the answer's body. Nothing but the document has a use for it, and it is a tenth of a function's
// start. What is read has its schema, since it is held to it.
type undescribed struct {
	huma.Registry

	answer, request reflect.Type // of their bodies; nil without one
}

// Schema implements huma.Registry.
func (u undescribed) Schema(t reflect.Type, allowRef bool, hint string) *huma.Schema {
	if t == u.answer && t != u.request {
		return new(huma.Schema)
	}

	return u.Registry.Schema(t, allowRef, hint)
}

// bodyOf returns the type of the body that an operation reads or answers; nil if it has none.
func bodyOf[T any]() reflect.Type {
	body, _ := reflect.TypeFor[T]().FieldByName("Body")
	return body.Type
}

// describeCondition says that a read may be conditional. It begins before huma describes the
// operation, and ends after.
func describeCondition(declared *huma.Operation) func() {
	declared.Parameters = []*huma.Param{{
		Name:        "If-None-Match",
		In:          "header",
		Description: "The ETag of the version that the caller has: 304 if it is still current",
		Schema:      &huma.Schema{Type: huma.TypeString, Examples: []any{`"3"`}},
	}}
	return func() {
		declared.Responses["304"] = &huma.Response{Description: "The caller's version is current"}
	}
}

// describeBody corrects what huma says of a body: that it is required.
func (op operation) describeBody(body *huma.RequestBody) { body.Required = !op.bare }

// registerOpen declares an operation that everybody may call.
func registerOpen[I, O any](a *API, op operation, work func(context.Context, *I) (*O, error)) {
	a.declare(op, func(a *API) {
		declared := op.declared()
		declared.Middlewares = huma.Middlewares{a.read}

		declared.Security = op.security
		if op.security == nil {
			declared.Security = []map[string][]string{}
		}

		if op.raw != nil {
			declared.SkipValidateBody = true
			declared.RequestBody = &huma.RequestBody{}
			defer func() { declared.RequestBody.Content["application/json"].Schema = op.raw }()
		}

		serve(a, declared, work)
	})
}

func (op operation) declared() huma.Operation {
	most := op.maxBody
	if most == 0 {
		most = MaxBody
	}

	return huma.Operation{
		Responses:     map[string]*huma.Response{},
		OperationID:   cmp.Or(op.name, string(op.id)),
		Method:        op.method,
		Path:          op.path,
		Summary:       op.summary,
		Description:   op.about,
		DefaultStatus: op.status,
		Hidden:        op.hidden,
		Security:      op.security,
		Tags:          []string{string(op.group)},
		MaxBodyBytes:  most + 1, // huma takes the limit itself for too much
	}
}

// problem makes the problem of an error, complete.
func (a *API) problem(ctx context.Context, err error) *Problem {
	p := problemOf(a.admin.Error(ctx, err))
	p.finish(a.docs, gatewayContextOf(ctx).RequestID)
	return p
}
