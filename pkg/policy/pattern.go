package policy

import (
	"slices"
	"strings"

	"github.com/bitting-keys/bitting/pkg/permission"
)

// pattern is a path as a resource of a policy can say it. A Literal segment stands
// for itself, and a Greedy one, which may be anywhere, for one or more segments:
// there is no wildcard for just one, because * crosses slashes. As every wildcard
// has a slash or the end on both sides, a pattern never splits a segment. A pattern is
// about plain paths only.
type pattern []permission.Segment

// patternOf widens a route's path to a pattern that matches at least its paths. With
// a customer, the segment that names one is that customer.
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

// splits returns the patterns of what a pattern matches beyond the route it is made
// of, because a wildcard that is to be one segment crosses a slash: each wildcard
// once as two.
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

// meets reports whether some path matches both patterns. It reads such a path in
// both of them at once: after the first i segments of p, at[j] says whether q can
// have come as far as j.
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
			at[j+1] = at[j+1] || a.Kind == permission.Greedy // which takes more
			next[j] = next[j] || b.Kind == permission.Greedy
		}

		if !slices.Contains(next, true) {
			return false
		}

		at = next
	}

	return at[len(q)]
}

// resource returns the pattern's paths, after the stage and method, as a policy says
// them. A wildcard would also match nothing, but then the path has an empty segment
// or a slash at its end, which [rough] denies, or it is the root: see matchesRoot. So
// there is no need for a ?, which AWS calls one character in one guide, and one or none
// in another.
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

// matchesRoot reports whether the pattern's resource matches the root too, which the
// pattern doesn't.
func (p pattern) matchesRoot() bool {
	return len(p) == 1 && p[0].Kind != permission.Literal
}

// plain reports whether the pattern has plain literals only.
func (p pattern) plain() bool {
	return !slices.ContainsFunc(p, func(s permission.Segment) bool {
		return s.Kind == permission.Literal && !plain(s.Text)
	})
}

// notPlain are the characters with which a path is left to a document of its own: an
// escape or a semicolon may be ambiguous where it stands, which no pattern can say; a
// colon separates the parts of an ARN, and by the letter of IAM's guide only a * at
// the end of a part crosses it.
const notPlain = `%;:\`

// plain reports whether a path that the check allows is said by documents that serve
// more than one path. The others are those that [rough] denies.
func plain(path string) bool {
	return !strings.ContainsAny(path, notPlain) && (path == "/" || !strings.HasSuffix(path, "/"))
}

// rough returns patterns of all paths of a stage that are not plain, and of those
// that never have a route because another reader might take them for others. Each has
// the API's id before its first *, since a wildcard in the place of that may match
// nothing at all.
func rough(stage string) []string {
	globs := []string{
		`*%*`, `*;*`, `*:*`, `*\*`, `*#*`, `*//*`, `*/./*`, `*/../*`, `*/.`, `*/..`, `*/*/`,
	}
	for i, g := range globs {
		globs[i] = stage + "/" + g
	}

	return globs
}
