package policy

import (
	"slices"
	"strings"

	"github.com/bitting-keys/bitting/pkg/permission"
)

// pattern is a path as a resource of a policy can say it. A Literal segment stands
// for itself, and a Greedy one, which may be anywhere, for one or more segments:
// there is no wildcard for just one, because * crosses slashes. As every wildcard
// has a slash or the end on both sides, a pattern never splits a segment.
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
			if !at[j] || (a.Kind == permission.Literal && b.Kind == permission.Literal && a.Text != b.Text) {
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

// resources returns the pattern's paths, after the stage and method, as a policy
// says them. A trailing slash is ignored by the check, so each path stands with and
// without one. The last wildcard is ?*, since /a/ has no segment after the a; one in
// the middle may be *, because what it would match when empty is unclean.
func (p pattern) resources(prefix string) []string {
	var b strings.Builder
	b.WriteString(prefix)
	for i, s := range p {
		b.WriteByte('/')
		switch {
		case s.Kind == permission.Literal:
			b.WriteString(s.Text)
		case i == len(p)-1:
			b.WriteString("?*")
		default:
			b.WriteByte('*')
		}
	}
	switch {
	case len(p) == 0:
		return []string{b.String() + "/"}
	case p[len(p)-1].Kind == permission.Literal:
		return []string{b.String(), b.String() + "/"}
	}
	return []string{b.String()}
}

// unclean returns patterns of the paths that have no route because another reader
// might take them for different ones. They match the requests to every API of the
// partition, which costs nothing and keeps them short.
func unclean(partition string) []string {
	globs := []string{
		`*//*`, `*/./*`, `*/../*`, `*/.`, `*/..`, `*\*`,
		`*%2e*`, `*%2E*`, `*%2f*`, `*%2F*`, `*%5c*`, `*%5C*`,
	}
	for i, g := range globs {
		globs[i] = "arn:" + partition + ":execute-api:*:*:" + g
	}
	return globs
}
