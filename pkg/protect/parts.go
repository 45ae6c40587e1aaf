package protect

import (
	_ "embed" // the gateway responses
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// stageVariable names the API in the permission catalogue.
const stageVariable = "bittingApi"

// The template's parameters, each of an SSM parameter of Bitting's stack.
const (
	parameterAuthorizer = "BittingAuthorizer"
	parameterAdmitKey   = "BittingAdmitKey"
	parameterLogs       = "BittingAccessLogs"
	parameterFormat     = "BittingAccessLogFormat"
)

const (
	cachedTTL  = 300 // seconds
	restTTL    = 300 // API Gateway's own for REST APIs
	ssmText    = "AWS::SSM::Parameter::Value<String>"
	apiVersion = "2015-03-31"
)

// cachedContext is what of a call, besides the key's header, a kept answer is for.
func cachedContext() []string { return []string{"httpMethod", "path", "identity.sourceIp"} }

func ssmParameter(o Options, name, path, about string) want {
	return under([]string{"Parameters", name},
		want{key: "Type", value: scalar(ssmText)},
		want{key: "Default", value: scalar(o.parameter(path))},
		want{key: "Description", value: scalar(about)})
}

func authorizerParameter(o Options) want {
	return ssmParameter(o, parameterAuthorizer, "authorizer/"+o.Environment,
		"ARN of Bitting's authorizer, which its stack keeps there")
}

// accessLog is what a stage writes of each call in the profile cached, where calls are counted by
// it, with the parameters that it needs.
func accessLog(o Options, kind Kind) (setting want, parameters []want) {
	key, format := "AccessLogSetting", "rest"
	if kind != REST {
		key, format = "AccessLogSettings", "http"
	}

	setting = want{key: key, in: []want{
		{key: "DestinationArn", value: function("Ref", parameterLogs)},
		{key: "Format", value: function("Ref", parameterFormat+strings.ToUpper(format))},
	}}
	return setting, []want{
		ssmParameter(o, parameterLogs, "access-log/destination",
			"ARN of the log group by which Bitting counts calls"),
		ssmParameter(o, parameterFormat+strings.ToUpper(format), "access-log/"+format,
			"What Bitting expects there of each call"),
	}
}

// plan is the usage plan through which a REST API answers 429: it holds the key that the authorizer
// supplies for an admitted call, and no other.
func plan(o Options, id string, condition, stages *yaml.Node, exists bool) []want {
	if exists {
		return nil
	}

	name := id + "BittingPlan"
	resource := func(kind string, properties ...want) []want {
		out := []want{{key: "Type", value: scalar(kind)}}
		if condition != nil {
			out = append(out, want{key: "Condition", value: scalar(condition.Value)})
		}

		return append(out, want{key: "Properties", in: properties})
	}

	return []want{
		ssmParameter(o, parameterAdmitKey, "admit-key",
			"Id of the API key by which Bitting's authorizer admits a call"),
		under([]string{"Resources", name},
			resource("AWS::ApiGateway::UsagePlan", want{key: "ApiStages", value: stages})...),
		under([]string{"Resources", name + "Key"}, resource("AWS::ApiGateway::UsagePlanKey",
			want{key: "KeyId", value: function("Ref", parameterAdmitKey)},
			want{key: "KeyType", value: scalar("API_KEY")},
			want{key: "UsagePlanId", value: function("Ref", name)})...),
	}
}

// inPlan reports whether the stage of an API is in a usage plan with Bitting's admit key.
func (d *Document) inPlan(api string) bool {
	plans := map[string]bool{}

	resources := entries(get(d.root, "Resources"))
	for _, e := range resources {
		if plain(get(e.value, "Type")) == "AWS::ApiGateway::UsagePlan" {
			for _, stage := range items(get(e.value, "Properties", "ApiStages")) {
				plans[e.key] = plans[e.key] || ref(get(stage, "ApiId")) == api
			}
		}
	}

	return slices.ContainsFunc(resources, func(e entry) bool {
		p := get(e.value, "Properties")
		return plain(get(e.value, "Type")) == "AWS::ApiGateway::UsagePlanKey" &&
			plans[ref(get(p, "UsagePlanId"))] && isOurs("", get(p, "KeyId"))
	})
}

//go:embed gateway-responses.yaml
var responsesFile []byte

// response is a gateway response of Bitting's, in SAM's form.
type response struct {
	kind string
	node *yaml.Node
}

// DefaultDocs is the page that explains the codes of refusals; a code is its fragment.
const DefaultDocs = "https://github.com/bitting-keys/bitting/blob/main/docs/problems.md#"

// gatewayResponses are the answers that a REST API should give by itself.
func gatewayResponses(o Options) []response {
	text := string(responsesFile)
	if o.Docs != "" {
		text = strings.ReplaceAll(text, DefaultDocs, o.Docs)
	}

	s, err := parse(text)
	if err != nil {
		panic(err) // the file is part of the program
	}

	var out []response
	for _, e := range entries(s.root) {
		out = append(out, response{e.key, e.value})
	}

	return out
}

func samResponses(o Options) (wants []want) {
	for _, r := range gatewayResponses(o) {
		wants = append(wants, want{key: r.kind, value: r.node})
	}

	return wants
}

// status is the status that a response sets, "" for API Gateway's own.
func (r response) status() string { return plain(get(r.node, "StatusCode")) }

// parameters are the headers of a response, as API Gateway's own form names them.
func (r response) parameters() *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, e := range entries(get(r.node, "ResponseParameters", "Headers")) {
		out.Content = append(out.Content, scalar("gatewayresponse.header."+e.key), e.value)
	}

	return out
}

// needed are the gateway responses that the authorizer's outcomes lead to.
func needed() []string {
	return []string{
		"UNAUTHORIZED", "ACCESS_DENIED", "INVALID_API_KEY", "THROTTLED", "QUOTA_EXCEEDED",
		"AUTHORIZER_FAILURE", "AUTHORIZER_CONFIGURATION_ERROR",
	}
}

// missingResponses returns the needed responses that a mapping by their types lacks.
func missingResponses(mapping *yaml.Node) (missing []string) {
	if isCall(mapping) {
		return nil // included from elsewhere
	}

	for _, kind := range needed() {
		if get(mapping, kind) == nil {
			missing = append(missing, kind)
		}
	}

	return missing
}

// authorizerURI is how API Gateway names the function behind an authorizer.
func authorizerURI() *yaml.Node {
	return function("Sub", "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/"+
		apiVersion+"/functions/${"+parameterAuthorizer+"}/invocations")
}

// invokePermission lets API Gateway invoke the authorizer for an API.
func invokePermission(api string) want {
	return under([]string{"Resources", api + "BittingPermission"},
		want{key: "Type", value: scalar("AWS::Lambda::Permission")},
		want{key: "Properties", in: []want{
			{key: "Action", value: scalar("lambda:InvokeFunction")},
			{key: "FunctionName", value: function("Ref", parameterAuthorizer)},
			{key: "Principal", value: scalar("apigateway.amazonaws.com")},
			{key: "SourceArn", value: function("Sub",
				"arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${"+api+
					"}/authorizers/*")},
		}})
}

// quoted returns a node of a text that must be quoted, or it would be a number.
func quoted(text string) *yaml.Node {
	n := scalar(text)
	n.Style = yaml.DoubleQuotedStyle
	return n
}

// codeURI returns where the code of a function is, "" where the file does not say.
func (d *Document) codeURI(function *yaml.Node) string {
	if uri := get(function, "Properties", "CodeUri"); uri != nil {
		return plain(uri)
	}

	return plain(get(d.root, "Globals", "Function", "CodeUri"))
}

// codeOf returns the code of the function that an operation's integration, or anything else below a
// node, names.
func (d *Document) codeOf(n *yaml.Node) (uri string) {
	texts(n, func(text *yaml.Node) {
		for _, e := range entries(get(d.root, "Resources")) {
			kind := plain(get(e.value, "Type"))
			if strings.HasSuffix(kind, "::Function") && names(text.Value, e.key) {
				uri = d.codeURI(e.value)
			}
		}
	})

	return uri
}

// names reports whether a text names a logical id: alone, with an attribute, or in a substitution.
func names(text, id string) bool {
	return text == id || strings.HasPrefix(text, id+".") || strings.Contains(text, "${"+id+"}") ||
		strings.Contains(text, "${"+id+".")
}

// at is a line for a message.
func at(line int) string { return "line " + strconv.Itoa(line) + ": " }
