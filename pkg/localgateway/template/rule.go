package template

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// checkRules refuses combinations of parameters that the template's rules refuse, in the rule's
// own words, as CloudFormation does before it creates anything. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
func (r *resolver) checkRules(rules *yaml.Node) {
	if rules == nil {
		return
	}

	declared := r.fields(rules)
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		rule := r.object(declared[name], "rule "+name)
		if rule == nil {
			return
		}

		condition := rule.raw("RuleCondition")
		assertions := rule.raw("Assertions")
		rule.done()

		if assertions == nil || condition != nil && !r.decide(condition) {
			continue
		}

		for _, item := range assertions.Content {
			a := r.object(item, "rule "+name+": assertion")
			if a == nil {
				return
			}

			holds, words := a.raw("Assert"), a.text("AssertDescription", "")
			a.done()

			if holds != nil && !r.decide(holds) {
				r.fail(item, "rule %s: %s", name, words)
			}
		}
	}
}
