package template

import "slices"

// stageName is one stage of one API.
type stageName struct{ gatewayID, stage string }

// usagePlanKeys returns the values of enabled API keys by the stages whose usage plans hold them.
// AWS generates the value of a key without Value, so no value is accepted for it here.
func (r *resolver) usagePlanKeys() map[stageName][]string {
	values := map[string]string{}
	for _, id := range r.ofKind(typeAPIKey) {
		if p := r.properties(id); p != nil && p.boolean("Enabled", false) && p.has("Value") {
			values[id] = p.text("Value", "")
		}
	}

	stages := map[string][]stageName{}
	for _, id := range r.ofKind(typeUsagePlan) {
		p := r.properties(id)
		if p == nil {
			return nil
		}

		stages[id] = r.planStages(p)
	}

	keys := map[stageName][]string{}
	for _, id := range r.ofKind(typeUsagePlanKey) {
		p := r.properties(id)
		if p == nil {
			return nil
		}

		value, ok := r.planKey(p, values)

		for _, stage := range stages[p.text("UsagePlanId", "")] {
			if ok && !slices.Contains(keys[stage], value) {
				keys[stage] = append(keys[stage], value)
			}
		}
	}

	return keys
}

// planKey returns the value of the key that is in a plan, or Outside. Nothing may be known of a
// parameter that names a key of another stack.
func (r *resolver) planKey(p *object, values map[string]string) (value string, ok bool) {
	if r.whole || !r.isOutside(p.raw("KeyId")) {
		value, ok = values[p.text("KeyId", "")]
		return value, ok
	}

	value = Outside

	_ = r.attempt(func() { // a failure: it is not one of the template's
		if own, known := values[p.text("KeyId", "")]; known {
			value = own
		}
	})
	return value, true
}

// planStages reads a plan's ApiStages. A plan with a throttle or quota, which would answer 429, is
// refused, since calls are not counted here.
func (r *resolver) planStages(p *object) []stageName {
	var stages []stageName
	if n := p.value("ApiStages"); n != nil {
		for _, item := range n.Content {
			if s := r.object(item, p.what+".ApiStages"); s != nil {
				stages = append(stages, stageName{s.text("ApiId", ""), s.text("Stage", "")})

				if none := s.raw("Throttle"); none != nil && len(none.Content) == 0 {
					s.ignore("Throttle") // as the CDK writes it
				}

				s.done()
			}
		}
	}

	p.ignore("Description", "Tags", "UsagePlanName")
	p.done()
	return stages
}
