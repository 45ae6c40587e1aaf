package bitting_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// shared is a value that other stacks use, and when there is one.
type shared struct {
	Value     any
	Condition string
}

// What another stack needs, it finds by the name of this one: in the exports and in SSM alike.
func TestOtherStacksFindWhatTheyNeed(t *testing.T) {
	t.Parallel()
	resources, outputs := readAll(t)
	exports, parameters := map[string]shared{}, map[string]shared{}

	for _, o := range outputs {
		if o.Export.Name != "" {
			exports[strings.TrimPrefix(o.Export.Name, "${AWS::StackName}-")] = shared{
				o.Value, o.Condition,
			}
		}
	}

	for _, r := range resources {
		if name, _ := r.Properties["Name"].(string); r.Type == "AWS::SSM::Parameter" {
			parameters[strings.TrimPrefix(name, "/${AWS::StackName}/")] = shared{
				r.Properties["Value"], r.Condition,
			}
		}
	}

	destination := "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:" +
		"log-group:${AccessLogs}"

	want := map[string]shared{
		"authorizer/production":       {"ProductionAuthorizer.Arn", ""},
		"authorizer/production/name":  {"ProductionAuthorizer", ""},
		"authorizer/staging":          {"StagingAuthorizer.Arn", ""},
		"authorizer/staging/name":     {"StagingAuthorizer", ""},
		"authorizer/development":      {"DevelopmentAuthorizer.Arn", ""},
		"authorizer/development/name": {"DevelopmentAuthorizer", ""},
		"admit-key":                   {"AdmitKey", ""},
		"admit-plan":                  {"AdmitPlan", ""},
		"access-log/destination":      {destination, "Cached"},
		"access-log/rest":             {[]any{"AccessLog", "Rest", "Format"}, "Cached"},
		"access-log/http":             {[]any{"AccessLog", "Http", "Format"}, "Cached"},
	}
	if diff := cmp.Diff(want, parameters); diff != "" {
		t.Errorf("SSM (-want +got):\n%s", diff)
	}

	dashed := map[string]shared{}
	for name, value := range want {
		dashed[strings.ReplaceAll(name, "/", "-")] = value
	}

	if diff := cmp.Diff(dashed, exports); diff != "" {
		t.Errorf("exports (-want +got):\n%s", diff)
	}

	for kind, format := range logFormats(t) {
		if len(format) > 3<<10 { // the most of an HTTP API; SSM takes 4 KB
			t.Errorf("the format of %s has %d bytes", kind, len(format))
		}
	}
}

// A REST API of another stack answers 429 whatever the demo is: the key and its value are there, and
// every environment's authorizer sends it.
func TestCallsAreAdmittedWhateverTheDemoIs(t *testing.T) {
	t.Parallel()
	resources := read(t)

	key := resources["AdmitKey"]
	for _, id := range []string{"AdmitKey", "AdmitPlan", "AdmitPlanKey"} {
		if resources[id].Type == "" || resources[id].Condition != "" {
			t.Errorf("%s: %+v", id, resources[id])
		}
	}

	for _, environment := range environments {
		sent := at(resources[capital(environment)+"Authorizer"].Properties, "Environment",
			"Variables", "BITTING_ADMIT_KEY")
		if diff := cmp.Diff(key.Properties["Value"], sent); diff != "" || sent == nil {
			t.Errorf("%s sends %v, and the key is %v", environment, sent, key.Properties["Value"])
		}
	}

	_, outputs := readAll(t)
	if diff := cmp.Diff(key.Properties["Value"], outputs["AdmitKeyValue"].Value); diff != "" {
		t.Errorf("the output (-key +output):\n%s", diff)
	}

	// an account has no two keys of one value, and stacks that follow each other may have one name
	id := []any{2, []any{"/", "AWS::StackId"}}
	if diff := cmp.Diff(any([]any{"-", []any{"bitting-admitted-call", id}}),
		key.Properties["Value"]); diff != "" {
		t.Errorf("the value (-want +got):\n%s", diff)
	}
}

// Without a name an API has the stack's, and seven APIs in a list look the same.
func TestAPIsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()

	names := map[any]string{}
	for id, r := range read(t) {
		if r.Type != "AWS::Serverless::Api" && r.Type != "AWS::Serverless::HttpApi" {
			continue
		}

		name := r.Properties["Name"]
		if other, taken := names[name]; taken || name == nil {
			t.Errorf("%s is named %v, as %q is", id, name, other)
		}

		names[name] = id
	}

	if len(names) != 7 {
		t.Errorf("%d APIs", len(names))
	}
}

// A deployment has no API that its owner did not ask for.
func TestDemoAPIsAreMadeOnRequest(t *testing.T) {
	t.Parallel()

	if got := slices.Collect(maps.Keys(deployed(t, nil).APIs)); !slices.Equal(got, []string{"AdminApi"}) {
		t.Errorf("APIs: %v", got)
	}
}

// Nobody takes the account's whole concurrency, and with it every check, by calling one API.
func TestEveryStageIsThrottled(t *testing.T) {
	t.Parallel()

	for id, r := range read(t) {
		of := "Demo"
		if id == "AdminApi" {
			of = "Admin"
		}

		throttle := map[string]any{
			"ThrottlingRateLimit": of + "Rate", "ThrottlingBurstLimit": of + "Burst",
		}

		switch r.Type {
		case "AWS::Serverless::HttpApi":
			if diff := cmp.Diff(any(throttle), r.Properties["DefaultRouteSettings"]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", id, diff)
			}
		case "AWS::Serverless::Api":
			throttle["ResourcePath"], throttle["HttpMethod"] = "/*", "*"
			if diff := cmp.Diff(any([]any{throttle}), r.Properties["MethodSettings"]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", id, diff)
			}
		}
	}
}

// Whatever the admin API calls can be kept from the concurrency that the authorizers need.
func TestAdminFunctionsCanBeCapped(t *testing.T) {
	t.Parallel()

	resources := read(t)
	called := []string{"AdminAuthorizer"}

	for id, r := range resources {
		for _, event := range asEvents(r) {
			if at(event, "Properties", "RestApiId") == "AdminApi" && !slices.Contains(called, id) {
				called = append(called, id)
			}
		}
	}

	want := any([]any{"CapAdmin", "AdminConcurrency", "AWS::NoValue"})
	for _, id := range called {
		if diff := cmp.Diff(want, resources[id].Properties["ReservedConcurrentExecutions"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}

	if len(called) != 7 {
		t.Errorf("%d functions, and the parameter's description says seven: %v", len(called), called)
	}
}

// asEvents returns what calls a function, by name.
func asEvents(r resource) map[string]any {
	events, _ := r.Properties["Events"].(map[string]any)
	return events
}

// What a deleted stack kept, or a backup was restored to, can be used by a new one, which then makes
// none of it: every choice between the two names the same thing both times.
func TestWhatIsKeptCanBeTakenOver(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}

	arn := `!Sub "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${ExistingTable}`
	want := map[string]string{
		`!GetAtt Core.Arn`:                               arn + `"`,
		`!Sub "${Core.Arn}/index/*"`:                     arn + `/index/*"`,
		`!Sub "${Core.Arn}/index/byOrganizationAndRank"`: arn + `/index/byOrganizationAndRank"`,
		`!Sub "${Core.Arn}/index/byOwnerAndRank"`:        arn + `/index/byOwnerAndRank"`,
		`!Ref Core`:             `!Ref ExistingTable`,
		`!GetAtt CoreKey.Arn`:   `!Ref TableKeyArn`,
		`!GetAtt PepperKey.Arn`: `!Ref PepperKeyArn`,
	}

	got := map[string]string{}
	for _, choice := range regexp.MustCompile(
		`!If \[New(?:Table|TableKey|PepperKey), (.+?), (![^]]+)\]`,
	).FindAllStringSubmatch(string(text), -1) {
		got[choice[1]] = choice[2]
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("choices (-want +got):\n%s", diff)
	}

	for id, want := range map[string]string{
		"Core": "NewTable", "CoreKey": "NewTableKey", "PepperKey": "NewPepperKey", "People": "NewPool",
	} {
		if got := read(t)[id].Condition; got != want {
			t.Errorf("%s has the condition %q", id, got)
		}
	}

	taken, err := template.Read(text, map[string]string{
		"ExistingTable": "kept",
		"TableKeyArn":   "arn:aws:kms:eu-west-1:123456789012:key/table",
		"PepperKeyArn":  "arn:aws:kms:eu-west-1:123456789012:key/pepper",
	})
	if err != nil {
		t.Fatal(err)
	}

	if tables := slices.Collect(maps.Keys(taken.Tables)); !slices.Equal(tables, []string{"Hot"}) {
		t.Errorf("it makes the tables %v", tables)
	}

	ours, err := template.Read(text, nil)
	if err != nil {
		t.Fatal(err)
	}

	names := strings.NewReplacer("table/kept", "table/Core", "eu-west-1:123456789012:key/table",
		"us-east-1:123456789012:key/CoreKey", "eu-west-1:123456789012:key/pepper",
		"us-east-1:123456789012:key/PepperKey")

	for id, f := range taken.Functions {
		got, want := fmt.Sprint(f.Policies), fmt.Sprint(ours.Functions[id].Policies)
		if diff := cmp.Diff(want, names.Replace(got)); diff != "" {
			t.Errorf("the role of %s (-new +existing):\n%s", id, diff)
		}

		if f.Environment["BITTING_CORE_TABLE"] != "kept" ||
			f.Environment["BITTING_KMS_KEY"] != "arn:aws:kms:eu-west-1:123456789012:key/pepper" {
			t.Errorf("%s has %v", id, f.Environment)
		}
	}
}

// A table without the keys that it needs would be a deployment that can check no key.
func TestAnExistingTableNeedsItsKeys(t *testing.T) {
	t.Parallel()

	source, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}

	key := "arn:aws:kms:eu-west-1:123456789012:key/a"
	for _, test := range []struct {
		parameters map[string]string
		want       string
	}{
		{map[string]string{"ExistingTable": "kept", "TableKeyArn": key, "PepperKeyArn": key}, ""},
		{map[string]string{"TableKeyArn": key}, ""},
		{map[string]string{"PepperKeyArn": key}, ""},
		{map[string]string{"ExistingTable": "kept", "PepperKeyArn": key}, "needs TableKeyArn"},
		{map[string]string{"ExistingTable": "kept", "TableKeyArn": key}, "needs PepperKeyArn"},
		{
			map[string]string{"SignIn": "none", "ExistingUserPoolId": "eu-west-1_aB1"},
			"is for SignIn=cognito only",
		},
		{map[string]string{"ExistingUserPoolId": "eu-west-1_aB1"}, ""},
	} {
		_, err := template.Read(source, test.parameters)
		if got := fmt.Sprint(err); (err == nil) != (test.want == "") ||
			!strings.Contains(got, test.want) {
			t.Errorf("%v: %v", test.parameters, err)
		}
	}
}

// Cognito takes lower-case letters only, and a stack's name may have others.
func TestTheSignInDomainIsValidWhateverTheStacksName(t *testing.T) {
	t.Parallel()

	id := []any{2, []any{"/", "AWS::StackId"}}
	if diff := cmp.Diff(any([]any{"-", []any{"bitting", id}}),
		read(t)["PeopleDomain"].Properties["Domain"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A web ACL stands before the admin API where one is given, and nothing else depends on it.
func TestAWebACLStandsBeforeTheAdminAPI(t *testing.T) {
	t.Parallel()

	got := read(t)["AdminFilter"]
	want := map[string]any{
		"ResourceArn": "arn:${AWS::Partition}:apigateway:${AWS::Region}::/restapis/${AdminApi}/stages/admin",
		"WebACLArn":   "AdminWebAclArn",
	}

	if diff := cmp.Diff(want, got.Properties); diff != "" || got.Condition != "Filtered" ||
		got.Type != "AWS::WAFv2::WebACLAssociation" {
		t.Errorf("%s with the condition %q (-want +got):\n%s", got.Type, got.Condition, diff)
	}
}

// What Lambda itself logs of each call costs more than a check, so it is off until somebody looks.
func TestLambdasOwnLogLinesAreAParameter(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}

	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}

	untag(&document)

	var written struct {
		Parameters map[string]map[string]any `yaml:"Parameters"`
		Globals    struct {
			Function struct {
				LoggingConfig map[string]string `yaml:"LoggingConfig"`
			} `yaml:"Function"`
		} `yaml:"Globals"`
	}

	if err := document.Decode(&written); err != nil {
		t.Fatal(err)
	}

	level := written.Globals.Function.LoggingConfig["SystemLogLevel"]
	if standard := written.Parameters[level]["Default"]; level != "SystemLogLevel" ||
		standard != "WARN" {
		t.Errorf("the level is %q, by default %v", level, standard)
	}
}
