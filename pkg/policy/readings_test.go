package policy_test

import (
	"strings"

	"github.com/bitting-keys/bitting/pkg/policy"
)

// reading is one interpretation of IAM's guide where it is ambiguous about wildcards. It shares no
// code with the evaluator.
type reading struct {
	// parts: a * that is not the last character of its part of an ARN stays in that part. With
	// stays, every * does.
	parts, stays bool
	// optional: a ? may also match nothing.
	optional bool
	// typed: a * in place of the API's id, where other services have the type of a resource, makes
	// the whole pattern match nothing.
	typed bool
}

var readings = map[string]reading{
	"at its most generous":       {},
	"a * stays in its part":      {parts: true},
	"every * stays in its part":  {parts: true, stays: true},
	"a ? is optional":            {optional: true},
	"no * for a resource's type": {typed: true},
	"by its letter":              {parts: true, optional: true, typed: true},
}

// opens reports whether the document allows a request, by this reading.
func (r reading) opens(d policy.Document, arn string) bool {
	open := false
	for _, s := range d.Statement {
		for _, pattern := range s.Resource {
			if !r.matches(pattern, arn) {
				continue
			}

			if s.Effect == "Deny" {
				return false
			}

			open = true
		}
	}

	return open
}

func (r reading) matches(pattern, arn string) bool {
	if parts := strings.SplitN(pattern, ":", 6); r.typed && len(parts) == 6 {
		if id, _, _ := strings.Cut(parts[5], "/"); strings.ContainsAny(id, "*?") {
			return false
		}
	}

	return r.rest(pattern, arn)
}

func (r reading) rest(pattern, arn string) bool {
	switch {
	case pattern == "":
		return arn == ""
	case pattern[0] == '*':
		last := len(pattern) == 1 || pattern[1] == ':'
		for i := 0; ; i++ {
			if r.rest(pattern[1:], arn[i:]) {
				return true
			}

			if i == len(arn) || (arn[i] == ':' && r.parts && (r.stays || !last)) {
				return false
			}
		}
	case pattern[0] == '?':
		return (r.optional && r.rest(pattern[1:], arn)) ||
			(arn != "" && r.rest(pattern[1:], arn[1:]))
	}

	return arn != "" && arn[0] == pattern[0] && r.rest(pattern[1:], arn[1:])
}
