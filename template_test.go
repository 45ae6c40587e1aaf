// Package bitting_test holds template.yaml to what the project promises of a deployment: who may
// read what, how long logs are kept, which routes there are, and which of them need no key.
package bitting_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/bitting-keys/bitting"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// resource is a resource as written: intrinsic functions appear as their bare arguments, so that
// !Ref X reads X.
type resource struct {
	Type       string         `yaml:"Type"`
	Condition  string         `yaml:"Condition"`
	Metadata   map[string]any `yaml:"Metadata"`
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

// deployed returns template.yaml as it is with parameters, nil for the defaults.
func deployed(t *testing.T, parameters map[string]string) *template.Template {
	t.Helper()

	tmpl, err := template.Read(bitting.Template, parameters)
	if err != nil {
		t.Fatal(err)
	}

	return tmpl
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

// made are the conditions under which the stack makes what cannot be made again, and the branch of
// their choices that is about what it made; and the authorizers without an alias.
var made = map[string]int{
	"NewTable": 1, "NewTableKey": 1, "NewPepperKey": 1, "GivenPool": 2, "Aliased": 2,
}

// untag takes away the tags of intrinsic functions, which yaml cannot decode. Where the stack may
// use something that exists, it leaves what is said of a new one.
func untag(n *yaml.Node) {
	if n.Tag == "!If" && made[n.Content[0].Value] > 0 {
		*n = *n.Content[made[n.Content[0].Value]]
	}

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

// list returns a value as a list: templates allow one where several may stand.
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
			"Architecture=arm64 Release=r1",
			"Architecture=arm64 Release=r1 DeletionProtection=on",
		},
		"Brand=ab": {
			"Architecture=arm64 Release=r1 Brand=ab",
			"Architecture=arm64 Release=r1 Brand=ab DeletionProtection=on",
		},
		"DeletionProtection=off": {"Architecture=arm64 Release=r1 DeletionProtection=off"},
	} {
		out, err := exec.CommandContext(t.Context(), "make", "-n", "deploy",
			"RELEASE=r1", "PARAMETERS="+parameters).CombinedOutput()
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

// What is deployed was built for the architecture that it runs on, and a list of parameters does not
// replace the one that says so.
func TestDeployRefusesWhatWouldLoseTheArchitecture(t *testing.T) {
	t.Parallel()

	for _, argument := range []string{
		"PARAMETERS=Brand=ab Architecture=x86_64",
		"ARGS=--parameter-overrides Brand=ab",
	} {
		out, err := exec.CommandContext(t.Context(), "make", "-n", "deploy", argument).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "*** give") {
			t.Errorf("%s: %v\n%s", argument, err, out)
		}
	}
}

// A plain `sam build` and `make build` run the same command.
func TestFunctionsAreBuiltByOneCommand(t *testing.T) {
	t.Parallel()

	for id, r := range read(t) {
		if r.Type == function && r.Metadata["BuildMethod"] != "makefile" {
			t.Errorf("%s is built by %v", id, r.Metadata["BuildMethod"])
		}
	}

	text, err := os.ReadFile("samconfig.toml")
	if err != nil || !strings.Contains(string(text), "\nmanifest = \"tools/function.mk\"\n") {
		t.Errorf("sam does not build with tools/function.mk: %v", err)
	}

	for architecture, want := range map[string]string{"": "arm64", "x86_64": "amd64"} {
		c := exec.CommandContext(t.Context(), "make", "-n", "-f", "tools/function.mk", "build-Keys")
		c.Env = append(os.Environ(), "ARTIFACTS_DIR=out")

		if architecture != "" {
			c.Env = append(c.Env, "ARCHITECTURE="+architecture)
		}

		out, err := c.CombinedOutput()
		if got := string(out); err != nil ||
			!strings.HasPrefix(got, "CGO_ENABLED=0 GOOS=linux GOARCH="+want+" ") ||
			!strings.Contains(got, " -tags="+bitting.BuildTags+" ") ||
			!strings.Contains(got, " -o out/bootstrap .") {
			t.Errorf("%q: %v\n%s", architecture, err, out)
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

	for _, id := range []string{"PeopleClient", "PeopleDomain", "PeopleLogin"} {
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
		if !ok || logs.Condition != r.Condition {
			t.Errorf("%s logs to %q: %+v", id, group, logs)
		}
	}

	key := any([]any{"LogsHaveAKey", "LogKeyArn", "AWS::NoValue"})

	for id, r := range resources {
		if r.Type == "AWS::Logs::LogGroup" && (r.Properties["RetentionInDays"] != "RetentionDays" ||
			cmp.Diff(key, r.Properties["KmsKeyId"]) != "") {
			t.Errorf("%s: %v", id, r.Properties)
		}
	}
}

// What people set for all functions, all of them have. Work that nobody waits for has a minute.
func TestFunctionsHaveTheParametersOfAll(t *testing.T) {
	t.Parallel()

	tmpl := deployed(t, map[string]string{
		"Memory":            "512",
		"AuthorizerTimeout": "7",
		"AdminTimeout":      "20",
		"DemoApi":           "http",
		"Profile":           "cached",
		"KeyLimits":         "off",
	})

	want := map[string]time.Duration{"Upkeep": time.Minute, "AccessLog": time.Minute}
	for _, id := range []string{"Organizations", "Keys", "Rotation", "Revocation", "Usage"} {
		want[id] = 20 * time.Second
	}

	for id, f := range tmpl.Functions {
		timeout, own := want[id]
		if !own {
			timeout = 7 * time.Second
		}

		if f.MemoryMB != 512 || f.Timeout != timeout {
			t.Errorf("%s has %d MB and %v", id, f.MemoryMB, f.Timeout)
		}
	}

	if got := string(bitting.Template); !strings.Contains(got, "\n    Tracing: !Ref Tracing\n") ||
		!strings.Contains(got, "\n    TracingEnabled: !If [Traced, true, false]\n") {
		t.Error("functions and REST APIs are not traced as the parameter says")
	}
}

// Go's runtime reads these when a process starts, and not later: decision 94.
func TestFunctionsRunOneCallAtATime(t *testing.T) {
	t.Parallel()

	for id, f := range deployed(t, nil).Functions {
		for name, want := range map[string]string{
			"GOMAXPROCS": "1",
			"GODEBUG":    "schedtrace=2147483647",
		} {
			if got := f.Environment[name]; got != want {
				t.Errorf("%s has %s=%q, want %q", id, name, got, want)
			}
		}
	}
}

// sam local gives a function no other variables than the template names. In AWS these are not there:
// empty ones would hide what Lambda or a stand-in sets.
func TestFunctionsCanBePointedAtStandIns(t *testing.T) {
	t.Parallel()

	tmpl := deployed(t, nil)

	globals, _, _ := strings.Cut(string(bitting.Template), "\nResources:\n")
	for _, name := range []string{
		"AWS_ENDPOINT_URL_DYNAMODB", "BITTING_LOCAL_KEYS", "BITTING_AWS_TIMEOUT",
	} {
		if !strings.Contains(globals, "\n        "+name+": !Ref AWS::NoValue\n") {
			t.Errorf("sam local cannot set %s", name)
		}

		for id, f := range tmpl.Functions {
			if value, set := f.Environment[name]; set {
				t.Errorf("%s has %s=%q in AWS", id, name, value)
			}
		}
	}
}

// A function's last lines may come after its stack is gone, and make its log group again. A name of
// our own would then be taken when the stack is deployed anew, unless no other stack has it.
func TestNoTwoStacksHaveALogGroupOfOneName(t *testing.T) {
	t.Parallel()

	id := []any{2, []any{"/", "AWS::StackId"}}

	for group, r := range read(t) {
		var want any
		if group == "AccessLogs" {
			want = []any{"-", []any{"/aws/vendedlogs/bitting", id}}
		}

		if diff := cmp.Diff(want, r.Properties["LogGroupName"]); r.Type == "AWS::Logs::LogGroup" &&
			diff != "" {
			t.Errorf("the name of %s (-want +got):\n%s", group, diff)
		}
	}
}

// A stream is a copy of every change, old and new, that whoever may read it reads: there is none that
// no function reads.
func TestNoTableHasAStreamThatNobodyReads(t *testing.T) {
	t.Parallel()

	resources := read(t)
	read := map[any]bool{}

	for _, r := range resources {
		for _, event := range asEvents(r) {
			read[at(event, "Properties", "Stream")] = true
		}
	}

	for id, r := range resources {
		if r.Properties["StreamSpecification"] != nil && !read[id+".StreamArn"] {
			t.Errorf("the stream of %s has no reader", id)
		}
	}
}

// capital is for ASCII words.
func capital(word string) string { return strings.ToUpper(word[:1]) + word[1:] }
