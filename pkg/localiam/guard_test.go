package localiam_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/localiam"
)

const ownKeysOnly = `[{Effect: Allow, Action: "dynamodb:*", Resource: [!GetAtt Core.Arn, ` +
	`!Sub "${Core.Arn}/index/byOwner"], Condition: ` +
	`{"ForAllValues:StringLike": {dynamodb:LeadingKeys: "a#*"}, "Null": {dynamodb:LeadingKeys: "false"}}}, ` +
	`{Effect: Allow, Action: kms:Decrypt, Resource: key, Condition: ` +
	`{StringEquals: {kms:EncryptionContext:environment: production}}}]`

// A call goes on only if every part of it is allowed, with the body that it had.
func TestGuard(t *testing.T) {
	t.Parallel()
	const dynamodb = "DynamoDB_20120810."

	tests := map[string]struct {
		target, body string
		allowed      bool
	}{
		"GetItem":           {dynamodb + "GetItem", `{"TableName":"Core","Key":{"pk":{"S":"a#1"},"sk":{"S":"b"}}}`, true},
		"another's":         {dynamodb + "GetItem", `{"TableName":"Core","Key":{"pk":{"S":"b#1"}}}`, false},
		"another table":     {dynamodb + "GetItem", `{"TableName":"Hot","Key":{"pk":{"S":"a#1"}}}`, false},
		"a table by ARN":    {dynamodb + "GetItem", `{"TableName":"arn:aws:dynamodb:us-east-1:123456789012:table/Core","Key":{"pk":{"S":"a#1"}}}`, false},
		"no key":            {dynamodb + "GetItem", `{"TableName":"Core"}`, false},
		"a key of a number": {dynamodb + "GetItem", `{"TableName":"Core","Key":{"pk":{"N":"1"}}}`, false},
		"PutItem":           {dynamodb + "PutItem", `{"TableName":"Core","Item":{"pk":{"S":"a#1"},"n":{"N":"1"}}}`, true},
		"PutItem elsewhere": {dynamodb + "PutItem", `{"TableName":"Core","Item":{"pk":{"S":"b"}}}`, false},
		"Query": {dynamodb + "Query", `{"TableName":"Core","KeyConditionExpression":"#k = :k AND begins_with(sk, :s)",` +
			`"ExpressionAttributeNames":{"#k":"pk"},"ExpressionAttributeValues":{":k":{"S":"a#1"},":s":{"S":"x"}}}`, true},
		"Query in parentheses": {dynamodb + "Query", `{"TableName":"Core","KeyConditionExpression":"(#0 = :0) AND (#1 BETWEEN :1 AND :2)",` +
			`"ExpressionAttributeNames":{"#0":"pk","#1":"sk"},"ExpressionAttributeValues":{":0":{"S":"b#1"},":1":{"S":"a#1"}}}`, false},
		"Query by the sort key alone": {dynamodb + "Query", `{"TableName":"Core","KeyConditionExpression":"sk = :s",` +
			`"ExpressionAttributeValues":{":s":{"S":"a#1"}}}`, false},
		"Query of an index": {dynamodb + "Query", `{"TableName":"Core","IndexName":"byOwner","KeyConditionExpression":"owner=:o",` +
			`"ExpressionAttributeValues":{":o":{"S":"a#1"}}}`, true},
		"Query of an index by the table's key": {dynamodb + "Query", `{"TableName":"Core","IndexName":"byOwner",` +
			`"KeyConditionExpression":"pk=:o","ExpressionAttributeValues":{":o":{"S":"a#1"}}}`, false},
		"Query of no index": {dynamodb + "Query", `{"TableName":"Core","IndexName":"byNothing","KeyConditionExpression":"owner=:o",` +
			`"ExpressionAttributeValues":{":o":{"S":"a#1"}}}`, false},
		"Scan":                 {dynamodb + "Scan", `{"TableName":"Core"}`, false},
		"BatchGetItem":         {dynamodb + "BatchGetItem", `{"RequestItems":{"Core":{"Keys":[{"pk":{"S":"a#1"}},{"pk":{"S":"a#2"}}]}}}`, true},
		"one of a batch":       {dynamodb + "BatchGetItem", `{"RequestItems":{"Core":{"Keys":[{"pk":{"S":"a#1"}},{"pk":{"S":"b#2"}}]}}}`, false},
		"an empty batch":       {dynamodb + "BatchGetItem", `{"RequestItems":{}}`, false},
		"a transaction":        {dynamodb + "TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"Core","Item":{"pk":{"S":"a#1"}}}},{"Delete":{"TableName":"Core","Key":{"pk":{"S":"a#2"}}}}]}`, true},
		"one of a transaction": {dynamodb + "TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"Core","Item":{"pk":{"S":"a#1"}}}},{"ConditionCheck":{"TableName":"Core","Key":{"pk":{"S":"b#2"}}}}]}`, false},
		"two in one part":      {dynamodb + "TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"Core","Item":{"pk":{"S":"a#1"}}},"Delete":{"TableName":"Core","Key":{"pk":{"S":"b#2"}}}}]}`, false},
		"PartiQL":              {dynamodb + "ExecuteStatement", `{"Statement":"SELECT * FROM Core WHERE pk = 'a#1'"}`, false},
		"BatchWriteItem":       {dynamodb + "BatchWriteItem", `{"RequestItems":{"Core":[{"DeleteRequest":{"Key":{"pk":{"S":"a#1"}}}}]}}`, false},
		"DeleteTable":          {dynamodb + "DeleteTable", `{"TableName":"Core"}`, false},
		"no JSON":              {dynamodb + "GetItem", `<xml>`, false},
		"another service":      {"AWSCognitoIdentityProviderService.AdminCreateUser", `{}`, false},

		"Decrypt":                    {"TrentService.Decrypt", `{"KeyId":"key","EncryptionContext":{"environment":"production"}}`, true},
		"Decrypt of staging":         {"TrentService.Decrypt", `{"KeyId":"key","EncryptionContext":{"environment":"staging"}}`, false},
		"Decrypt without a context":  {"TrentService.Decrypt", `{"KeyId":"key"}`, false},
		"Decrypt with another key":   {"TrentService.Decrypt", `{"KeyId":"yek","EncryptionContext":{"environment":"production"}}`, false},
		"Decrypt with whichever key": {"TrentService.Decrypt", `{"EncryptionContext":{"environment":"production"}}`, false},
		"GenerateDataKey":            {"TrentService.GenerateDataKey", `{"KeyId":"key","EncryptionContext":{"environment":"production"}}`, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			roles, err := rolesOf(t, ownKeysOnly)
			if err != nil {
				t.Fatal(err)
			}

			reached := ""
			handler := roles.Guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}

				reached = r.URL.Path + " " + string(body)
			}))

			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/F",
				strings.NewReader(test.body))
			request.Header.Set("X-Amz-Target", test.target)

			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)

			if test.allowed {
				if reached != "/ "+test.body || len(roles.Denied()) != 0 {
					t.Errorf("it reached %q; denied %q", reached, roles.Denied())
				}

				return
			}

			if reached != "" || answer.Code != http.StatusBadRequest ||
				!strings.Contains(answer.Body.String(), "AccessDeniedException") ||
				len(roles.Denied()) != 1 {
				t.Errorf("it reached %q; answer %d %s; denied %q", reached, answer.Code, answer.Body,
					roles.Denied())
			}
		})
	}
}

// A grant is used by the action and the resource that were needed, not by its statement.
func TestUnused(t *testing.T) {
	t.Parallel()

	roles, err := rolesOf(t, `[{Effect: Allow, Action: [a:One, a:Two], Resource: [x, "y*"]}, `+
		`{Effect: Deny, Action: a:Three, Resource: z}]`)
	if err != nil {
		t.Fatal(err)
	}

	roles.Allowed("F", localiam.Request{Action: "a:One", Resource: "x"})
	roles.Allowed("F", localiam.Request{Action: "a:Two", Resource: "yes"})
	roles.Allowed("F", localiam.Request{Action: "a:Three", Resource: "x"})

	want := []string{
		"F: a:One on y*, by statement 1 of its own policy",
		"F: a:Two on x, by statement 1 of its own policy",
	}
	if diff := cmp.Diff(want, roles.Unused("F")); diff != "" {
		t.Error(diff)
	}
}
