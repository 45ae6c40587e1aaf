package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// MaxARN is the longest method ARN in bytes; API Gateway answers 414 to a request
// with a longer one. See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
const MaxARN = 1600

// ErrARN is wrapped by the errors of [ParseARN].
var ErrARN = errors.New("not the ARN of a request to an API")

// Connect is what the ARN of a WebSocket API's handshake has after its stage, in place of a method
// and a path.
const Connect = "/$connect"

// ARN names a request to an API, as API Gateway gives it to an authorizer:
// arn:{Partition}:execute-api:{Region}:{Account}:{API}/{Stage}/{Method}{Path}. The handshake of a
// WebSocket API has no Method, and its Path is [Connect].
type ARN struct {
	Partition, Region, Account string
	// API is API Gateway's id of the API, not its name in permissions.
	API, Stage, Method string
	// Path is the request's path as it was sent, with its leading slash.
	Path string
}

// The fields before the path become part of a policy's patterns, so they must not contain
// characters that are special there.
var arnFields = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)

// ParseARN reads the ARN of a request. Only the first five colons and three slashes are
// separators, since a path may contain both: a parser that split at the last colon would let a
// caller choose what the policy is for.
func ParseARN(s string) (ARN, error) {
	if len(s) > MaxARN {
		return ARN{}, fmt.Errorf("%w: longer than %d bytes", ErrARN, MaxARN)
	}

	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "execute-api" {
		return ARN{}, fmt.Errorf("%w: it must start as "+
			"arn:{partition}:execute-api:{region}:{account}:{api}", ErrARN)
	}

	call := strings.SplitN(parts[5], "/", 4)

	handshake := len(call) == 3 && "/"+call[2] == Connect
	if handshake {
		call = []string{call[0], call[1], "", call[2]}
	}

	if len(call) != 4 {
		return ARN{}, fmt.Errorf("%w: it must end with {api}/{stage}/{method}/{path}", ErrARN)
	}

	a := ARN{
		Partition: parts[1],
		Region:    parts[3],
		Account:   parts[4],
		API:       call[0],
		Stage:     call[1],
		Method:    call[2],
		Path:      "/" + call[3],
	}
	// A stage may be $default.
	fields := []string{
		a.Partition, a.Region, a.Account, a.API, strings.TrimPrefix(a.Stage, "$"),
	}
	if !handshake {
		fields = append(fields, a.Method)
	}

	for _, field := range fields {
		if field == "" || !arnFields.MatchString(field) {
			return ARN{}, fmt.Errorf("%w: %q is not a name", ErrARN, field)
		}
	}

	return a, nil
}

// String returns the ARN as API Gateway writes it.
func (a ARN) String() string {
	if a.Method == "" {
		return a.stage() + a.Path
	}

	return a.stage() + "/" + a.Method + a.Path
}

// stage returns the prefix of the ARNs of all requests to the same stage.
func (a ARN) stage() string {
	return "arn:" + a.Partition + ":execute-api:" + a.Region + ":" + a.Account + ":" + a.API + "/" +
		a.Stage
}
