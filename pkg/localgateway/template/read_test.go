package template_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

const head = "Transform: AWS::Serverless-2016-10-31\n"

// value reads a template whose only function has one variable, and returns that variable's value.
func value(t *testing.T, expression string, parameters map[string]string) (string, error) {
	t.Helper()

	tmpl, err := template.Read([]byte(head+`
Parameters:
  Name: {Type: String, Default: bitting}
  Many: {Type: CommaDelimitedList, Default: "a, b,c"}
  Count: {Type: Number, Default: 3}
Mappings:
  Regions: {us-east-1: {short: use1}}
Conditions:
  Yes: !Equals [!Ref Name, bitting]
  No: !Not [!Condition Yes]
  Both: !And [!Condition Yes, {Condition: No}]
  Either: {"Fn::Or": [{Condition: No}, {"Fn::Equals": [{Ref: Count}, "3"]}]}
  Loop: !Not [!Condition Loop]
Resources:
  Table: {Type: AWS::DynamoDB::Table, Properties: {}}
  Named: {Type: AWS::DynamoDB::Table, Properties: {TableName: !Sub "${Name}-keys"}}
  Key: {Type: AWS::KMS::Key}
  Api: {Type: AWS::Serverless::Api, Properties: {StageName: live}}
  Absent: {Type: AWS::KMS::Key, Condition: No}
  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: f, Environment: {Variables: {V: `+
		expression+`}}}}
`), parameters)
	if err != nil {
		return "", err
	}

	return tmpl.Functions["F"].Environment["V"], nil
}

func TestIntrinsics(t *testing.T) {
	t.Parallel()

	tests := map[string]string{
		`plain`:                                         "plain",
		`!Ref Name`:                                     "bitting",
		`{Ref: Name}`:                                   "bitting",
		`!Ref Count`:                                    "3",
		`!Ref Table`:                                    "Table",
		`!Ref Named`:                                    "bitting-keys",
		`!Ref Api`:                                      "api",
		`!Ref F`:                                        "F",
		`!Ref Key`:                                      "Key",
		`!Ref AWS::Region`:                              "us-east-1",
		`!Ref AWS::AccountId`:                           "123456789012",
		`!Ref AWS::Partition`:                           "aws",
		`!Ref AWS::StackName`:                           "bitting",
		`!Ref AWS::URLSuffix`:                           "amazonaws.com",
		`!Ref AWS::NoValue`:                             "",
		`!GetAtt F.Arn`:                                 "arn:aws:lambda:us-east-1:123456789012:function:F",
		`{"Fn::GetAtt": [F, Arn]}`:                      "arn:aws:lambda:us-east-1:123456789012:function:F",
		`!GetAtt [Named, Arn]`:                          "arn:aws:dynamodb:us-east-1:123456789012:table/bitting-keys",
		`!GetAtt Table.StreamArn`:                       "arn:aws:dynamodb:us-east-1:123456789012:table/Table/stream/local",
		`!GetAtt Key.Arn`:                               "arn:aws:kms:us-east-1:123456789012:key/Key",
		`!GetAtt FRole.Arn`:                             "arn:aws:sam:us-east-1:123456789012:FRole",
		`!GetAtt Api.RootResourceId`:                    "Api.RootResourceId",
		`!Sub "${Name}-${AWS::Region}"`:                 "bitting-us-east-1",
		`!Sub "${Table.Arn}/index/${!Literal}"`:         "arn:aws:dynamodb:us-east-1:123456789012:table/Table/index/${Literal}",
		`!Sub ["${Name}/${x}", {x: !Ref Count}]`:        "bitting/3",
		`!If [Yes, yes, no]`:                            "yes",
		`!If [No, !Nonsense x, no]`:                     "no",
		`{"Fn::If": [Both, yes, no]}`:                   "no",
		`!If [Either, yes, no]`:                         "yes",
		`!If [No, yes, !Ref AWS::NoValue]`:              "",
		`!Join ["-", [a, !Ref Name]]`:                   "a-bitting",
		`!Join ["", !Ref Many]`:                         "abc",
		`!Select [1, !Ref Many]`:                        "b",
		`!Select ["2", !Split ["/", "x/y/z"]]`:          "z",
		`!FindInMap [Regions, !Ref AWS::Region, short]`: "use1",
		`true`: "true",
		`0042`: "0042",
	}
	for expression, want := range tests {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()

			got, err := value(t, expression, nil)
			if err != nil || got != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		})
	}
}

func TestIntrinsicsThatAreRefused(t *testing.T) {
	t.Parallel()

	const line = 21 // where value puts the expression
	for expression, want := range map[string]string{
		`!Nonsense x`:                "intrinsic function Nonsense is not understood",
		`{"Fn::ImportValue": x}`:     "intrinsic function ImportValue is not understood",
		`!Equals [a, b]`:             "Equals is only understood in Conditions",
		`!Ref Nobody`:                `there is no parameter or resource "Nobody"`,
		`!Ref Absent`:                "Absent is left out by condition No, so nothing can refer to it",
		`!Sub "${Nobody}"`:           `there is no parameter or resource "Nobody"`,
		`!GetAtt F`:                  "GetAtt needs a resource and an attribute",
		`!If [Yes, a]`:               "If has the wrong number of arguments",
		`!If [Unknown, a, b]`:        `condition "Unknown" is not declared, or depends on itself`,
		`!Select [3, !Ref Many]`:     "Select has no such item",
		`!FindInMap [Regions, x, y]`: `FindInMap: there is no mapping for "x"`,
		`!Ref Many`:                  "F.Environment.Variables.V must be a single value",
		`[a]`:                        "F.Environment.Variables.V must be a single value",
	} {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()
			_, err := value(t, expression, nil)

			var got *template.Error
			if !errors.As(err, &got) || got.Line != line || got.Message != want {
				t.Errorf("got %v, want line %d: %s", err, line, want)
			}
		})
	}

	if _, err := value(t, `!If [Loop, a, b]`, nil); err == nil ||
		!strings.Contains(err.Error(), "depends on itself") {
		t.Errorf("a condition that depends on itself gave %v", err)
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	read := func(declaration string, values map[string]string) error {
		_, err := template.Read([]byte(head+"Parameters:\n  P: "+declaration+"\nResources: {}\n"),
			values)
		return err
	}
	with := func(v string) map[string]string { return map[string]string{"P": v} }

	tests := map[string]struct {
		declaration string
		values      map[string]string
		want        string // part of the error; empty: none
	}{
		"default":    {`{Type: String, Default: x}`, nil, ""},
		"override":   {`{Type: String, Default: x, AllowedValues: [x, y]}`, with("y"), ""},
		"no default": {`{Type: String}`, nil, "has no default"},
		"undeclared": {`{Type: String}`, map[string]string{
			"P": "x",
			"Q": "x",
		}, "there is no parameter Q"},
		"not allowed": {
			`{Type: String, AllowedValues: [x, y]}`, with("z"), "must be one of x, y",
		},
		"pattern": {`{Type: String, AllowedPattern: "[a-z]+"}`, with("abc"), ""},
		"pattern in part": {
			`{Type: String, AllowedPattern: "[a-z]+"}`, with("abc1"), "does not match",
		},
		"default not allowed": {
			`{Type: String, Default: A, AllowedPattern: "[a-z]+"}`, nil, "does not match",
		},
		"too short":    {`{Type: String, MinLength: 2}`, with("a"), "must have 2 to 4096"},
		"too long":     {`{Type: String, MaxLength: 2}`, with("abc"), "must have 0 to 2"},
		"no number":    {`{Type: Number}`, with("x"), "must be a number"},
		"too small":    {`{Type: Number, MinValue: 2}`, with("1"), "outside its MinValue"},
		"too large":    {`{Type: Number, MaxValue: 2}`, with("3"), "outside its MaxValue"},
		"unknown type": {`{Type: "AWS::SSM::Parameter::Name"}`, with("x"), "is not understood"},
		"unknown property": {
			`{Type: String, Allowed: [x]}`, with("x"), "property Allowed is not understood",
		},
		"list item": {
			`{Type: CommaDelimitedList, AllowedValues: [a]}`, with("a, b"), "must be one of a",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			err := read(test.declaration, test.values)
			if test.want == "" && err != nil {
				t.Error(err)
			}

			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestGlobalsAreMerged(t *testing.T) {
	t.Parallel()

	tmpl, err := template.Read([]byte(head+`
Globals:
  Function: {CodeUri: g, Timeout: 5, MemorySize: 256, Environment: {Variables: {A: global, B: global}}}
  HttpApi: {CorsConfiguration: {AllowOrigins: [a], MaxAge: 1}}
Resources:
  Own: {Type: AWS::Serverless::Function, Properties: {CodeUri: own, Timeout: 9, Environment: {Variables: {B: own, C: own}}}}
  Bare: {Type: AWS::Serverless::Function}
  Api: {Type: AWS::Serverless::HttpApi, Properties: {CorsConfiguration: {AllowOrigins: [b], MaxAge: 2}}}
`), nil)
	if err != nil {
		t.Fatal(err)
	}

	age := 2
	arn := "arn:aws:lambda:us-east-1:123456789012:function:"

	want := &template.Template{
		Functions: map[string]template.Function{
			"Own": {
				ID:          "Own",
				ARN:         arn + "Own",
				CodeURI:     "own",
				Timeout:     9 * time.Second,
				MemoryMB:    256,
				Environment: map[string]string{"A": "global", "B": "own", "C": "own"},
				Line:        7,
			},
			"Bare": {
				ID:          "Bare",
				ARN:         arn + "Bare",
				CodeURI:     "g",
				Timeout:     5 * time.Second,
				MemoryMB:    256,
				Environment: map[string]string{"A": "global", "B": "global"},
				Line:        8,
			},
		},
		Tables: map[string]template.Table{},
		APIs: map[string]template.API{
			"Api": {
				ID:          "Api",
				GatewayID:   "api",
				Kind:        template.HTTP,
				Stage:       "$default",
				Authorizers: map[string]template.Authorizer{},
				CORS:        &template.CORS{AllowOrigins: []string{"a", "b"}, MaxAge: &age},
				Line:        9,
			},
		},
	}
	if diff := cmp.Diff(want, tmpl); diff != "" {
		t.Error(diff)
	}
}

func TestTables(t *testing.T) {
	t.Parallel()

	tmpl, err := template.Read([]byte(head+`
Conditions: {No: !Equals [a, b]}
Resources:
  Core:
    Type: AWS::DynamoDB::Table
    Properties:
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      TimeToLiveSpecification: {AttributeName: purgeAt, Enabled: true}
      ProvisionedThroughput: {ReadCapacityUnits: 5, Ratio: 1.5}
      Tags: !If [No, [], !Ref AWS::NoValue]
  Absent: {Type: AWS::DynamoDB::Table, Condition: No}
`), nil)
	if err != nil {
		t.Fatal(err)
	}

	want := map[string]template.Table{
		"Core": {
			ID:   "Core",
			Name: "Core",
			Properties: map[string]any{
				"KeySchema": []any{map[string]any{
					"AttributeName": "pk",
					"KeyType":       "HASH",
				}},
				"TimeToLiveSpecification": map[string]any{
					"AttributeName": "purgeAt",
					"Enabled":       true,
				},
				"ProvisionedThroughput": map[string]any{"ReadCapacityUnits": 5, "Ratio": 1.5},
			},
		},
	}
	if diff := cmp.Diff(want, tmpl.Tables); diff != "" {
		t.Error(diff)
	}
}

func TestUsagePlanKeysOfTheStage(t *testing.T) {
	t.Parallel()

	source, err := os.ReadFile("../testdata/rest.yaml")
	if err != nil {
		t.Fatal(err)
	}

	tmpl, err := template.Read(source, nil)
	if err != nil {
		t.Fatal(err)
	}

	want := map[string][]string{
		"Plain":       {"other-stage-00000000000"},
		"Keyed":       {"admitted-00000000000000"},
		"HeaderKeyed": {"admitted-00000000000000"},
		"Custom":      {"admitted-00000000000000"},
	}

	got := map[string][]string{}
	for id, api := range tmpl.APIs {
		got[id] = api.APIKeys
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
