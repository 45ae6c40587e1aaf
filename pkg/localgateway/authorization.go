package localgateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/bitting-keys/bitting/pkg/jsonstring"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// authorization is an authorizer's well-formed answer.
type authorization struct {
	principalID string
	policy      *policy.Parsed // nil for a simple response
	allowed     bool           // of a simple response
	context     map[string]any
	usageKey    string // REST only
}

// parseAuthorization checks the form of an authorizer's answer. Everything that makes API Gateway answer
// with 500 is an error, including a policy that cannot be evaluated, so nothing malformed is ever
// cached. See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
func parseAuthorization(
	payload []byte, a template.Authorizer, kind template.APIKind, policies memo[*policy.Parsed],
) (authorization, error) {
	// a map, since names of struct fields would match in any case
	fields, err := members(payload)
	if err != nil {
		return authorization{}, err
	}

	var answer authorization
	if answer.context, err = parseContext(fields["context"], kind); err != nil {
		return authorization{}, err
	}

	if a.SimpleResponses {
		if isNull(fields["isAuthorized"]) {
			return authorization{}, errors.New("isAuthorized is missing")
		}

		err := json.Unmarshal(fields["isAuthorized"], &answer.allowed)
		return answer, err
	}

	if err := optional(fields["principalId"], &answer.principalID); err != nil ||
		answer.principalID == "" {
		return authorization{}, errors.New("principalId is not a non-empty string")
	}

	if err := optional(fields["usageIdentifierKey"], &answer.usageKey); err != nil {
		return authorization{}, errors.New("usageIdentifierKey is not a string")
	}

	if isNull(fields["policyDocument"]) {
		return authorization{}, errors.New("policyDocument is missing")
	}

	document := fields["policyDocument"]
	if answer.policy, err = policies.of(document, func() (*policy.Parsed, error) {
		return policy.Parse(document)
	}); err != nil {
		return authorization{}, fmt.Errorf("policyDocument: %w", err)
	}

	return answer, nil
}

func optional(raw json.RawMessage, into *string) error {
	if isNull(raw) {
		return nil
	}

	return json.Unmarshal(raw, into)
}

// parseContext reads the context. A REST API accepts scalars and turns them into strings; an HTTP
// API passes any value on unchanged.
func parseContext(raw json.RawMessage, kind template.APIKind) (map[string]any, error) {
	if isNull(raw) {
		return nil, nil
	}

	if kind == template.HTTP {
		var context map[string]any
		if err := decodeObject(raw, &context); err != nil {
			return nil, fmt.Errorf("context: %w", err)
		}

		return context, nil
	}

	fields, err := members(raw)
	if err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}

	context := make(map[string]any, len(fields))
	for key, value := range fields {
		text, ok := scalarText(string(value))
		if !ok {
			return nil, fmt.Errorf("context.%s is neither string nor number nor boolean", key)
		}

		context[key] = text
	}

	return context, nil
}

// members decodes exactly one JSON object, and leaves its values as they are.
func members(data []byte) (fields map[string]json.RawMessage, err error) {
	if data = bytes.TrimSpace(data); len(data) == 0 || data[0] != '{' {
		return nil, errors.New("not a JSON object")
	}

	return fields, json.Unmarshal(data, &fields)
}

// scalarText returns a valid JSON string, number or boolean as a variable shows it.
func scalarText(raw string) (text string, ok bool) {
	switch raw[0] {
	case '{', '[', 'n':
		return "", false
	case '"':
		s := jsonstring.New(raw)
		return s.Text()
	default:
		return raw, true
	}
}

// decodeObject decodes exactly one JSON object and keeps numbers as written.
func decodeObject(data []byte, into any) error {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || data[0] != '{' {
		return errors.New("not a JSON object")
	}

	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()

	if err := d.Decode(into); err != nil {
		return err
	}

	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}

	return nil
}

func isNull[Text ~string | ~[]byte](raw Text) bool {
	return len(raw) == 0 || string(raw) == "null"
}
