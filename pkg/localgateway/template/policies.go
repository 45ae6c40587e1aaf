package template

import "go.yaml.in/yaml/v3"

const typeManagedPolicy = "AWS::IAM::ManagedPolicy"

// readPolicies returns what a function's role allows and denies by the template: the documents that
// its Policies hold, and those of the managed policies that they name. A policy of AWS's own or of
// SAM's catalogue is refused, since its document is not in the template.
func (r *resolver) readPolicies(p *object) []Policy {
	n := p.value("Policies")
	if n == nil {
		return nil
	}

	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}

	var policies []Policy
	for _, item := range items {
		if r.err != nil {
			return nil
		}

		switch {
		case item.Kind == yaml.MappingNode && indexOf(item, "Statement") >= 0:
			document, _ := r.plain(item).(map[string]any)
			policies = append(policies, Policy{Document: document})
		case item.Kind == yaml.ScalarNode && r.resources[item.Value].kind == typeManagedPolicy:
			document, _ := r.plain(r.properties(item.Value).value("PolicyDocument")).(map[string]any)
			policies = append(policies, Policy{Name: item.Value, Document: document})
		default:
			r.fail(item, "%s: want policy documents, or managed policies of this template", p.what)
		}
	}

	return policies
}
