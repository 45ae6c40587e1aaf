package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Decision is the result of evaluating a policy document for a request.
type Decision int

const (
	// ImplicitDeny means that no statement matches.
	ImplicitDeny Decision = iota
	// Allow means that an Allow statement matches and no Deny statement does.
	Allow
	// ExplicitDeny means that a Deny statement matches, even if an Allow statement does too.
	ExplicitDeny
)

// String returns IAM's name of the decision.
func (d Decision) String() string {
	switch d {
	case Allow:
		return "allowed"
	case ExplicitDeny:
		return "explicitDeny"
	case ImplicitDeny:
		return "implicitDeny"
	}

	return fmt.Sprintf("Decision(%d)", int(d))
}

var (
	// ErrMalformed is wrapped by the errors of [Evaluate] for a document that is not a policy. API
	// Gateway answers 500 when an authorizer returns one.
	ErrMalformed = errors.New("malformed policy document")
	// ErrUnsupported is wrapped by the errors of [Evaluate] for a document that
	// uses a part of the policy language that Evaluate does not know.
	ErrUnsupported = errors.New("unsupported policy element")
)

// Evaluate returns what API Gateway decides by an authorizer's policy document, given as JSON, for
// an action such as "execute-api:Invoke" on the ARN of a request.
//
// It is written from the IAM rules alone and shares no code with what builds documents, so that
// each can be tested against the other. The rules:
//
//   - An explicit Deny wins over any Allow, and no match is a refusal.
//   - Actions are compared without regard to case, resources with regard to it.
//   - * stands for any run of characters, including / and :, and ? for exactly one.
//
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
//
// Principals, the Not elements, policy variables and every condition but DateLessThan of
// aws:CurrentTime are refused with [ErrUnsupported]: ignoring one could turn a refusal into an
// allowance. That condition is false here, as in IAM when a condition's key has no value: see
// [EvaluateAt].
func Evaluate(document []byte, action, arn string) (Decision, error) {
	return evaluate(document, action, arn, time.Time{})
}

// EvaluateAt is Evaluate for a request at a time. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
func EvaluateAt(document []byte, action, arn string, at time.Time) (Decision, error) {
	return evaluate(document, action, arn, at)
}

// Parsed is a document that was read once, to be evaluated for many requests.
type Parsed struct{ statements []parsed }

// Parse reads a document. Its errors are those of [Evaluate].
func Parse(document []byte) (*Parsed, error) {
	statements, err := parseDocument(document)
	if err != nil {
		return nil, err
	}

	return &Parsed{statements}, nil
}

// EvaluateAt is the function [EvaluateAt] for this document.
func (p *Parsed) EvaluateAt(action, arn string, at time.Time) Decision {
	decision := ImplicitDeny
	for _, s := range p.statements {
		if !s.holds(at) || !s.matches(action, arn) {
			continue
		}

		if s.deny {
			return ExplicitDeny
		}

		decision = Allow
	}

	return decision
}

// evaluate decides for a time; the zero time means that the time is not known.
func evaluate(document []byte, action, arn string, at time.Time) (Decision, error) {
	p, err := Parse(document)
	if err != nil {
		return ImplicitDeny, err
	}

	return p.EvaluateAt(action, arn, at), nil
}

// parsed is a statement as the evaluator understands it.
type parsed struct {
	deny      bool
	actions   []string // lower case
	resources []string
	before    []time.Time // from the condition; nil if there is none
}

// holds reports whether the statement's condition is met: one of its values is enough.
func (s parsed) holds(at time.Time) bool {
	later := func(end time.Time) bool { return !at.IsZero() && at.Before(end) }
	return s.before == nil || slices.ContainsFunc(s.before, later)
}

func (s parsed) matches(action, arn string) bool {
	action = strings.ToLower(action)
	return slices.ContainsFunc(s.actions, func(p string) bool { return Glob(p, action) }) &&
		slices.ContainsFunc(s.resources, func(p string) bool { return Glob(p, arn) })
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

func parseDocument(document []byte) ([]parsed, error) {
	fields, err := object(document)
	if err != nil {
		return nil, err
	}

	for name, value := range fields {
		switch name {
		case "Statement":
		case "Id":
			err = text(name, value, new(string))
		case "Version":
			err = version(value)
		default:
			err = malformed("unknown element %q", name)
		}

		if err != nil {
			return nil, err
		}
	}

	raw, ok := fields["Statement"]
	if !ok {
		return nil, malformed("no Statement")
	}

	items := []json.RawMessage{raw}
	if raw[0] == '[' {
		if err := json.Unmarshal(raw, &items); err != nil {
			return nil, malformed("Statement: %v", err)
		}
	}

	statements := make([]parsed, 0, len(items))
	for _, item := range items {
		s, err := parseStatement(item)
		if err != nil {
			return nil, err
		}

		statements = append(statements, s)
	}

	return statements, nil
}

func version(value json.RawMessage) error {
	var v string
	if err := text("Version", value, &v); err != nil {
		return err
	}

	if v != "2012-10-17" && v != "2008-10-17" {
		return malformed("Version %q", v)
	}

	return nil
}

func parseStatement(data json.RawMessage) (parsed, error) {
	fields, err := object(data)
	if err != nil {
		return parsed{}, err
	}

	var s parsed

	var effect string
	for name, value := range fields {
		switch name {
		case "Sid":
			err = text(name, value, new(string))
		case "Effect":
			err = text(name, value, &effect)
		case "Action":
			s.actions, err = list(name, value)
		case "Resource":
			s.resources, err = list(name, value)
		case "Condition":
			s.before, err = condition(value)
		// ignoring one could turn a refusal into an allowance
		case "NotAction", "NotResource", "Principal", "NotPrincipal":
			err = fmt.Errorf("%w: %s", ErrUnsupported, name)
		default:
			err = malformed("unknown element %q in a statement", name)
		}

		if err != nil {
			return parsed{}, err
		}
	}

	if effect != "Allow" && effect != "Deny" {
		return parsed{}, malformed("Effect must be Allow or Deny, not %q", effect)
	}

	if len(s.actions) == 0 || len(s.resources) == 0 {
		return parsed{}, malformed("a statement needs an Action and a Resource")
	}

	s.deny = effect == "Deny"
	for i, a := range s.actions {
		s.actions[i] = strings.ToLower(a)
	}

	return s, nil
}

// condition reads the times of the only supported condition. As in IAM, the name of its key may be
// in any case.
func condition(data json.RawMessage) ([]time.Time, error) {
	operators, err := object(data)
	if err != nil {
		return nil, err
	}

	var ends []time.Time
	for operator, block := range operators {
		keys, err := object(block)
		if err != nil {
			return nil, err
		}

		for key, value := range keys {
			if operator != dateLessThan || !strings.EqualFold(key, currentTime) || ends != nil {
				return nil, fmt.Errorf("%w: the condition %s of %s", ErrUnsupported, operator, key)
			}

			if ends, err = times(key, value); err != nil {
				return nil, err
			}
		}
	}

	if len(ends) == 0 {
		return nil, fmt.Errorf("%w: a Condition without a time", ErrUnsupported)
	}

	return ends, nil
}

// times reads one time or a list of them.
func times(name string, value json.RawMessage) ([]time.Time, error) {
	texts, err := list(name, value)
	if err != nil {
		return nil, err
	}

	out := make([]time.Time, len(texts))
	for i, text := range texts {
		if out[i], err = time.Parse(time.RFC3339, text); err != nil {
			return nil, malformed("%s: %v", name, err)
		}
	}

	return out, nil
}

// object reads a JSON object strictly. encoding/json would accept "effect" for "Effect", and the
// last of two equal names, which IAM refuses.
func object(data []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, malformed("expected an object")
	}

	fields := make(map[string]json.RawMessage)
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, malformed("%v", err)
		}

		name, ok := token.(string)
		if _, twice := fields[name]; twice || !ok {
			return nil, malformed("%v occurs twice", token)
		}

		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, malformed("%s: %v", name, err)
		}

		fields[name] = value
	}

	if _, err := decoder.Token(); err != nil {
		return nil, malformed("%v", err)
	}

	if decoder.InputOffset() != int64(len(bytes.TrimRight(data, " \t\r\n"))) {
		return nil, malformed("something follows the object")
	}

	return fields, nil
}

// text reads a JSON string; null is refused.
func text(name string, value json.RawMessage, into *string) error {
	if value[0] != '"' {
		return malformed("%s must be a string", name)
	}

	if err := json.Unmarshal(value, into); err != nil {
		return malformed("%s: %v", name, err)
	}

	return nil
}

// list reads a string or a list of strings.
func list(name string, value json.RawMessage) ([]string, error) {
	items := []json.RawMessage{value}
	if value[0] == '[' {
		if err := json.Unmarshal(value, &items); err != nil {
			return nil, malformed("%s: %v", name, err)
		}
	}

	texts := make([]string, len(items))
	for i, item := range items {
		if err := text(name, item, &texts[i]); err != nil {
			return nil, err
		}

		if strings.Contains(texts[i], "${") {
			return nil, fmt.Errorf("%w: a policy variable in %s", ErrUnsupported, name)
		}
	}

	return texts, nil
}
