package permission

import (
	"errors"
	"fmt"
	"strings"
)

// SegmentKind is what a segment of a path template matches.
type SegmentKind int

const (
	// Literal matches exactly its text.
	Literal SegmentKind = iota
	// Parameter is written {name} and matches any one segment.
	Parameter
	// Greedy is written {name+} and matches one or more segments up to the end.
	Greedy
)

// Segment is the part of a path template between two slashes.
type Segment struct {
	Kind SegmentKind
	// Text is the literal text, or the parameter's name.
	Text string
}

// maxPath is the maximum length of a path template, in bytes. With the longest ARN prefix of a
// stage it fits into the 512 characters that API Gateway allows for a resource of an authorizer's
// policy.
const maxPath = 200

// ParsePath reads a path template: literal segments, parameters such as {id}, and at the end
// possibly a greedy parameter such as {proxy+}. The root "/" has no segments.
func ParsePath(template string) ([]Segment, error) {
	switch {
	case !strings.HasPrefix(template, "/"):
		return nil, errors.New("must start with a slash")
	case len(template) > maxPath:
		return nil, fmt.Errorf("must be at most %d bytes long", maxPath)
	case template == "/":
		return nil, nil
	case strings.HasSuffix(template, "/"):
		return nil, errors.New("must not end with a slash")
	}

	parts := strings.Split(template[1:], "/")
	segments := make([]Segment, 0, len(parts))

	seen := make(map[string]bool)
	for i, part := range parts {
		segment, err := parseSegment(part)
		if err != nil {
			return nil, err
		}

		if segment.Kind == Greedy && i != len(parts)-1 {
			return nil, fmt.Errorf("%s must be the last segment", part)
		}

		if segment.Kind != Literal {
			if seen[segment.Text] {
				return nil, fmt.Errorf("names the parameter %s twice", segment.Text)
			}

			seen[segment.Text] = true
		}

		segments = append(segments, segment)
	}

	return segments, nil
}

func parseSegment(part string) (Segment, error) {
	kind, name := splitSegment(part)
	switch {
	case part == "":
		return Segment{}, errors.New("must not have an empty segment")
	case part == "." || part == "..":
		return Segment{}, fmt.Errorf("must not have the segment %s", part)
	case kind == Literal && !isLiteral(part):
		return Segment{}, fmt.Errorf("segment %q: a literal has only letters, digits and "+
			"._~$@!+=,:-, a parameter is {name} or {name+}", part)
	case kind != Literal && !isParameter(name):
		return Segment{}, fmt.Errorf("segment %q: a parameter's name has 1 to 64 letters, "+
			"digits, dots, hyphens and underscores", part)
	}

	return Segment{Kind: kind, Text: name}, nil
}

// splitSegment distinguishes parameters from literals by their braces alone.
func splitSegment(part string) (SegmentKind, string) {
	if !strings.HasPrefix(part, "{") || !strings.HasSuffix(part, "}") {
		return Literal, part
	}

	name := part[1 : len(part)-1]
	if greedy, ok := strings.CutSuffix(name, "+"); ok {
		return Greedy, greedy
	}

	return Parameter, name
}

// SameShape reports whether two path templates are equal except for the names of their parameters.
// It serves to compare the route found here with the resource that API Gateway found.
func SameShape(a, b string) bool {
	return a == b || shape(a) == shape(b)
}

// shape returns the template without the names of its parameters.
func shape(template string) string {
	parts := strings.Split(template, "/")
	for i, part := range parts {
		switch kind, _ := splitSegment(part); kind {
		case Parameter:
			parts[i] = "{}"
		case Greedy:
			parts[i] = "{+}"
		case Literal:
		}
	}

	return strings.Join(parts, "/")
}
