package bitting_test

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/localiam"
)

// oracle is a file that TestRolesAllowThisAndNoMore writes its cases to, a line of JSON each, so
// that somebody else's reading of IAM can be asked the same: `make oracle`.
var oracle = flag.String("oracle", "", "write the requests of the roles' test to this file")

// What a function may do. A request that fits no line of its functions is refused. The lines are
// written from what functions are for, not from the template.
type may struct {
	actions  string // separated by spaces
	resource string // core, hot, an index of core, pepperKey, coreKey
	keys     []string
	but      []string          // keys that are refused if any of a call's is one
	context  map[string]string // what the encryption context must have
}

const (
	changesItem = "PutItem UpdateItem DeleteItem"
	counts      = "GetItem PutItem UpdateItem"
)

var (
	anyKey = []string{"*"}
	ofKeys = []string{"production#*", "staging#*", "development#*"}

	// byDynamoDB is what a reader of the encrypted table needs of its key.
	byDynamoDB = may{actions: "kms:Decrypt", resource: "coreKey"}
	unwraps    = may{actions: "kms:Decrypt", resource: "pepperKey", context: map[string]string{
		"service": "bitting",
	}}
)

// mays returns what a function may do.
func mays(function string) []may {
	if environment, ok := strings.CutSuffix(strings.ToLower(function), "authorizer"); ok &&
		slices.Contains(environments, environment) {
		return []may{
			{actions: "GetItem BatchGetItem", resource: "core", keys: []string{
				environment + "#*", "pepper#" + environment, "catalogue",
			}},
			{actions: counts, resource: "hot", keys: []string{environment + "#*"}},
			{actions: "kms:Decrypt", resource: "pepperKey", context: map[string]string{
				"service":     "bitting",
				"environment": environment,
			}},
			byDynamoDB,
		}
	}

	manages := []may{
		{actions: "GetItem BatchGetItem ConditionCheckItem", resource: "core", keys: anyKey},
		unwraps,
		{actions: "kms:Encrypt kms:Decrypt kms:ReEncryptFrom kms:ReEncryptTo kms:GenerateDataKey " +
			"kms:GenerateDataKeyWithoutPlaintext kms:DescribeKey", resource: "coreKey"},
	}
	lists := []may{
		{actions: "Query", resource: "core", keys: anyKey},
		{actions: "Query", resource: "core/index", keys: anyKey},
	}
	// Peppers are people's, and the catalogue is written by few.
	changes := func(actions string, but ...string) may {
		return may{actions: actions, resource: "core", keys: anyKey, but: append(but, "pepper#*")}
	}
	batches := may{actions: "BatchGetItem", resource: "hot", keys: anyKey}
	calls := may{actions: "Query", resource: "hot", keys: anyKey}

	switch function {
	case "AdminAuthorizer":
		peppers := []string{"pepper#*", "catalogue"}
		return []may{
			{actions: "GetItem BatchGetItem", resource: "core", keys: append(peppers, ofKeys...)},
			{actions: counts, resource: "hot", keys: ofKeys},
			unwraps,
			byDynamoDB,
		}
	case "Organizations":
		return slices.Concat(manages, lists, []may{changes(changesItem), batches})
	case "Keys":
		return slices.Concat(manages, lists, []may{changes(changesItem, "catalogue"), batches, calls})
	case "Rotation":
		return append(manages, changes("PutItem UpdateItem", "catalogue"), batches, calls)
	case "Revocation":
		return slices.Concat(manages, lists, []may{
			changes(changesItem, "catalogue"),
			batches,
			{actions: counts, resource: "hot", keys: []string{"address#*"}},
		})
	case "Upkeep":
		return slices.Concat(manages, lists, []may{
			changes(changesItem),
			{actions: "BatchGetItem Query UpdateItem DeleteItem", resource: "hot", keys: anyKey},
			{actions: "Scan", resource: "core"},
		})
	case "Usage":
		return append(manages[1:],
			batches,
			calls,
			may{actions: "GetItem", resource: "hot", keys: anyKey},
			may{actions: "GetItem BatchGetItem", resource: "core", keys: anyKey},
			may{actions: "Query", resource: "core", keys: []string{"history#*"}},
			may{actions: "Query", resource: "core/index/byOrganizationAndRank", keys: anyKey},
			may{actions: "Query", resource: "core/index/byOwnerAndRank", keys: anyKey},
			may{actions: "PutItem", resource: "core", keys: []string{"organization#*", "history#*"}})
	case "AccessLog":
		return []may{
			{actions: "GetItem", resource: "core", keys: []string{"pepper#production", "catalogue"}},
			{actions: "Query PutItem UpdateItem", resource: "hot", keys: ofKeys},
			{actions: "kms:Decrypt", resource: "pepperKey", context: map[string]string{
				"service":     "bitting",
				"environment": "production",
			}},
			byDynamoDB,
		}
	}

	return nil // demo backends, and the console
}

// The partition keys that requests name: each kind of row, and what looks like one.
var leadingKeys = []string{
	"production#7Qm2Xb0aVd91KtZs", "staging#7Qm2Xb0aVd91KtZs", "development#7Qm2Xb0aVd91KtZs",
	"production#organization#acme", "staging#imports", "development#request#x",
	"PRODUCTION#x", " production#x", "productionx#y", "production", "x", "",
	"pepper#production", "pepper#staging", "pepper#development", "pepper#", "pepper#x",
	"catalogue", "catalogue ", "Catalogue", "catalogue#x",
	"organization#acme", "history#acme#key#x", "once#r", "jobs#acme", "keys#acme##shared",
	"ownKeys#acme#o", "customerKeys#acme#c", "expiring#production", "address#192.0.2.1",
}

// Sets of keys that one call names: all of them must be allowed.
var mixed = [][]string{
	{"production#a", "staging#a"},
	{"production#a", "pepper#production", "pepper#staging"},
	{"catalogue", "organization#acme"},
	{"organization#acme", "history#acme#key#x"},
	{"organization#acme", "production#a"},
	{"address#192.0.2.1", "production#a"},
	nil, // a call that names none, as Scan
}

const (
	arns      = "arn:aws:dynamodb:us-east-1:123456789012:table/"
	keyARNs   = "arn:aws:kms:us-east-1:123456789012:key/"
	throughDB = "dynamodb.us-east-1.amazonaws.com"
)

// requests returns all requests that functions are tried with.
func requests() []localiam.Request {
	var all []localiam.Request

	dynamodb := strings.Fields("GetItem BatchGetItem Query ConditionCheckItem Scan BatchWriteItem " +
		"PartiQLSelect PartiQLInsert PartiQLUpdate PartiQLDelete " + changesItem)
	for _, resource := range []string{
		"Core", "Hot", "Core/index/byOrganization", "Core/index/byOrganizationAndRank",
		"Core/index/byOwnerAndRank", "Core/index/byExpiry", "Hot/index/x", "Core2", "Other",
	} {
		for _, action := range dynamodb {
			for _, key := range leadingKeys {
				all = append(all, onKeys(action, resource, key))
			}

			for _, keys := range mixed {
				all = append(all, onKeys(action, resource, keys...))
			}
		}

		for _, action := range []string{
			"DescribeTable", "UpdateTable", "DeleteTable", "CreateTable", "CreateBackup", "DeleteBackup",
			"RestoreTableFromBackup", "RestoreTableToPointInTime", "UpdateContinuousBackups",
			"ExportTableToPointInTime", "ImportTable", "UpdateTimeToLive", "PutResourcePolicy",
			"DeleteResourcePolicy", "TagResource", "EnableKinesisStreamingDestination",
		} {
			all = append(all, onKeys(action, resource))
		}
	}

	for _, action := range []string{"GetRecords", "GetShardIterator", "DescribeStream"} {
		all = append(all, onKeys(action, "Core/stream/2026-01-01T00:00:00.000"))
	}

	contexts := []map[string]string{nil, {"service": "bitting"}, {"service": "other"}}
	for _, environment := range append(slices.Clone(environments), "*", "Production", "") {
		contexts = append(contexts,
			map[string]string{"service": "bitting", "environment": environment, "version": "1"},
			map[string]string{"service": "other", "environment": environment},
			map[string]string{"environment": environment})
	}

	for _, action := range []string{
		"Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom",
		"ReEncryptTo", "CreateGrant", "DescribeKey", "PutKeyPolicy", "ScheduleKeyDeletion",
		"DisableKey", "RetireGrant", "RevokeGrant", "Sign", "GenerateRandom",
	} {
		for _, context := range contexts {
			all = append(all, onKMS(action, "PepperKey", context, ""), onKMS(action, "Other", context, ""))
		}

		for _, via := range []string{
			"", throughDB, "s3.us-east-1.amazonaws.com", "dynamodb.eu-west-1.amazonaws.com",
		} {
			all = append(all, onKMS(action, "CoreKey", nil, via), onKMS(action, "PepperKey", nil, via))
		}
	}

	const (
		lambda = "arn:aws:lambda:us-east-1:123456789012:function:bitting-Keys"
		logs   = "arn:aws:logs:us-east-1:123456789012:log-group:"
	)
	for action, resource := range map[string]string{
		"sts:AssumeRole":                     "arn:aws:iam::123456789012:role/bitting-KeysRole",
		"iam:PassRole":                       "arn:aws:iam::123456789012:role/bitting-KeysRole",
		"lambda:InvokeFunction":              lambda,
		"lambda:UpdateFunctionCode":          lambda,
		"lambda:UpdateFunctionConfiguration": lambda,
		"cognito-idp:AdminCreateUser":        "arn:aws:cognito-idp:us-east-1:123456789012:userpool/x",
		"ssm:GetParameter":                   "arn:aws:ssm:us-east-1:123456789012:parameter/bitting/x",
		"secretsmanager:GetSecretValue":      "arn:aws:secretsmanager:us-east-1:123456789012:secret:x",
		"apigateway:GET":                     "arn:aws:apigateway:us-east-1::/apikeys",
		"sqs:ReceiveMessage":                 "arn:aws:sqs:us-east-1:123456789012:AccessLogFailures",
	} {
		all = append(all, localiam.Request{Action: action, Resource: resource})
	}

	for _, group := range []string{"AccessLogs", "AccessLogs:log-stream:x", "KeysLogs:log-stream:x"} {
		for _, action := range []string{"CreateLogStream", "PutLogEvents", "GetLogEvents", "DeleteLogGroup"} {
			all = append(all, localiam.Request{Action: "logs:" + action, Resource: logs + group})
		}
	}

	return all
}

func onKeys(action, resource string, keys ...string) localiam.Request {
	q := localiam.Request{Action: "dynamodb:" + action, Resource: arns + resource}
	if keys != nil {
		q.Context = map[string][]string{"dynamodb:LeadingKeys": keys}
	}

	return q
}

func onKMS(action, key string, context map[string]string, via string) localiam.Request {
	q := localiam.Request{
		Action:   "kms:" + action,
		Resource: keyARNs + key,
		Context:  map[string][]string{},
	}
	for name, value := range context {
		q.Context["kms:EncryptionContext:"+name] = []string{value}
	}

	if via != "" {
		q.Context["kms:ViaService"] = []string{via}
	}

	return q
}

// allows reports whether a request fits the line.
func (m may) allows(q localiam.Request) bool {
	action := strings.TrimPrefix(q.Action, "dynamodb:")

	if !slices.Contains(strings.Fields(m.actions), action) {
		return false
	}

	switch {
	case m.resource == "logs":
		return !strings.Contains(q.Resource, "log-group:AccessLogs")
	case m.resource == "coreKey":
		return q.Resource == keyARNs+"CoreKey" &&
			slices.Equal(q.Context["kms:ViaService"], []string{throughDB})
	case m.resource == "pepperKey":
		for name, value := range m.context {
			if !slices.Equal(q.Context["kms:EncryptionContext:"+name], []string{value}) {
				return false
			}
		}

		return q.Resource == keyARNs+"PepperKey"
	case m.resource == "core/index":
		if !strings.HasPrefix(q.Resource, arns+"Core/index/") {
			return false
		}
	case q.Resource != arns+strings.ToUpper(m.resource[:1])+m.resource[1:]:
		return false
	}

	keys := q.Context["dynamodb:LeadingKeys"]
	if slices.ContainsFunc(keys, func(key string) bool { return oneOf(key, m.but) }) {
		return false
	}

	if m.keys == nil || slices.Equal(m.keys, anyKey) {
		return true
	}

	return len(keys) > 0 &&
		!slices.ContainsFunc(keys, func(key string) bool { return !oneOf(key, m.keys) })
}

// oneOf reports whether a key is one of those named, or begins as one that ends in *.
func oneOf(key string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		prefix, open := strings.CutSuffix(name, "*")
		return key == name || open && strings.HasPrefix(key, prefix)
	})
}

// Every function may do what it is for and nothing else, over all that it could try.
func TestRolesAllowThisAndNoMore(t *testing.T) {
	t.Parallel()

	source, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}

	// but to the log of calls, which others count by
	logs := may{actions: "logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents", resource: "logs"}

	var all []asked
	for profile, parameters := range map[string]map[string]string{
		"strict": {"Profile": "strict", "DemoApi": "rest"},
		"cached": {"Profile": "cached", "KeyLimits": "off", "DemoApi": "http"},
	} {
		tmpl, err := template.Read(source, parameters)
		if err != nil {
			t.Fatal(err)
		}

		roles, err := localiam.New(tmpl)
		if err != nil {
			t.Fatal(err)
		}

		for function, f := range tmpl.Functions {
			allowed := append(mays(function), logs)
			it := asked{Policies: []any{localiam.Logs().Document}}

			for _, p := range f.Policies {
				it.Policies = append(it.Policies, p.Document)
			}

			for _, q := range requests() {
				if profile == "strict" && strings.Contains(q.Resource, "log-group:AccessLogs") {
					continue // there is none
				}

				want := slices.ContainsFunc(allowed, func(m may) bool { return m.allows(q) })
				if got := roles.Allowed(function, q); got != want {
					t.Errorf("%s, %s: %s on %s with %v: allowed is %v", profile, function, q.Action,
						q.Resource, q.Context, got)
				}

				it.Requests = append(it.Requests, answer{
					Action:   q.Action,
					Resource: q.Resource,
					Context:  q.Context,
					Allowed:  want,
				})
			}

			all = append(all, it)
		}
	}

	if *oracle != "" {
		write(t, *oracle, all)
	}
}

// write writes a line of JSON for each.
func write(t *testing.T, name string, all []asked) {
	t.Helper()

	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}

	encoder := json.NewEncoder(file)
	for _, one := range all {
		if err := encoder.Encode(one); err != nil {
			t.Fatal(err)
		}
	}

	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// asked is what one set of policies was asked, and what we answered.
type asked struct {
	Policies []any    `json:"policies"`
	Requests []answer `json:"requests"`
}

type answer struct {
	Action   string              `json:"action"`
	Resource string              `json:"resource"`
	Context  map[string][]string `json:"context"`
	Allowed  bool                `json:"allowed"`
}
