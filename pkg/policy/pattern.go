package policy

import (
	"slices"
	"strings"

	"github.com/bitting-keys/bitting/pkg/permission"
)

// pattern is a path as a resource of a policy can express it. A Literal segment matches itself. A
// Greedy one may be anywhere and matches one or more segments: there is no wildcard for exactly
// one, because * crosses slashes. Every wildcard has a slash or the end on both sides, so a
// pattern never splits a segment. A pattern is about plain paths only.
type pattern []permission.Segment

// patternOf widens a route's path to a pattern that matches at least its paths. With a customer,
// the customer's segment becomes a literal.
func patternOf(segments []permission.Segment, customer string) pattern {
	p := make(pattern, len(segments))
	for i, s := range segments {
		switch {
		case s.Kind == permission.Literal:
			p[i] = s
		case customer != "" && s.Text == permission.CustomerParam:
			p[i] = permission.Segment{Kind: permission.Literal, Text: customer}
		default:
			p[i] = permission.Segment{Kind: permission.Greedy}
		}
	}

	return p
}

// splits returns patterns of what p matches beyond its route because a wildcard for one segment
// crosses a slash: for each wildcard, the pattern with two in its place.
func (p pattern) splits() []pattern {
	var split []pattern
	for i, s := range p {
		if s.Kind == permission.Greedy {
			split = append(split, slices.Insert(slices.Clone(p), i, s))
		}
	}

	return split
}

// meetsAny reports whether some path matches the pattern and one of the others.
func (p pattern) meetsAny(others []pattern) bool {
	return slices.ContainsFunc(others, p.meets)
}

// meets reports whether some path matches both patterns. It reads such a path in both at once:
// after the first i segments of p, at[j] is whether q can have reached j.
func (p pattern) meets(q pattern) bool {
	at := make([]bool, len(q)+1)

	at[0] = true
	for _, a := range p {
		next := make([]bool, len(q)+1)
		for j, b := range q {
			if !at[j] ||
				(a.Kind == permission.Literal && b.Kind == permission.Literal && a.Text != b.Text) {
				continue
			}

			next[j+1] = true
			at[j+1] = at[j+1] || a.Kind == permission.Greedy // which takes more segments
			next[j] = next[j] || b.Kind == permission.Greedy
		}

		if !slices.Contains(next, true) {
			return false
		}

		at = next
	}

	return at[len(q)]
}

// resource returns the pattern's paths, after the stage and method, in a policy's syntax. A
// wildcard also matches nothing. But then the path has an empty segment or a slash at its end,
// which [rough] denies, or it is the root: see matchesRoot. So ? is not needed: one of AWS's guides
// calls it one character, another one or none.
func (p pattern) resource(prefix string) string {
	if len(p) == 0 {
		return prefix + "/"
	}

	var b strings.Builder
	b.WriteString(prefix)

	for _, s := range p {
		b.WriteByte('/')

		if s.Kind == permission.Literal {
			b.WriteString(s.Text)
		} else {
			b.WriteByte('*')
		}
	}

	return b.String()
}

// matchesRoot reports whether the pattern's resource matches the root although the pattern does
// not.
func (p pattern) matchesRoot() bool {
	return len(p) == 1 && p[0].Kind != permission.Literal
}

// plain reports whether all literals of the pattern are plain.
func (p pattern) plain() bool {
	return !slices.ContainsFunc(p, func(s permission.Segment) bool {
		return s.Kind == permission.Literal && !plain(s.Text)
	})
}

// notPlain are the characters that exclude a path from shared documents. An escape or a semicolon
// may be ambiguous depending on its place, which no pattern can express. A colon separates the
// parts of an ARN, and by the letter of IAM's guide only a * at the end of a part crosses it.
const notPlain = `%;:\`

// plain reports whether documents that serve more than one path cover the path. The others are
// those that [rough] denies.
func plain(path string) bool {
	return !strings.ContainsAny(path, notPlain) && (path == "/" || !strings.HasSuffix(path, "/"))
}

// rough returns patterns for all paths of a stage that are not plain, and for those that never
// have a route because another reader might interpret them differently. In each, the API's id
// comes before the first *, since a wildcard in its place may match nothing at all.
func rough(stage string) []string {
	globs := []string{
		`*%*`, `*;*`, `*:*`, `*\*`, `*#*`, `*//*`, `*/./*`, `*/../*`, `*/.`, `*/..`, `*/*/`,
	}
	for i, g := range globs {
		globs[i] = stage + "/" + g
	}

	return globs
}
