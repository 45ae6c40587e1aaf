package template_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// The policies of each function are those of the role that SAM gives it.
func TestRolesAreThoseOfSAM(t *testing.T) {
	t.Parallel()

	for name, parameters := range map[string]map[string]string{
		"strict": {"Profile": "strict", "DemoApi": "rest"},
		"cached": {"Profile": "cached", "KeyLimits": "off", "DemoApi": "http"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			source, err := os.ReadFile(root + "/template.yaml")
			if err != nil {
				t.Fatal(err)
			}

			ours, err := template.Read(source, parameters)
			if err != nil {
				t.Fatal(err)
			}

			sam := translate(t, root+"/template.yaml", parameters)
			for id, f := range ours.Functions {
				got := make([]string, len(f.Policies))
				for i, p := range f.Policies {
					got[i] = asText(p.Document)
				}

				slices.Sort(got)

				if diff := cmp.Diff(policiesOfSAM(t, sam, id), got); diff != "" {
					t.Errorf("%s (-SAM +ours)\n%s", id, diff)
				}
			}
		})
	}
}

// policiesOfSAM returns the documents of a function's role, sorted, with ARNs as package template
// has them, and without what SAM adds: the right to write logs and to send to the queue of events
// that failed.
func policiesOfSAM(t *testing.T, sam *translation, id string) []string {
	t.Helper()

	role := sam.Resources[id+"Role"].Properties
	if role == nil {
		t.Fatalf("SAM gives %s no role", id)
	}

	var documents []any
	for _, arn := range asList(role["ManagedPolicyArns"]) {
		if name, ok := at(arn, "Ref").(string); ok {
			documents = append(documents, sam.Resources[name].Properties["PolicyDocument"])
		}
	}

	for _, p := range asList(role["Policies"]) {
		documents = append(documents, at(p, "PolicyDocument"))
	}

	var texts []string
	for _, d := range documents {
		text := asText(d)
		for id, arn := range map[string]string{
			"Core":      "arn:aws:dynamodb:us-east-1:123456789012:table/Core",
			"Hot":       "arn:aws:dynamodb:us-east-1:123456789012:table/Hot",
			"PepperKey": "arn:aws:kms:us-east-1:123456789012:key/PepperKey",
			"CoreKey":   "arn:aws:kms:us-east-1:123456789012:key/CoreKey",
		} {
			text = strings.ReplaceAll(text, `{"Fn::GetAtt":["`+id+`","Arn"]}`, `"`+arn+`"`)
			text = strings.ReplaceAll(text, id+".Arn", arn)
		}

		if !strings.Contains(text, `"sqs:`) {
			texts = append(texts, text)
		}
	}

	slices.Sort(texts)
	return texts
}

func TestPoliciesThatAreNotRead(t *testing.T) {
	t.Parallel()

	for _, policies := range []string{
		"AmazonDynamoDBFullAccess",
		"[{DynamoDBReadPolicy: {TableName: t}}]",
		"[arn:aws:iam::aws:policy/AdministratorAccess]",
	} {
		_, err := template.Read([]byte(head+"Resources:\n  F: {Type: AWS::Serverless::Function, "+
			"Properties: {CodeUri: f, Policies: "+policies+"}}\n"), nil)
		if err == nil || !strings.Contains(err.Error(), "policy documents") {
			t.Errorf("%s: %v", policies, err)
		}
	}
}
