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

const typeStateMachine = "AWS::Serverless::StateMachine"

// checkUnread refuses a resource that may carry a route but is not read: the local API would
// answer 404 where AWS answers.
func (r *resolver) checkUnread(id string) {
	res := r.resources[id]
	read := []string{
		typeFunction, typeRESTAPI, typeHTTPAPI, typeAPIKey, typeUsagePlan, typeUsagePlanKey,
	}

	within := func(family string) bool { return strings.HasPrefix(res.kind, family) }
	switch {
	case res.kind == typeStateMachine:
		r.checkStateMachine(id)
	case slices.Contains(read, res.kind), slices.Contains(routeless, res.kind):
	case !strings.Contains(res.kind, "::"):
		r.fail(res.node, "%s: Type %q is none", id, res.kind)
	case slices.ContainsFunc(routing, within), slices.Contains(unread, res.kind),
		strings.HasSuffix(res.kind, "::MODULE"):
		r.fail(res.node, "%s: %s is not understood: it may carry a route", id, res.kind)
	}
}

// checkStateMachine refuses a state machine that can be started by a call.
func (r *resolver) checkStateMachine(id string) {
	p := r.properties(id)
	if p == nil {
		return
	}

	events := p.object("Events")
	if events == nil {
		return
	}

	for i := 0; i+1 < len(events.node.Content); i += 2 {
		if o := events.object(events.node.Content[i].Value); o != nil {
			r.checkEvent(id, events.node.Content[i].Value, o)
		}
	}
}

// quiet are the events that no call to an API triggers.
var quiet = []string{
	"AlexaSkill", "CloudWatchEvent", "CloudWatchLogs", "Cognito", "DocumentDB", "DynamoDB",
	"EventBridgeRule", "IoTRule", "Kinesis",
	"MQ", "MSK", "S3", "SNS", "SQS", "Schedule", "ScheduleV2", "SelfManagedKafka",
}

// checkEvent refuses an event that is not known to carry no route.
func (r *resolver) checkEvent(id, name string, o *object) {
	if kind := o.text("Type", ""); !slices.Contains(quiet, kind) {
		r.fail(o.node, "%s: event %s of type %q is not understood: it may be a route",
			id, name, kind)
	}
}
