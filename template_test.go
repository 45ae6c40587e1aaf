// Package bitting_test holds template.yaml to what the project promises of a deployment: who may
// read what, how long logs are kept, which routes there are, and which of them need no key.
package bitting_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// resource is a resource as written: intrinsic functions appear as their bare arguments, so that
// !Ref X reads X.
type resource struct {
	Type       string         `yaml:"Type"`
	Condition  string         `yaml:"Condition"`
	Properties map[string]any `yaml:"Properties"`

	DeletionPolicy      string `yaml:"DeletionPolicy"`
	UpdateReplacePolicy string `yaml:"UpdateReplacePolicy"`
}

const function = "AWS::Serverless::Function"

// environments are spelled as keys and stages are; functions and APIs capitalise them.
var environments = []string{"production", "staging", "development"}

// output is an output as written, as a resource is.
type output struct {
	Condition string `yaml:"Condition"`
	Value     any    `yaml:"Value"`
	Export    struct {
		Name string `yaml:"Name"`
	} `yaml:"Export"`
}

// read returns the resources of template.yaml by logical id.
func read(t *testing.T) map[string]resource {
	t.Helper()
	resources, _ := readAll(t)
	return resources
}

// readAll returns the resources and the outputs of template.yaml.
func readAll(t *testing.T) (map[string]resource, map[string]output) {
	t.Helper()

	text, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}

	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}

	untag(&document)

	var read struct {
		Resources map[string]resource `yaml:"Resources"`
		Outputs   map[string]output   `yaml:"Outputs"`
	}
	if err := document.Decode(&read); err != nil {
		t.Fatal(err)
	}

	return read.Resources, read.Outputs
}

// untag takes away the tags of intrinsic functions, which yaml cannot decode.
func untag(n *yaml.Node) {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		n.Tag = map[yaml.Kind]string{
			yaml.ScalarNode:   "!!str",
			yaml.SequenceNode: "!!seq",
			yaml.MappingNode:  "!!map",
		}[n.Kind]
	}

	for _, child := range n.Content {
		untag(child)
	}
}

// at walks into nested maps; a member that is absent is nil.
func at(value any, path ...string) any {
	for _, name := range path {
		members, _ := value.(map[string]any)
		value = members[name]
	}

	return value
}

// list returns a value as a list: policies allow one where several may stand.
func list(value any) []any {
	switch v := value.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// statements returns what a function's role allows: by its own statements and by those of the
// managed policies that it names.
func statements(resources map[string]resource, id string) []any {
	return ofRole(resources, id, "Allow")
}

func ofRole(resources map[string]resource, id, effect string) []any {
	var found []any
	for _, policy := range list(resources[id].Properties["Policies"]) {
		if name, ok := policy.(string); ok {
			policy = resources[name].Properties["PolicyDocument"]
		}

		for _, statement := range list(at(policy, "Statement")) {
			if choice, ok := statement.([]any); ok { // in some profiles only
				statement = map[string]any{"If": choice[0], "Effect": at(choice[1], "Effect")}
				maps.Copy(statement.(map[string]any), choice[1].(map[string]any))
			}

			if at(statement, "Effect") == effect {
				found = append(found, statement)
			}
		}
	}

	return found
}

// actions returns what the function may do with a resource, "Core.Arn" for example.
func actions(resources map[string]resource, id, target string) []string {
	var found []string
	for _, statement := range statements(resources, id) {
		if !slices.Contains(list(at(statement, "Resource")), any(target)) {
			continue
		}

		for _, action := range list(at(statement, "Action")) {
			found = append(found, action.(string))
		}
	}

	slices.Sort(found)
	return found
}

func TestEnvironmentAuthorizersReadTheirEnvironmentOnly(t *testing.T) {
	t.Parallel()

	resources := read(t)
	for _, environment := range environments {
		id := capital(environment) + "Authorizer"
		if got := at(resources[id].Properties, "Environment", "Variables",
			"BITTING_ENVIRONMENT"); got != environment {
			t.Errorf("%s checks keys of %v", id, got)
		}

		type rights struct{ Core, Pepper, Index []string }
		want := rights{Core: []string{"dynamodb:GetItem"}, Pepper: []string{"kms:Decrypt"}}

		got := rights{
			actions(resources, id, "Core.Arn"), actions(resources, id, "PepperKey.Arn"),
			actions(resources, id, "${Core.Arn}/index/*"),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s may do (-want +got):\n%s", id, diff)
		}

		for _, statement := range statements(resources, id) {
			switch target := at(statement, "Resource"); target {
			case "Core.Arn":
				conditions(t, id, statement, map[string]any{
					"ForAllValues:StringLike": map[string]any{
						"dynamodb:LeadingKeys": []any{
							environment + "#*", "pepper#" + environment, "catalogue",
						},
					},
					"Null": map[string]any{"dynamodb:LeadingKeys": "false"},
				})
			case "PepperKey.Arn":
				conditions(t, id, statement, map[string]any{
					"StringEquals": map[string]any{
						"kms:EncryptionContext:service":     "bitting",
						"kms:EncryptionContext:environment": environment,
					},
				})
			case "CoreKey.Arn":
				conditions(t, id, statement, throughDynamoDB)
			case "Hot.Arn":
				conditions(t, id, statement, map[string]any{
					"ForAllValues:StringLike": map[string]any{
						"dynamodb:LeadingKeys": []any{environment + "#*"},
					},
					"Null": map[string]any{"dynamodb:LeadingKeys": "false"},
				})
			default:
				t.Errorf("%s may use %v", id, target)
			}
		}
	}
}

func TestAdminAuthorizerReadsWhatACheckNeeds(t *testing.T) {
	t.Parallel()

	resources := read(t)
	for _, statement := range statements(resources, "AdminAuthorizer") {
		if at(statement, "Resource") != "Core.Arn" {
			continue
		}

		conditions(t, "AdminAuthorizer", statement, map[string]any{
			"ForAllValues:StringLike": map[string]any{
				"dynamodb:LeadingKeys": []any{
					"production#*", "staging#*", "development#*", "pepper#*", "catalogue",
				},
			},
			"Null": map[string]any{"dynamodb:LeadingKeys": "false"},
		})
	}
}

// Who reports a leak has no key: what is counted of them stands apart from what is counted of keys.
func TestRevocationWritesNothingOfKeysUse(t *testing.T) {
	t.Parallel()

	resources := read(t)
	for _, statement := range statements(resources, "Revocation") {
		if at(statement, "Resource") == "Hot.Arn" &&
			slices.Contains(list(at(statement, "Action")), any("dynamodb:PutItem")) {
			conditions(t, "Revocation", statement, map[string]any{
				"ForAllValues:StringLike": map[string]any{
					"dynamodb:LeadingKeys": []any{"address#*"},
				},
				"Null": map[string]any{"dynamodb:LeadingKeys": "false"},
			})
		}
	}
}

// throughDynamoDB keeps the table's key from being used on its own.
var throughDynamoDB = map[string]any{
	"StringEquals": map[string]any{"kms:ViaService": "dynamodb.${AWS::Region}.${AWS::URLSuffix}"},
}

// conditions compares a statement's conditions.
func conditions(t *testing.T, id string, statement any, want map[string]any) {
	t.Helper()

	if diff := cmp.Diff(any(want), at(statement, "Condition")); diff != "" {
		t.Errorf("%s, %v (-want +got):\n%s", id, at(statement, "Resource"), diff)
	}
}

func TestFunctionsDoOnlyTheirJob(t *testing.T) {
	t.Parallel()
	resources := read(t)
	change := []string{
		"dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem",
		"dynamodb:GetItem",
		"dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
	}
	check := []string{"dynamodb:GetItem"}
	want := map[string][]string{
		"ProductionAuthorizer":  check,
		"StagingAuthorizer":     check,
		"DevelopmentAuthorizer": check,
		"AdminAuthorizer":       check,
		"Keys":                  change,
		"Rotation":              change,
		"Revocation":            change,
		"Organizations":         change,
		// it seals rows anew
		"Upkeep": slices.Sorted(slices.Values(append(slices.Clone(change), "dynamodb:Scan"))),
		"Usage": {
			"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query",
		},
		"AccessLog": {"dynamodb:GetItem"},
	}

	got := map[string][]string{}
	for id, r := range resources {
		if r.Type != function {
			continue
		}

		if core := actions(resources, id, "Core.Arn"); core != nil {
			got[id] = core
		}

		for _, statement := range statements(resources, id) {
			modest(t, id, statement)
		}

		if strings.HasPrefix(id, "Demo") && len(statements(resources, id)) > 0 {
			t.Errorf("%s needs no rights and has some", id)
		}
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rights on the core table (-want +got):\n%s", diff)
	}
}

func TestFunctionsCountOnlyWhatTheyMust(t *testing.T) {
	t.Parallel()
	resources := read(t)
	count := []string{"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}
	show := []string{"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"}
	want := map[string][]string{
		"ProductionAuthorizer":  count,
		"StagingAuthorizer":     count,
		"DevelopmentAuthorizer": count,
		"AdminAuthorizer":       count,
		"Keys":                  show,
		"Rotation":              show,
		"Organizations":         show,
		"Usage":                 show,
		// writes by address only
		"Revocation": {
			"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query",
			"dynamodb:UpdateItem",
		},
		"Upkeep": {
			"dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:Query", "dynamodb:UpdateItem",
		},
		"AccessLog": {"dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"},
	}

	got := map[string][]string{}
	for id, r := range resources {
		if hot := actions(resources, id, "Hot.Arn"); r.Type == function && hot != nil {
			got[id] = hot
		}
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rights on the hot table (-want +got):\n%s", diff)
	}
}

// Advice reads history, and the two indexes that list active keys; nothing else of the core table
// can be queried by the function of usage.
func TestUsageQueriesWhatAdviceNeeds(t *testing.T) {
	t.Parallel()

	got := map[string]any{}
	for _, statement := range statements(read(t), "Usage") {
		for _, target := range list(at(statement, "Resource")) {
			if slices.Contains(list(at(statement, "Action")), any("dynamodb:Query")) &&
				target != "Hot.Arn" {
				got[target.(string)] = at(statement, "Condition")
			}
		}
	}

	want := map[string]any{
		"Core.Arn": map[string]any{
			"ForAllValues:StringLike": map[string]any{"dynamodb:LeadingKeys": []any{"history#*"}},
			"Null":                    map[string]any{"dynamodb:LeadingKeys": "false"},
		},
		"${Core.Arn}/index/byOrganizationAndRank": nil,
		"${Core.Arn}/index/byOwnerAndRank":        nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// modest fails for a statement that allows whole services, every resource, the use of a KMS key
// without conditions, or to scan: only upkeep may, and the table core alone.
func modest(t *testing.T, id string, statement any) {
	t.Helper()

	for _, action := range list(at(statement, "Action")) {
		name := action.(string)
		if strings.HasSuffix(name, ":*") || name == "*" ||
			name == "dynamodb:Scan" && id != "Upkeep" {
			t.Errorf("%s may %s", id, name)
		}

		if name == "dynamodb:Scan" && !slices.Equal(list(at(statement, "Resource")),
			[]any{"Core.Arn"}) {
			t.Errorf("%s may scan %v", id, list(at(statement, "Resource")))
		}

		if strings.HasPrefix(name, "kms:") && at(statement, "Condition") == nil {
			t.Errorf("%s may %s for whatever purpose", id, name)
		}
	}

	if slices.Contains(list(at(statement, "Resource")), any("*")) {
		t.Errorf("%s has rights on every resource", id)
	}
}

// What is denied to every function, or to all but those whose work it is, holds whatever a later
// policy allows. Batches and transactions are the same actions for each item.
func TestFunctionsAreDeniedWhatIsNotTheirs(t *testing.T) {
	t.Parallel()

	write := []any{"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
	leading := func(keys string) map[string]any {
		return map[string]any{
			"Effect":   "Deny",
			"Action":   write,
			"Resource": "Core.Arn",
			"Condition": map[string]any{
				"ForAnyValue:StringLike": map[string]any{"dynamodb:LeadingKeys": []any{keys}},
			},
		}
	}

	group := "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${AccessLogs}"
	calls := map[string]any{
		"If":       "Cached",
		"Effect":   "Deny",
		"Action":   []any{"logs:CreateLogStream", "logs:PutLogEvents"},
		"Resource": []any{group, group + ":*"},
	}

	resources := read(t)
	for id, r := range resources {
		if r.Type != function {
			continue
		}

		want := []any{leading("pepper#*"), calls}
		if id != "Organizations" && id != "Upkeep" {
			want = append(want, leading("catalogue"))
		}

		if diff := cmp.Diff(want, ofRole(resources, id, "Deny")); diff != "" {
			t.Errorf("%s is denied (-want +got):\n%s", id, diff)
		}
	}
}

// People make peppers: a function only unwraps them.
func TestFunctionsMakeNoPeppers(t *testing.T) {
	t.Parallel()

	resources := read(t)
	for id, r := range resources {
		pepper := actions(resources, id, "PepperKey.Arn")
		if r.Type == function && slices.ContainsFunc(pepper, func(action string) bool {
			return action != "kms:Decrypt"
		}) {
			t.Errorf("%s may %v", id, pepper)
		}
	}
}

func TestKMSKeysServeOnePurpose(t *testing.T) {
	t.Parallel()
	resources := read(t)
	want := map[string]map[string]any{
		"PepperKey": {"StringEquals": map[string]any{"kms:EncryptionContext:service": "bitting"}},
		"CoreKey":   throughDynamoDB,
	}
	use := []string{
		"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKey*",
		"kms:ReEncrypt*", "kms:CreateGrant", "kms:DescribeKey",
	}

	administer := []string{
		"kms:CancelKeyDeletion", "kms:CreateAlias", "kms:Delete*", "kms:Describe*", "kms:Disable*",
		"kms:Enable*",
		"kms:Get*", "kms:List*", "kms:Put*",
		"kms:Revoke*", "kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion", "kms:TagResource",
		"kms:UntagResource", "kms:Update*",
	}
	for id, condition := range want {
		for _, statement := range list(at(resources[id].Properties, "KeyPolicy", "Statement")) {
			for _, action := range list(at(statement, "Action")) {
				switch name := action.(string); {
				case slices.Contains(use, name):
					conditions(t, id+" allows "+name, statement, condition)
				case !slices.Contains(administer, name):
					t.Errorf("%s allows %s", id, name)
				}
			}
		}

		var allowed []any
		for _, statement := range list(at(resources[id].Properties, "KeyPolicy", "Statement")) {
			allowed = append(allowed, list(at(statement, "Action"))...)
		}

		for _, action := range administer { // nobody else can add one later
			if !slices.Contains(allowed, any(action)) {
				t.Errorf("%s does not allow %s", id, action)
			}
		}

		if resources[id].Properties["EnableKeyRotation"] != true {
			t.Errorf("%s is not rotated", id)
		}
	}
}

// A stack that is deleted, or whose change replaces them, leaves these behind; one whose first
// deployment fails does not. Deletion protection would keep CloudFormation from taking them back.
func TestWhatCannotBeMadeAgainIsKept(t *testing.T) {
	t.Parallel()

	resources := read(t)
	for id, protection := range map[string]string{
		"PepperKey": "",
		"CoreKey":   "",
		"Core":      "DeletionProtectionEnabled",
		"People":    "DeletionProtection",
	} {
		r := resources[id]
		if r.DeletionPolicy != "RetainExceptOnCreate" || r.UpdateReplacePolicy != "Retain" {
			t.Errorf("%s: DeletionPolicy %s, UpdateReplacePolicy %s", id, r.DeletionPolicy,
				r.UpdateReplacePolicy)
		}

		if protection == "" {
			continue
		}

		choice := list(r.Properties[protection])
		if len(choice) != 3 || choice[0] != "Protect" {
			t.Errorf("%s.%s is %v", id, protection, choice)
		}
	}
}

// The first deployment is made without protection, and what it made is protected after it, unless
// the caller says which it shall be.
func TestDeployProtectsWhatItMade(t *testing.T) {
	t.Parallel()

	for parameters, want := range map[string][]string{
		"": {
			"Architecture=arm64", "Architecture=arm64 DeletionProtection=on",
		},
		"Brand=ab": {
			"Architecture=arm64 Brand=ab", "Architecture=arm64 Brand=ab DeletionProtection=on",
		},
		"DeletionProtection=off": {"Architecture=arm64 DeletionProtection=off"},
	} {
		out, err := exec.CommandContext(t.Context(), "make", "-n", "deploy",
			"PARAMETERS="+parameters).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}

		var got []string
		for line := range strings.Lines(string(out)) {
			if _, deployed, ok := strings.Cut(line, "sam deploy --parameter-overrides "); ok {
				got = append(got, strings.Join(strings.Fields(deployed), " "))
			}
		}

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", parameters, diff)
		}
	}
}

// A stack for each stage of one's own work, and one for pipelines, where nobody answers questions.
func TestDeploymentsBySAMsConfiguration(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile("samconfig.toml")
	if err != nil {
		t.Fatal(err)
	}

	asked := map[string]string{}
	section := ""

	for line := range strings.Lines(string(text)) {
		name, value, set := strings.Cut(strings.TrimSpace(line), " = ")
		if config, ok := strings.CutSuffix(name, ".deploy.parameters]"); ok {
			section = strings.TrimPrefix(config, "[")
		}

		if set && name == "confirm_changeset" {
			asked[section] = value
		}
	}

	want := map[string]string{
		"default": "true", "development": "true", "staging": "true", "production": "true",
		"ci": "false",
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("who is asked before a deployment (-want +got):\n%s", diff)
	}
}

// Sign-in with an issuer of one's own needs both of its parameters: a deployment that lacks one
// would refuse everybody.
func TestSignInByOIDCNeedsIssuerAndAudience(t *testing.T) {
	t.Parallel()

	source, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}

	for _, test := range []struct{ issuer, audience, want string }{
		{"https://issuer.example", "client", ""},
		{"", "client", "needs OidcIssuer"},
		{"https://issuer.example", "", "needs OidcAudience"},
	} {
		_, err := template.Read(source, map[string]string{
			"SignIn":       "oidc",
			"OidcIssuer":   test.issuer,
			"OidcAudience": test.audience,
		})
		if got := fmt.Sprint(err); (err == nil) != (test.want == "") ||
			!strings.Contains(got, test.want) {
			t.Errorf("issuer %q, audience %q: %v", test.issuer, test.audience, err)
		}
	}
}

// The first deployment has a page at which people sign in: the console's address, which is known
// only afterwards, adds a place to come back to and takes none away.
func TestPeopleSignInFromTheFirstDeployment(t *testing.T) {
	t.Parallel()
	resources, outputs := readAll(t)

	for _, id := range []string{"People", "PeopleClient", "PeopleDomain", "PeopleLogin"} {
		if got := resources[id].Condition; got != "SignInByCognito" {
			t.Errorf("%s has the condition %q", id, got)
		}
	}

	username := resources["People"].Properties["UsernameConfiguration"]
	if got := at(username, "CaseSensitive"); got != false {
		t.Errorf("addresses in capitals are other people's: CaseSensitive is %v", got)
	}

	terminal := "http://127.0.0.1:8484/callback" // that of `bitting login`
	want := map[string]any{
		"AllowedOAuthFlowsUserPoolClient": true,
		"AllowedOAuthFlows":               []any{"code"},
		"AllowedOAuthScopes":              []any{"openid", "email", "profile"},
		"SupportedIdentityProviders":      []any{"COGNITO"},
		"GenerateSecret":                  false,
		"CallbackURLs": []any{
			"SignInByCognitoOnPage", []any{"${ConsoleUrl}/callback", terminal}, []any{terminal},
		},
	}

	got := map[string]any{}
	for name := range want {
		got[name] = resources["PeopleClient"].Properties[name]
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the client (-want +got):\n%s", diff)
	}

	if pool := outputs["UserPoolId"]; pool.Value != "People" || pool.Condition != "SignInByCognito" {
		t.Errorf("the output: %+v", pool)
	}
}

func TestEveryFunctionsLogsExpire(t *testing.T) {
	t.Parallel()

	resources := read(t)
	for id, r := range resources {
		if r.Type != function {
			continue
		}

		group, _ := at(r.Properties, "LoggingConfig", "LogGroup").(string)

		logs, ok := resources[group]
		if !ok || logs.Properties["RetentionInDays"] != "RetentionDays" ||
			logs.Condition != r.Condition {
			t.Errorf("%s logs to %q: %+v", id, group, logs)
		}
	}
}

// A function's last lines may come after its stack is gone, and make its log group again. A name of
// our own would then be taken when the stack is deployed anew.
func TestLogGroupsHaveNoNamesOfTheirOwn(t *testing.T) {
	t.Parallel()

	for id, r := range read(t) {
		if name := r.Properties["LogGroupName"]; r.Type == "AWS::Logs::LogGroup" && name != nil {
			t.Errorf("%s is named %v", id, name)
		}
	}
}

// capital is for ASCII words.
func capital(word string) string { return strings.ToUpper(word[:1]) + word[1:] }
