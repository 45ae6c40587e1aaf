package policy

import (
	"errors"
	"fmt"
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

// ParseARN reads the ARN of a request. Only the first five colons and three slashes are
// separators, since a path may contain both: a parser that split at the last colon would let a
// caller choose what the policy is for. It allocates nothing.
func ParseARN(s string) (ARN, error) {
	if len(s) > MaxARN {
		return ARN{}, fmt.Errorf("%w: longer than %d bytes", ErrARN, MaxARN)
	}

	var a ARN

	arn, rest, _ := strings.Cut(s, ":")
	a.Partition, rest, _ = strings.Cut(rest, ":")
	service, rest, _ := strings.Cut(rest, ":")
	a.Region, rest, _ = strings.Cut(rest, ":")

	var found bool
	if a.Account, rest, found = strings.Cut(rest, ":"); !found || arn != "arn" || service != "execute-api" {
		return ARN{}, fmt.Errorf("%w: it must start as "+
			"arn:{partition}:execute-api:{region}:{account}:{api}", ErrARN)
	}

	a.API, rest, _ = strings.Cut(rest, "/")

	a.Stage, rest, found = strings.Cut(rest, "/")
	handshake := found && rest == Connect[1:]

	slash := strings.IndexByte(rest, '/')
	switch {
	case handshake:
		a.Path = Connect
	case slash < 0:
		return ARN{}, fmt.Errorf("%w: it must end with {api}/{stage}/{method}/{path}", ErrARN)
	default:
		a.Method, a.Path = rest[:slash], rest[slash:]
	}

	// A stage may be $default.
	for _, field := range [...]string{
		a.Partition, a.Region, a.Account, a.API, strings.TrimPrefix(a.Stage, "$"),
	} {
		if !isName(field) {
			return ARN{}, fmt.Errorf("%w: %q is not a name", ErrARN, field)
		}
	}

	if !handshake && !isName(a.Method) {
		return ARN{}, fmt.Errorf("%w: %q is not a method", ErrARN, a.Method)
	}

	return a, nil
}

// isName reports whether a field before the path has only characters that are not special in a
// policy's patterns, of which it becomes a part: ^[A-Za-z0-9_-]+$.
func isName(field string) bool {
	for i := range len(field) {
		switch c := field[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}

	return field != ""
}

// String returns the ARN as API Gateway writes it.
func (a ARN) String() string {
	if a.Method == "" {
		return a.stage() + a.Path
	}

	return a.stage() + "/" + a.Method + a.Path
}

// ofStage returns what the ARNs of all requests to the same stage have in common.
func (a ARN) ofStage() ARN {
	a.Method, a.Path = "", ""
	return a
}

// stage returns the prefix of the ARNs of all requests to the same stage.
func (a ARN) stage() string {
	return "arn:" + a.Partition + ":execute-api:" + a.Region + ":" + a.Account + ":" + a.API + "/" +
		a.Stage
}
