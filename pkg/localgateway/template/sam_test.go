package template_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// The forms in which both readings are compared.
type (
	route struct {
		Function, Authorizer, Payload string
		KeyRequired                   bool
		Preflight                     map[string]string
	}
	authorizer struct {
		Function, Type, Sources, Payload, Validation string
		TTL                                          int
		Simple                                       bool
	}
	response struct {
		Status    int
		Headers   map[string]string
		Templates map[string]string
	}
	api struct {
		Stage, KeySource string
		Variables        map[string]string
		Routes           map[string]route
		Authorizers      map[string]authorizer
		Responses        map[string]response
		Binary           []string
		CORS             map[string]any
		LogFormat        string
	}
	function struct {
		Timeout, Memory int
		Environment     []string
		Schedules       []string
		Logs            int // subscriptions to log groups
	}
	reading struct {
		APIs      map[string]api
		Functions map[string]function
		Tables    map[string]map[string]any
	}
)

// TestSAMReadsItTheSame compares this package's reading with what SAM's own
// translator would deploy.
func TestSAMReadsItTheSame(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		file       string
		parameters map[string]string
		apis       []string
	}{
		"ours": {
			root + "/template.yaml",
			map[string]string{"DemoApi": "rest"},
			[]string{"AdminApi", "DemoDevelopment", "DemoProduction", "DemoStaging"},
		},
		"ours, cached": {root + "/template.yaml", map[string]string{
			"DemoApi":   "rest",
			"Profile":   "cached",
			"KeyLimits": "off",
			"KeyHeader": "Authorization",
		}, []string{"AdminApi", "DemoDevelopment", "DemoProduction", "DemoStaging"}},
		"ours, fast": {root + "/template.yaml", map[string]string{
			"DemoApi":               "rest",
			"Profile":               "fast",
			"AuthorizerConcurrency": "5",
		}, []string{"AdminApi", "DemoDevelopment", "DemoProduction", "DemoStaging"}},
		"ours, HTTP": {root + "/template.yaml", map[string]string{
			"DemoApi": "http",
		}, []string{"AdminApi", "DemoHttpDevelopment", "DemoHttpProduction", "DemoHttpStaging"}},
		"HTTP, cached": {root + "/template.yaml", map[string]string{
			"DemoApi":   "http",
			"Profile":   "cached",
			"KeyLimits": "off",
		}, []string{"AdminApi", "DemoHttpDevelopment", "DemoHttpProduction", "DemoHttpStaging"}},
		"ours, watched": {root + "/template.yaml", map[string]string{
			"DemoApi":        "rest",
			"Metrics":        "off",
			"AdminAccessLog": "on",
			"Dashboard":      "on",
			"AlarmTopicArn":  "arn:aws:sns:us-east-1:123456789012:ops",
		}, []string{"AdminApi", "DemoDevelopment", "DemoProduction", "DemoStaging"}},
		"ours, by an alias": {root + "/template.yaml", map[string]string{
			"DemoApi":               "rest",
			"AuthorizerDeployment":  "Canary10Percent10Minutes",
			"AuthorizerProvisioned": "2",
			"Release":               "r1",
		}, []string{"AdminApi", "DemoDevelopment", "DemoProduction", "DemoStaging"}},
		"ours, none": {root + "/template.yaml", nil, []string{"AdminApi"}},
		"REST":       {"../testdata/rest.yaml", nil, []string{"Custom", "HeaderKeyed", "Keyed", "Plain"}},
		"HTTP":       {"../testdata/http.yaml", nil, []string{"Plain", "Staged"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			source, err := os.ReadFile(test.file)
			if err != nil {
				t.Fatal(err)
			}

			ours, err := template.Read(source, test.parameters)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(test.apis, slices.Sorted(maps.Keys(ours.APIs))); diff != "" {
				t.Fatal(diff)
			}

			if diff := cmp.Diff(readingOfSAM(t, translate(t, test.file, test.parameters)),
				readingOfOurs(ours)); diff != "" {
				t.Errorf("-SAM +ours\n%s", diff)
			}
		})
	}
}

func readingOfOurs(tmpl *template.Template) reading {
	r := reading{
		APIs:      map[string]api{},
		Functions: map[string]function{},
		Tables:    map[string]map[string]any{},
	}
	for id, f := range tmpl.Functions {
		r.Functions[id] = function{
			int(f.Timeout / time.Second), f.MemoryMB, slices.Sorted(maps.Keys(f.Environment)),
			schedulesOfOurs(f), len(f.LogGroups),
		}
	}

	for id, table := range tmpl.Tables {
		r.Tables[id] = map[string]any{}
		for key := range table.Properties {
			r.Tables[id][key] = true
		}
	}

	for id, a := range tmpl.APIs {
		r.APIs[id] = apiOfOurs(a)
	}

	return r
}

func schedulesOfOurs(f template.Function) []string {
	var out []string
	for _, s := range f.Schedules {
		out = append(out, s.Every.String()+" "+s.Input)
	}

	slices.Sort(out)
	return out
}

func schedulesOfSAM(tr *translation, id string) []string {
	var out []string
	for _, resource := range tr.Resources {
		p := resource.Properties
		if resource.Type != "AWS::Events::Rule" || p["State"] == "DISABLED" {
			continue
		}

		for _, target := range asList(p["Targets"]) {
			if to := asList(at(target, "Arn", "Fn::GetAtt")); to == nil || asText(to[0]) != id {
				continue
			}

			every := map[string]string{
				"rate(1 minute)": "1m0s",
				"rate(2 hours)":  "2h0m0s",
			}[asText(p["ScheduleExpression"])]

			input := ""
			if v := at(target, "Input"); v != nil {
				input = asText(v)
			}

			out = append(out, every+" "+input)
		}
	}

	slices.Sort(out)
	return out
}

func apiOfOurs(a template.API) api {
	out := api{
		Stage:       a.Stage,
		KeySource:   string(a.APIKeySource),
		Variables:   a.StageVariables,
		Binary:      a.BinaryMediaTypes,
		Routes:      map[string]route{},
		Authorizers: map[string]authorizer{},
		Responses:   map[string]response{},
	}
	if a.AccessLog != nil {
		out.LogFormat = a.AccessLog.Format
	}

	for _, r := range a.Routes {
		payload := r.PayloadVersion
		if a.Kind == template.REST {
			payload = ""
		}

		out.Routes[r.Method+" "+r.Path] = route{
			r.Function, r.Authorizer, payload, r.APIKeyRequired, r.Preflight,
		}
	}

	for name, x := range a.Authorizers {
		var sources []string
		for _, s := range x.IdentitySources {
			place := map[template.IdentityPlace]string{
				template.InHeader:      "request.header",
				template.InQueryString: "request.querystring",
			}[s.In]
			if place == "" {
				place = string(s.In)
			}

			sources = append(sources, place+"."+s.Name)
		}

		out.Authorizers[name] = authorizer{
			x.Function, strings.ToLower(string(x.Type)), strings.Join(sources, ","),
			x.PayloadVersion, x.Validation,
			int(x.TTL / time.Second), x.SimpleResponses,
		}
	}

	for kind, g := range a.GatewayResponses {
		out.Responses[kind] = response{g.Status, g.Headers, g.Templates}
	}

	if c := a.CORS; c != nil {
		out.CORS = map[string]any{}
		for key, list := range map[string][]string{
			"allowOrigins":  c.AllowOrigins,
			"allowMethods":  c.AllowMethods,
			"allowHeaders":  c.AllowHeaders,
			"exposeHeaders": c.ExposeHeaders,
		} {
			if list != nil {
				out.CORS[key] = strings.Join(list, ",")
			}
		}

		if c.AllowCredentials {
			out.CORS["allowCredentials"] = "true"
		}

		if c.MaxAge != nil {
			out.CORS["maxAge"] = strconv.Itoa(*c.MaxAge)
		}
	}

	return out
}

func readingOfSAM(t *testing.T, tr *translation) reading {
	t.Helper()

	r := reading{
		APIs:      map[string]api{},
		Functions: map[string]function{},
		Tables:    map[string]map[string]any{},
	}
	for id, resource := range tr.Resources {
		p := resource.Properties
		switch resource.Type {
		case "AWS::Lambda::Function":
			f := function{
				3, 128, slices.Sorted(maps.Keys(asMap(at(p, "Environment", "Variables")))),
				schedulesOfSAM(tr, id), subscriptions(tr, id),
			}
			if v, ok := p["Timeout"].(float64); ok {
				f.Timeout = int(v)
			}

			if v, ok := p["MemorySize"].(float64); ok {
				f.Memory = int(v)
			}

			r.Functions[id] = f
		case "AWS::DynamoDB::Table":
			r.Tables[id] = map[string]any{}
			for key := range p {
				r.Tables[id][key] = true
			}
		case "AWS::ApiGateway::RestApi", "AWS::ApiGatewayV2::Api":
			r.APIs[id] = apiOfSAM(t, tr, id, p)
		}
	}

	return r
}

// subscriptions counts a function's subscriptions to log groups.
func subscriptions(tr *translation, function string) int {
	n := 0
	for _, resource := range tr.Resources {
		target := asList(at(resource.Properties, "DestinationArn", "Fn::GetAtt"))
		if resource.Type == "AWS::Logs::SubscriptionFilter" && len(target) > 0 &&
			target[0] == function && resource.Properties["FilterPattern"] == "" {
			n++
		}
	}

	return n
}

func apiOfSAM(t *testing.T, tr *translation, id string, p map[string]any) api {
	t.Helper()
	body := p["Body"]
	rest := tr.Resources[id].Type == "AWS::ApiGateway::RestApi"

	out := api{
		Routes:      map[string]route{},
		Authorizers: map[string]authorizer{},
		Responses:   map[string]response{},
	}
	for _, resource := range tr.Resources {
		reference := at(resource.Properties, "RestApiId", "Ref")
		if resource.Type == "AWS::ApiGatewayV2::Stage" {
			reference = at(resource.Properties, "ApiId", "Ref")
		}

		if strings.HasSuffix(asText(resource.Type), "::Stage") && reference == id &&
			resource.Properties["StageName"] != "Stage" {
			out.Stage = asText(resource.Properties["StageName"])
			for _, name := range []string{"AccessLogSetting", "AccessLogSettings"} {
				if setting := resource.Properties[name]; setting != nil {
					out.LogFormat = asText(at(setting, "Format"))
				}
			}

			out.Variables = texts(resource.Properties["Variables"])
			if out.Variables == nil {
				out.Variables = texts(resource.Properties["StageVariables"])
			}
		}
	}

	if rest {
		out.KeySource = "HEADER"
		if source, ok := p["ApiKeySourceType"].(string); ok {
			out.KeySource = source
		}
	}

	for _, mediaType := range asList(at(body, "x-amazon-apigateway-binary-media-types")) {
		out.Binary = append(out.Binary, asText(mediaType))
	}

	for path, methods := range asMap(at(body, "paths")) {
		for method, operation := range asMap(methods) {
			if method == "x-amazon-apigateway-any-method" {
				method = "any"
			}

			if path != "/" && rest {
				path = strings.TrimSuffix(path, "/")
			}

			if at(operation, "isDefaultRoute") == true {
				path = "$default" // which FailOnWarnings spells otherwise
			}

			r := routeOfSAM(operation)
			switch {
			case rest:
				r.Payload = ""
			case r.Payload == "":
				r.Payload = "1.0"
			}

			r.Function = tr.unaliased(r.Function)
			out.Routes[strings.ToUpper(method)+" "+path] = r
		}
	}

	schemes := asMap(at(body, "components", "securitySchemes"))
	if schemes == nil {
		schemes = asMap(at(body, "securityDefinitions"))
	}

	for name, scheme := range schemes {
		if x := at(scheme, "x-amazon-apigateway-authorizer"); x != nil {
			a := authorizerOfSAM(x, asText(at(scheme, "name")))

			a.Function = tr.unaliased(a.Function)
			if !rest && at(x, "authorizerResultTtlInSeconds") == nil {
				a.TTL = 0
			}

			out.Authorizers[name] = a
		}
	}

	for kind, g := range asMap(at(body, "x-amazon-apigateway-gateway-responses")) {
		status, _ := strconv.Atoi(asText(at(g, "statusCode")))
		out.Responses[kind] = response{
			status, headers(at(g, "responseParameters"), "gatewayresponse.header."),
			texts(at(g, "responseTemplates")),
		}
	}

	if cors := asMap(at(body, "x-amazon-apigateway-cors")); cors != nil {
		out.CORS = map[string]any{}
		for key, value := range cors {
			out.CORS[key] = joined(value)
		}
	}

	return out
}

// unaliased returns the function that an alias is of.
func (tr *translation) unaliased(function string) string {
	if alias := tr.Resources[function]; alias.Type == "AWS::Lambda::Alias" {
		return asText(at(alias.Properties, "FunctionName", "Ref"))
	}

	return function
}

func routeOfSAM(operation any) route {
	integration := at(operation, "x-amazon-apigateway-integration")

	r := route{Function: functionIn(at(integration, "uri"))}
	if version, ok := at(integration, "payloadFormatVersion").(string); ok {
		r.Payload = version
	}

	for _, security := range asList(at(operation, "security")) {
		for name := range asMap(security) {
			switch name {
			case "api_key":
				r.KeyRequired = true
			case "NONE": // SAM's mark for an open route of an HTTP API
			default:
				r.Authorizer = name
			}
		}
	}

	if at(integration, "type") == "mock" {
		r.Preflight = headers(at(integration, "responses", "default", "responseParameters"),
			"method.response.header.")
		for name, value := range r.Preflight {
			r.Preflight[name] = strings.Trim(value, "'")
		}
	}

	return r
}

func authorizerOfSAM(x any, header string) authorizer {
	a := authorizer{
		Function: functionIn(at(x, "authorizerUri")),
		Type:     asText(at(x, "type")),
		TTL:      300,
	}
	if ttl, ok := at(x, "authorizerResultTtlInSeconds").(float64); ok {
		a.TTL = int(ttl)
	}

	for key, into := range map[string]*string{
		"authorizerPayloadFormatVersion": &a.Payload,
		"identityValidationExpression":   &a.Validation,
	} {
		switch v := at(x, key).(type) {
		case string:
			*into = v
		case float64:
			*into = strconv.FormatFloat(v, 'f', 1, 64)
		}
	}

	a.Simple, _ = at(x, "enableSimpleResponses").(bool)

	a.Sources = strings.NewReplacer(" ", "", "method.", "", "$",
		"").Replace(joined(at(x, "identitySource")))
	if a.Type == "token" {
		a.Sources = "request.header." + header
	}

	return a
}

var functionArn = regexp.MustCompile(`functions/(?:arn:.*:)?(\w+)(?:\.\w+)?/(?:response-streaming-)?invocations`)

// functionIn finds the logical id of the function that a URI calls.
func functionIn(uri any) string {
	if m := functionArn.FindStringSubmatch(asText(uri)); m != nil {
		return m[1]
	}

	return ""
}

func headers(parameters any, prefix string) map[string]string {
	var out map[string]string
	for name, value := range asMap(parameters) {
		if out == nil {
			out = map[string]string{}
		}

		out[strings.TrimPrefix(name, prefix)] = asText(value)
	}

	return out
}

func texts(v any) map[string]string {
	if len(asMap(v)) == 0 {
		return nil
	}

	return headers(v, "")
}

func joined(v any) string {
	list, isList := v.([]any)
	if !isList {
		if v == nil {
			return ""
		}

		return asText(v)
	}

	all := make([]string, len(list))
	for i, item := range list {
		all[i] = asText(item)
	}

	return strings.Join(all, ",")
}
