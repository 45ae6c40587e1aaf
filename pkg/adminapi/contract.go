package adminapi

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// Document returns the OpenAPI document of all operations, from which people generate their clients.
// It completes what huma makes of the operations: of operations that nobody serves, since those that
// are served read theirs at each call, and need not spend the time at their start. It is made once,
// and must not be changed.
func Document() *huma.OpenAPI {
	whole.once.Do(func() { whole.document = complete() })
	return whole.document
}

// whole is what Document returns.
var whole struct {
	once     sync.Once
	document *huma.OpenAPI
}

func complete() *huma.OpenAPI {
	document := New(Config{Admin: new(admin.Service)}).huma.OpenAPI()
	describeSchemas(document.Components.Schemas)
	delete(document.Components.Schemas.Map(), "BulkAnswer") // its two halves are declared

	// what stands for any value makes openapi-generator for Python fail
	document.Components.Schemas.Map()["AdviceChange"].Properties["body"].AdditionalProperties = nil

	examples, closed := Examples(), closedSets()
	for path, item := range document.Paths {
		for _, op := range operationsOf(item) {
			describeRefusals(op)
			describeCoding(op)
			exemplify(op, examples[op.OperationID])

			for _, p := range op.Parameters {
				p.Schema.PatternDescription = "" // huma's own: no keyword of JSON Schema
				describeText(p.Schema, op.OperationID, p.Name)

				if values := closed[op.OperationID+"."+p.Name]; values != nil {
					restrict(p.Schema, values)
				}

				describeAbsent(p)
			}

			switch {
			case forPages(path):
				describePages(op)
			case op.Security == nil:
				describeLimits(op)
			}
		}
	}

	return document
}

func operationsOf(item *huma.PathItem) (all []*huma.Operation) {
	for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Patch, item.Delete} {
		if op != nil {
			all = append(all, op)
		}
	}

	return all
}

// describeRefusals declares the answers that every operation may have. A status of its own for each
// would say nothing more: programs compare the code.
func describeRefusals(op *huma.Operation) {
	problem := op.Responses["default"]
	delete(op.Responses, "default")

	refused := &huma.Response{
		Description: "The request was refused: code says why",
		Content:     problem.Content,
		Headers: map[string]*huma.Param{
			"Retry-After": seconds("With 429: after how many seconds to try again"),
			"WWW-Authenticate": text(
				"With 401: how to authenticate (RFC 9110 §11.6.1)"),
		},
	}
	// also where a key is stopped between the authorizer's check and ours
	refused.Headers[remappedAuthenticate] = text("What API Gateway makes of WWW-Authenticate at a " +
		"REST API, where it is not an authorizer that answers 401")

	op.Responses["4XX"] = refused
	op.Responses["5XX"] = &huma.Response{
		Description: "The service failed, and nothing was changed unless a later read shows it",
		Content:     problem.Content,
		Headers: map[string]*huma.Param{
			"Retry-After": seconds("With 503: after how many seconds to try again"),
		},
	}
}

// describeCoding declares that an answer with a body may be compressed.
func describeCoding(op *huma.Operation) {
	for _, answer := range op.Responses {
		if len(answer.Content) > 0 {
			declare(answer, "Vary", text("Accept-Encoding: above 1 KB, the body is gzip'd for who "+
				"takes that"))
		}
	}
}

// describePages declares that pages may read the answers.
func describePages(op *huma.Operation) {
	for _, answer := range op.Responses {
		declare(answer, "Access-Control-Allow-Origin", text("*: pages of any origin may read it"))
		declare(answer, "Access-Control-Expose-Headers", text("The headers that they may read"))
	}
}

func declare(answer *huma.Response, name string, header *huma.Param) {
	if answer.Headers == nil {
		answer.Headers = map[string]*huma.Param{}
	}

	answer.Headers[name] = header
}

// describeLimits declares what every answer to a key with limits has.
func describeLimits(op *huma.Operation) {
	for status, answer := range op.Responses {
		if status == "304" || status == "5XX" {
			continue
		}

		declare(answer, "RateLimit-Policy", text("The limits of the key that calls, where it has "+
			"some (draft-ietf-httpapi-ratelimit-headers)"))
		declare(answer, "RateLimit", text("What is left of them"))
	}
}

func text(about string) *huma.Param {
	return &huma.Param{Description: about, Schema: &huma.Schema{Type: huma.TypeString}}
}

func seconds(about string) *huma.Param {
	return &huma.Param{Description: about, Schema: &huma.Schema{Type: huma.TypeInteger}}
}

// describeSchemas says of fields what Go's types do not: which are null, which have a closed set of
// values, and what a text looks like.
func describeSchemas(schemas huma.Registry) {
	closed := closedSets()

	for name, schema := range schemas.Map() {
		of := schemas.TypeFromRef(schemasPrefix + name)
		if of == nil || of.Kind() != reflect.Struct {
			continue
		}

		for _, field := range reflect.VisibleFields(of) {
			tag, options, _ := strings.Cut(field.Tag.Get("json"), ",")

			property := schema.Properties[tag]
			if property == nil {
				continue
			}

			property.PatternDescription = ""
			describeText(property, name, tag)

			if property.Nullable && property.Enum != nil {
				property.Enum = append(property.Enum, nil)
			}

			if values := closed[name+"."+tag]; values != nil {
				restrict(property, values)
			} else if field.Type == reflect.TypeFor[api.Code]() && property.Enum == nil {
				restrict(property, anys(api.Codes()))
			}

			answered := strings.HasSuffix(of.PkgPath(), "/api") && !strings.Contains(options, "omit")
			if property.Ref != "" && field.Type.Kind() == reflect.Pointer && answered {
				schema.Properties[tag] = &huma.Schema{
					AnyOf:       []*huma.Schema{{Ref: property.Ref}, {Type: "null"}},
					Description: property.Description,
				}
			}
		}
	}
}

// restrict limits a property, or the items of a list, to values.
func restrict(property *huma.Schema, values []any) { single(property).Enum = values }

// single is the schema of a property, or of the items of a list.
func single(property *huma.Schema) *huma.Schema {
	if property.Type == huma.TypeArray {
		return property.Items
	}

	return property
}

// describeText says how the text of a field or parameter looks, as the operations will check it.
// What is served does not know: one that looks otherwise gets the same error as ever, with those of
// other fields, and in a path 404.
func describeText(schema *huma.Schema, of, name string) {
	all := patterns()
	if pattern := cmp.Or(all[of+"."+name], all[name]); pattern != "" {
		single(schema).Pattern = pattern
	}

	if name == "name" && of != "Me" { // an identity provider may have none
		one := 1
		schema.MinLength = &one
	}
}

// describeAbsent says that an empty text in the query counts as absent, and an empty If-None-Match
// too. Postman's import sends a parameter's default, and a word of its own where there is none.
func describeAbsent(p *huma.Param) {
	mayBeEmpty := p.In == "query" || p.Name == "If-None-Match"
	if s := p.Schema; mayBeEmpty && s.Type == huma.TypeString && s.Default == nil && s.Enum == nil {
		s.Default = ""
	}
}

const (
	keyPattern          = "^[0-9A-Za-z]{16}$"
	organizationPattern = "^([a-z][a-z0-9-]{1,38}|" + apikey.OperatorOrganization + ")$"
	customerPattern     = `^[0-9A-Za-z._-]{1,64}$`
	durationPattern     = "^[0-9]+[smhdwy]$"
)

// patterns are those of fields and parameters, by their name, with that of the schema where others
// are called the same.
func patterns() map[string]string {
	return map[string]string{
		"BoundedKey.id":                keyPattern,
		"CreateCustomerRequest.id":     customerPattern,
		"CreateOrganizationRequest.id": "^[a-z][a-z0-9-]{1,38}$",
		"Customer.id":                  customerPattern,
		"CustomerAnswer.id":            customerPattern,
		"HistoryEntry.id":              keyPattern,
		"Job.id":                       keyPattern,
		"Key.id":                       keyPattern,
		"MyMembership.id":              organizationPattern,
		"Organization.id":              organizationPattern,
		"deleteCustomer.customer":      customerPattern,
		"getCustomer.customer":         customerPattern,
		"updateCustomer.customer":      customerPattern,
		"getJob.job":                   keyPattern,
		"keyId":                        keyPattern,
		"org":                          organizationPattern,
		"organizationId":               organizationPattern,
		"customers":                    customerPattern,
		"development":                  durationPattern,
		"production":                   durationPattern,
		"staging":                      durationPattern,
		"expiresIn":                    durationPattern,
		"longest":                      durationPattern,
		"overlap":                      durationPattern,
		"window":                       "^([0-9]+[smhdwy])?$",
	}
}

// closedSets are the fields of answers, and the parameters, whose values are constants of another
// package, which is the one place that lists them.
func closedSets() map[string][]any {
	actors := anys([]apikey.ActorType{
		apikey.ActorUser, apikey.ActorKey, apikey.ActorOperator, apikey.ActorSystem,
	})
	outcomes := anys(check.Outcomes())
	grants := anys(organization.Grants())

	return map[string][]any{
		"Actor.type":                 actors,
		"HistoryEntry.action":        anys(history.Actions()),
		"listHistory.action":         anys(history.Actions()),
		"keyRequests.outcome":        anys(admin.RequestOutcomes()),
		"Explanation.outcome":        outcomes,
		"RecordedCall.outcome":       outcomes,
		"RequestDetails.outcome":     outcomes,
		"RecordedCall.environment":   anys(apikey.Environments()),
		"RequestDetails.environment": anys(apikey.Environments()),
		"Member.grants":              grants,
		"MyMembership.grants":        grants,
		"MyMembership.operations":    anys(organization.Wide()),
		"MyMembership.role":          anys(organization.Roles()),
	}
}

// anys are the texts of constants.
func anys[T ~string](values []T) (out []any) {
	for _, v := range values {
		out = append(out, string(v))
	}

	return out
}

// outcome is one of several answers of an operation that did what was asked.
type outcome struct {
	status  int
	about   string
	media   string       // of the body; "" for JSON
	body    reflect.Type // nil for none
	headers []string     // of headerTexts
}

// describeOutcomes declares the answers of an operation that are not what huma makes of its output.
func (op operation) describeOutcomes(schemas huma.Registry, declared *huma.Operation) {
	if op.headers != nil {
		for _, answer := range declared.Responses {
			maps.DeleteFunc(answer.Headers, func(name string, _ *huma.Param) bool {
				return !slices.Contains(op.headers, name)
			})
		}
	}

	if len(op.outcomes) == 0 {
		return
	}

	// with what is not an answer of the operation itself: 304, and the problem
	answers := declared.Responses
	for status := range answers {
		if strings.HasPrefix(status, "2") {
			delete(answers, status)
		}
	}

	for _, o := range op.outcomes {
		answer := &huma.Response{Description: o.about, Headers: map[string]*huma.Param{}}
		if o.body != nil {
			answer.Content = map[string]*huma.MediaType{
				cmp.Or(o.media, jsonType): {Schema: schemas.Schema(o.body, true, "")},
			}
		}

		for _, name := range o.headers {
			answer.Headers[name] = text(headerTexts()[name])
		}

		answers[strconv.Itoa(o.status)] = answer
	}
}

func headerTexts() map[string]string {
	return map[string]string{
		"Content-Disposition": "attachment, with the name of a file",
		"ETag":                "The version, for If-Match and If-None-Match",
		"Location":            "The path of what was made, or of the job",
	}
}

// schemaNames are the names of schemas whose types are called otherwise in Go: there a package says
// of what they are, and in a generated client nothing does.
func schemaNames() map[string]string {
	return map[string]string{
		"Entry":              "HistoryEntry",
		"EntryPage":          "HistoryPage",
		"HashInput":          "ImportedHash",
		"Imported":           "ImportResult",
		"Object":             "HistoryObject",
		"PermissionInput":    "PermissionDefinition",
		"Preview":            "AdvicePreview",
		"Progress":           "JobProgress",
		"RecordedRequest":    "RequestDetails",
		"Request":            "RecordedCall",
		"RequestPage":        "RecordedCallPage",
		"Result":             "JobResult",
		"Revoked":            "RevokedKey",
		"Route":              "PermissionRoute",
		"Source":             "OldSecretSource",
		"Step":               "CheckStep",
		"Totals":             "UsageTotals",
		"UpdateCustomer":     "UpdateCustomerRequest",
		"UpdateLongestLife":  "LongestLifeChange",
		"UpdateOrganization": "UpdateOrganizationRequest",
		"UpdateSettings":     "SettingsChange",
	}
}

// schemaName names a schema: as huma does, but a page as what is on it, a body as the request that
// it is of, and what has too bare a name by the table.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if of, page := strings.CutPrefix(name, "Page"); page && of != "" {
		name = of + "Page"
	}

	for _, suffix := range []string{"InputBody", "Body"} {
		if of, body := strings.CutSuffix(name, suffix); body && of != "" {
			name = of + "Request"
			break
		}
	}

	if better := schemaNames()[name]; better != "" {
		return better
	}

	return name
}

// tags are the groups of operations in the order in which people need them.
func tags() []*huma.Tag {
	return []*huma.Tag{
		{Name: string(GroupKeys), Description: "Make keys, list, change and delete them"},
		{Name: string(GroupRotation), Description: "Give a key a new secret"},
		{Name: string(GroupRevocation), Description: "Stop keys, one or many, and report leaks"},
		{Name: string(GroupUsage), Description: "See what keys do, and why a call was refused"},
		{
			Name: string(GroupOrganizations),
			Description: "Organizations, their members, customers, history and settings, and the " +
				"catalogue of permissions",
		},
	}
}

// calledBy is how a call named the API.
type calledBy struct {
	Host   string `header:"Host" hidden:"true"`
	Scheme string `header:"X-Forwarded-Proto" hidden:"true"`
}

// server is where the API is, as whoever reads the document called it: without the stage or the
// base path in it, generated clients would call past the API. Where API Gateway does not say what
// they are, it is relative to the document.
func (c calledBy) server(ctx context.Context) string {
	path := root(ctx)
	if path == ".." || c.Host == "" {
		return path
	}

	scheme := "https"
	if c.Scheme == "http" {
		scheme = c.Scheme
	}

	return scheme + "://" + c.Host + strings.TrimSuffix(path, "/")
}
