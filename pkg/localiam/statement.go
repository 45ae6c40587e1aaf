package localiam

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// statement is a statement of a role's policy.
type statement struct {
	policy     string
	index      int
	deny       bool
	actions    []string
	resources  []string
	conditions []condition
}

// matches reports whether the statement is about a request, and by which action and resource.
func (s *statement) matches(q Request) (action, resource string, ok bool) {
	// IAM compares actions without regard to case, and resources with regard to it.
	wanted := strings.ToLower(q.Action)
	a := slices.IndexFunc(s.actions, func(pattern string) bool {
		return policy.Glob(strings.ToLower(pattern), wanted)
	})
	r := slices.IndexFunc(s.resources, func(pattern string) bool {
		return policy.Glob(pattern, q.Resource)
	})

	if a < 0 || r < 0 {
		return "", "", false
	}

	for _, c := range s.conditions {
		if !c.met(q.Context) {
			return "", "", false
		}
	}

	return s.actions[a], s.resources[r], true
}

// grants returns what the statement allows, each action on each resource.
func (s *statement) grants(function string) []grant {
	if s.deny {
		return nil
	}

	var all []grant
	for _, action := range s.actions {
		for _, resource := range s.resources {
			all = append(all, grant{
				function:  function,
				policy:    s.policy,
				statement: s.index,
				action:    action,
				resource:  resource,
			})
		}
	}

	return all
}

// condition is one condition key under one operator.
type condition struct {
	operator string
	key      string // lower case
	values   []string
}

// The operators that are known. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
// and, for keys with several values,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
const (
	equals     = "StringEquals"
	like       = "StringLike"
	allAreLike = "ForAllValues:StringLike"
	anyIsLike  = "ForAnyValue:StringLike"
	null       = "Null"
)

// met reports whether the condition holds of the values of its key.
func (c condition) met(context map[string][]string) bool {
	var have []string
	for key, values := range context {
		if strings.EqualFold(key, c.key) {
			have = values
		}
	}

	isLike := func(value string) bool {
		return slices.ContainsFunc(c.values, func(pattern string) bool {
			return policy.Glob(pattern, value)
		})
	}

	switch c.operator {
	case equals:
		return len(have) == 1 && slices.Contains(c.values, have[0])
	case like:
		return len(have) == 1 && isLike(have[0])
	case allAreLike: // also of a key without a value
		return !slices.ContainsFunc(have, func(value string) bool { return !isLike(value) })
	case anyIsLike:
		return slices.ContainsFunc(have, isLike)
	case null:
		return (len(have) == 0) == (c.values[0] == "true")
	}

	return false // readConditions lets no other in
}

// readDocument reads the statements of a policy.
func readDocument(p template.Policy) ([]*statement, error) {
	name := p.Name
	if name == "" {
		name = "its own policy"
	}

	for element := range p.Document {
		if element != "Version" && element != "Statement" {
			return nil, fmt.Errorf("%s: unknown element %s", name, element)
		}
	}

	var statements []*statement
	for i, item := range asList(p.Document["Statement"]) {
		s, err := readStatement(item)
		if err != nil {
			return nil, fmt.Errorf("%s, statement %d: %w", name, i+1, err)
		}

		s.policy, s.index = p.Name, i
		statements = append(statements, s)
	}

	return statements, nil
}

func readStatement(item any) (*statement, error) {
	elements, ok := item.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%v is no statement", item)
	}

	s := &statement{}

	var err error
	for name, value := range elements {
		switch name {
		case "Sid":
		case "Effect":
			s.deny = value == "Deny"
			if !s.deny && value != "Allow" {
				err = fmt.Errorf("effect %v", value)
			}
		case "Action":
			s.actions, err = texts(value)
		case "Resource":
			s.resources, err = texts(value)
		case "Condition":
			s.conditions, err = readConditions(value)
		default: // such as NotAction: to leave it out could make a refusal an allowance
			err = fmt.Errorf("unknown element %s", name)
		}

		if err != nil {
			return nil, err
		}
	}

	if elements["Effect"] == nil || len(s.actions) == 0 || len(s.resources) == 0 {
		return nil, fmt.Errorf("it lacks an Effect, an Action or a Resource: %v", elements)
	}

	return s, nil
}

func readConditions(value any) ([]condition, error) {
	operators, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%v is no condition", value)
	}

	var conditions []condition
	for operator, keys := range operators {
		if !slices.Contains([]string{equals, like, allAreLike, anyIsLike, null}, operator) {
			return nil, fmt.Errorf("unknown operator %s", operator)
		}

		byKey, ok := keys.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s: %v is no condition", operator, keys)
		}

		for key, value := range byKey {
			values, err := texts(value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}

			if operator == null && (len(values) != 1 || values[0] != "true" && values[0] != "false") {
				return nil, fmt.Errorf("%s: Null is %q, want true or false", key, values)
			}

			conditions = append(conditions, condition{operator: operator, key: key, values: values})
		}
	}

	return conditions, nil
}

// texts reads a string or a list of them.
func texts(value any) ([]string, error) {
	items := asList(value)
	out := make([]string, len(items))

	for i, item := range items {
		text, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("%v is no text", item)
		}

		if strings.Contains(text, "${") {
			return nil, fmt.Errorf("a policy variable in %q", text)
		}

		out[i] = text
	}

	return out, nil
}

func asList(value any) []any {
	switch v := value.(type) {
	case nil:
		return nil
	case []any:
		return v
	}

	return []any{value}
}
