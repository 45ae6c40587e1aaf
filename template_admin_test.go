package bitting_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// From where the admin API may be called: from everywhere, by endpoints of a VPC alone, or from
// addresses alone. Nothing else is in its policy, whose Allow leaves the decision to the authorizer.
func TestWhoCanReachTheAdminAPI(t *testing.T) {
	t.Parallel()

	properties := read(t)["AdminApi"].Properties
	statement := func(effect string, condition map[string]any) map[string]any {
		s := map[string]any{
			"Effect":    effect,
			"Principal": "*",
			"Action":    "execute-api:Invoke",
			"Resource":  "execute-api:/*",
		}
		if condition != nil {
			s["Condition"] = condition
		}

		return s
	}

	endpoints, addresses := []any{",", "AdminVpcEndpointIds"}, []any{",", "AdminAddresses"}

	want := []any{
		statement("Allow", nil),
		[]any{"PrivateAdmin", statement("Deny", map[string]any{
			"StringNotEquals": map[string]any{"aws:SourceVpce": endpoints},
		}), "AWS::NoValue"},
		[]any{"AdminFromAddresses", statement("Deny", map[string]any{
			"NotIpAddress": map[string]any{"aws:SourceIp": addresses},
		}), "AWS::NoValue"},
	}
	if diff := cmp.Diff(any(want), at(properties, "Auth", "ResourcePolicy",
		"CustomStatements")); diff != "" {
		t.Errorf("the policy (-want +got):\n%s", diff)
	}

	if diff := cmp.Diff(any(map[string]any{
		"Type":           []any{"PrivateAdmin", "PRIVATE", "REGIONAL"},
		"VPCEndpointIds": []any{"PrivateAdmin", endpoints, "AWS::NoValue"},
	}), properties["EndpointConfiguration"]); diff != "" {
		t.Errorf("the endpoint (-want +got):\n%s", diff)
	}
}

// The domain leads to the stage, below a base path if there is one, and the outputs say so.
func TestTheAdminAPIHasADomain(t *testing.T) {
	t.Parallel()

	resources, outputs := readAll(t)
	mapping := resources["AdminDomainMapping"]
	want := map[string]any{
		"DomainName": "AdminDomainName",
		"RestApiId":  "AdminApi",
		"Stage":      "admin",
		"BasePath":   []any{"AdminAtRoot", "AWS::NoValue", "AdminBasePath"},
	}

	if diff := cmp.Diff(want, mapping.Properties); diff != "" || mapping.Condition != "AdminOnDomain" {
		t.Errorf("the mapping, with the condition %q (-want +got):\n%s", mapping.Condition, diff)
	}

	domain := resources["AdminDomainName"]
	want = map[string]any{
		"DomainName":             "AdminDomain",
		"RegionalCertificateArn": "AdminCertificateArn",
		"EndpointConfiguration":  map[string]any{"Types": []any{"REGIONAL"}},
		"SecurityPolicy":         "TLS_1_2",
	}

	if diff := cmp.Diff(want, domain.Properties); diff != "" || domain.Condition != "AdminOnDomain" {
		t.Errorf("the domain, with the condition %q (-want +got):\n%s", domain.Condition, diff)
	}

	for output, path := range map[string]string{"AdminUrl": "v1", "ConsoleUrl": "console"} {
		want := []any{
			"AdminOnDomain",
			[]any{
				"AdminAtRoot", "https://${AdminDomain}/" + path,
				"https://${AdminDomain}/${AdminBasePath}/" + path,
			},
			"https://${AdminApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/admin/" + path,
		}
		if diff := cmp.Diff(any(want), outputs[output].Value); diff != "" {
			t.Errorf("%s (-want +got):\n%s", output, diff)
		}
	}

	if target := outputs["AdminDomainTarget"]; target.Condition != "AdminOnDomain" ||
		target.Value != "AdminDomainName.RegionalDomainName" {
		t.Errorf("what a DNS record points at: %+v", target)
	}
}

// What does not go together is refused before anything is made.
func TestAdminParametersThatDoNotGoTogether(t *testing.T) {
	t.Parallel()

	source, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}

	// bitting local has no domains: it gets as far as that
	const passes = "AdminDomainMapping: AWS::ApiGateway::BasePathMapping is not understood"

	certificate := "arn:aws:acm:eu-west-1:123456789012:certificate/a"
	for _, test := range []struct{ parameters, want string }{
		{"AdminVpcEndpointIds=vpce-1 AdminAddresses=192.0.2.0/24", "AdminAddresses is for a public"},
		{
			"AdminVpcEndpointIds=vpce-1 AdminDomain=keys.example.com AdminCertificateArn=" + certificate,
			"AdminDomain is for a public",
		},
		{"AdminDomain=keys.example.com", "needs AdminCertificateArn"},
		{"AdminCertificateArn=" + certificate, "are those of AdminDomain"},
		{"AdminBasePath=keys", "are those of AdminDomain"},
		{"AdminVpcEndpointIds=vpc-1", "AdminVpcEndpointIds"},
		{"AdminAddresses=192.0.2.1", "AdminAddresses"},
		{"AdminDomain=keys.example.com AdminCertificateArn=" + certificate, passes},
		{
			"AdminDomain=keys.example.com AdminBasePath=a AdminCertificateArn=" + certificate,
			passes,
		},
	} {
		parameters := map[string]string{}
		for _, p := range strings.Fields(test.parameters) {
			name, value, _ := strings.Cut(p, "=")
			parameters[name] = value
		}

		_, err := template.Read(source, parameters)
		if !strings.Contains(fmt.Sprint(err), test.want) {
			t.Errorf("%s: %v", test.parameters, err)
		}
	}
}
