package localiam_test

import (
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/localiam"
)

// rolesOf reads the roles of a template whose only function F has the statements.
func rolesOf(t *testing.T, statements string) (*localiam.Roles, error) {
	t.Helper()

	tmpl, err := template.Read([]byte(`
Transform: AWS::Serverless-2016-10-31
Resources:
  Core:
    Type: AWS::DynamoDB::Table
    Properties:
      KeySchema: [{AttributeName: pk, KeyType: HASH}, {AttributeName: sk, KeyType: RANGE}]
      GlobalSecondaryIndexes:
        - IndexName: byOwner
          KeySchema: [{AttributeName: owner, KeyType: HASH}]
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Policies: {Version: "2012-10-17", Statement: `+statements+`}
`), nil)
	if err != nil {
		t.Fatal(err)
	}

	return localiam.New(tmpl)
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	const (
		get = `{Effect: Allow, Action: dynamodb:GetItem, Resource: "arn:table/Core", Condition: `
		key = "dynamodb:LeadingKeys"
	)
	under := func(keys ...string) localiam.Request {
		return localiam.Request{
			Action:   "dynamodb:GetItem",
			Resource: "arn:table/Core",
			Context:  map[string][]string{key: keys},
		}
	}

	tests := map[string]struct {
		statements string
		request    localiam.Request
		want       bool
	}{
		"no statement":     {`[]`, under("a"), false},
		"the action":       {`[{Effect: Allow, Action: "dynamodb:getitem", Resource: "*"}]`, under("a"), true},
		"another action":   {`[{Effect: Allow, Action: "dynamodb:PutItem", Resource: "*"}]`, under("a"), false},
		"actions by *":     {`[{Effect: Allow, Action: ["dynamodb:Get*"], Resource: "*"}]`, under("a"), true},
		"another resource": {`[{Effect: Allow, Action: "*", Resource: "arn:table/core"}]`, under("a"), false},
		"one of several": {
			`[{Effect: Allow, Action: "*", Resource: [x, "arn:table/?ore"]}]`, under("a"), true,
		},
		"denied before": {
			`[{Effect: Deny, Action: "*", Resource: "*"}, {Effect: Allow, Action: "*", Resource: "*"}]`,
			under("a"), false,
		},
		"denied after": {
			`[{Effect: Allow, Action: "*", Resource: "*"}, {Effect: Deny, Action: "*", Resource: "*"}]`,
			under("a"), false,
		},
		"denied elsewhere": {
			`[{Effect: Allow, Action: "*", Resource: "*"}, {Effect: Deny, Action: "*", Resource: x}]`,
			under("a"), true,
		},

		"StringEquals":               {`[` + get + `{StringEquals: {` + key + `: a}}}]`, under("a"), true},
		"StringEquals, another":      {`[` + get + `{StringEquals: {` + key + `: a}}}]`, under("b"), false},
		"StringEquals, a pattern":    {`[` + get + `{StringEquals: {` + key + `: "*"}}}]`, under("a"), false},
		"StringEquals, no value":     {`[` + get + `{StringEquals: {` + key + `: a}}}]`, under(), false},
		"StringEquals, key's case":   {`[` + get + `{StringEquals: {DYNAMODB:leadingkeys: a}}}]`, under("a"), true},
		"StringLike":                 {`[` + get + `{StringLike: {` + key + `: "a*"}}}]`, under("ab"), true},
		"StringLike, several":        {`[` + get + `{StringLike: {` + key + `: "a*"}}}]`, under("ab", "ac"), false},
		"ForAllValues":               {`[` + get + `{"ForAllValues:StringLike": {` + key + `: ["a*", b]}}}]`, under("ab", "b"), true},
		"ForAllValues, one not":      {`[` + get + `{"ForAllValues:StringLike": {` + key + `: ["a*", b]}}}]`, under("ab", "c"), false},
		"ForAllValues, no value":     {`[` + get + `{"ForAllValues:StringLike": {` + key + `: a}}}]`, under(), true},
		"and Null beside it":         {`[` + get + `{"ForAllValues:StringLike": {` + key + `: a}, "Null": {` + key + `: "false"}}}]`, under(), false},
		"both met":                   {`[` + get + `{"ForAllValues:StringLike": {` + key + `: a}, "Null": {` + key + `: "false"}}}]`, under("a"), true},
		"Null true":                  {`[` + get + `{"Null": {` + key + `: "true"}}}]`, under(), true},
		"Null true, with a value":    {`[` + get + `{"Null": {` + key + `: "true"}}}]`, under("a"), false},
		"ForAnyValue":                {`[` + get + `{"ForAnyValue:StringLike": {` + key + `: a}}}]`, under("b", "a"), true},
		"ForAnyValue, none":          {`[` + get + `{"ForAnyValue:StringLike": {` + key + `: a}}}]`, under("b"), false},
		"ForAnyValue, without value": {`[` + get + `{"ForAnyValue:StringLike": {` + key + `: "*"}}}]`, under(), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			roles, err := rolesOf(t, test.statements)
			if err != nil {
				t.Fatal(err)
			}

			if got := roles.Allowed("F", test.request); got != test.want {
				t.Errorf("allowed is %v", got)
			}

			if roles.Allowed("G", test.request) {
				t.Error("a function that is not in the template is allowed something")
			}
		})
	}
}

// What is not understood of a policy is never passed over.
func TestPoliciesThatAreRefused(t *testing.T) {
	t.Parallel()

	for statements, want := range map[string]string{
		`[{Effect: Allow, NotAction: a, Resource: "*"}]`:              "NotAction",
		`[{Effect: Deny, Action: a, NotResource: "*"}]`:               "NotResource",
		`[{Effect: Allow, Action: a}]`:                                "lacks",
		`[{Action: a, Resource: "*"}]`:                                "lacks",
		`[{Effect: allow, Action: a, Resource: "*"}]`:                 "effect allow",
		`[{Effect: Allow, Action: a, Resource: "x${!aws:username}"}]`: "variable",
		`[{Effect: Allow, Action: 1, Resource: "*"}]`:                 "no text",
		`[text]`: "no statement",
		`[{Effect: Allow, Action: a, Resource: "*", Condition: {StringNotLike: {k: v}}}]`:  "StringNotLike",
		`[{Effect: Allow, Action: a, Resource: "*", Condition: {"Null": {k: "perhaps"}}}]`: "want true or false",
		`[{Effect: Allow, Action: a, Resource: "*", Condition: {StringLike: k}}]`:          "no condition",
		`[{Effect: Allow, Action: a, Resource: "*", Condition: k}]`:                        "no condition",
	} {
		if _, err := rolesOf(t, statements); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", statements, err, want)
		}
	}
}
