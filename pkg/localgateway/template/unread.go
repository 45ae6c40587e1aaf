package template

import (
	"slices"
	"strings"
)

// Every type of these families is refused that is neither read nor known to carry no route. A type
// that AWS adds later must not lose a route in silence.
var routing = []string{
	"AWS::Serverless::", "AWS::ApiGateway::", "AWS::ApiGatewayV2::", "AWS::AppSync::",
	"AWS::CloudFront::",
	"AWS::ElasticLoadBalancing::", "AWS::ElasticLoadBalancingV2::", "AWS::VpcLattice::",
}

// unread are types outside those families that accept calls themselves, or contain resources that
// this package cannot see.
var unread = []string{
	"AWS::Lambda::Url", "AWS::CloudFormation::Stack", "AWS::CloudFormation::StackSet",
	"AWS::ServiceCatalog::CloudFormationProvisionedProduct",
}

// routeless are the types of those families that carry no route.
var routeless = []string{
	"AWS::Serverless::SimpleTable", "AWS::Serverless::LayerVersion", "AWS::Serverless::Connector",
	"AWS::ApiGateway::Account", "AWS::ApiGateway::ClientCertificate",
	"AWS::ApiGateway::DocumentationPart",
	"AWS::ApiGateway::DocumentationVersion", "AWS::ApiGateway::DomainName",
	"AWS::ApiGateway::Model",
	"AWS::ApiGateway::RequestValidator", "AWS::ApiGateway::VpcLink",
	"AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::Model", "AWS::ApiGatewayV2::VpcLink",
	"AWS::ElasticLoadBalancingV2::TrustStore", "AWS::ElasticLoadBalancingV2::TrustStoreRevocation",
}

// mappings give an API other addresses than those it has here.
var mappings = []string{
	"AWS::ApiGateway::BasePathMapping", "AWS::ApiGateway::BasePathMappingV2",
	"AWS::ApiGateway::DomainNameAccessAssociation", "AWS::ApiGateway::DomainNameV2",
	"AWS::ApiGatewayV2::ApiMapping",
}

// checkUnread refuses a resource that may carry a route but is not read: the local API would
// answer 404 where AWS answers.
func (r *resolver) checkUnread(id string) {
	res := r.resources[id]
	read := []string{
		typeFunction, typeStateMachine, typeRESTAPI, typeHTTPAPI, typeAPIKey, typeUsagePlan,
		typeUsagePlanKey,
	}

	within := func(family string) bool { return strings.HasPrefix(res.kind, family) }
	switch {
	case slices.Contains(read, res.kind), slices.Contains(routeless, res.kind):
	case !r.whole && (slices.Contains(parts, res.kind) || slices.Contains(mappings, res.kind)):
	case !strings.Contains(res.kind, "::"):
		r.pass(res.node, "%s: Type %q is none", id, res.kind)
	case slices.ContainsFunc(routing, within), slices.Contains(unread, res.kind),
		strings.HasSuffix(res.kind, "::MODULE"):
		r.pass(res.node, "%s: %s is not understood: it may carry a route", id, res.kind)
	}
}
