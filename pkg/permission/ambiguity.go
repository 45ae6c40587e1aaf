package permission

import (
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Ambiguity is why different readers may interpret a path differently. Between the check and the
// handler that serves a call, a component may decode a path once or twice, cut off what follows a
// semicolon, trim segments, or resolve dots. A path that one of them could take to another route
// of the API, or to none, is ambiguous. All of them route every other path alike.
type Ambiguity int

const (
	// Unambiguous means that all readers agree on the route of the path.
	Unambiguous Ambiguity = iota
	// AmbiguousCharacter is a backslash, a control character, or a character that no path has: ?
	// or #.
	AmbiguousCharacter
	// AmbiguousSegment is an empty segment, "." or "..", or one that becomes such when it is
	// trimmed or cut off at a semicolon.
	AmbiguousSegment
	// AmbiguousEncoding is an escape of one of these kinds:
	//
	//   - of a character that needs none, so that the same path has another spelling (RFC 3986,
	//     section 6.2.2)
	//   - of a character that is special to a second reader: / \ ? # % and control characters
	//   - malformed, or not UTF-8
	//   - any escape in a segment where a route has a literal
	AmbiguousEncoding
	// AmbiguousParameter is a semicolon in a segment where a route has a literal.
	AmbiguousParameter
	// AmbiguousSlash is a trailing slash that routers which do not ignore it attribute to another,
	// greedy route, whose parameter they allow to be empty.
	AmbiguousSlash
)

// Ambiguity returns whether, and why, a path is ambiguous to components that route calls of an
// API. Methods don't matter: the path decides first.
func (c *Catalogue) Ambiguity(api, path string) Ambiguity {
	rest, slash := strings.CutSuffix(strings.TrimPrefix(path, "/"), "/")
	if rest == "" && !slash {
		return Unambiguous // the root
	}

	for segment := range strings.SplitSeq(rest, "/") {
		if a := spelling(segment); a != Unambiguous {
			return a
		}
	}

	if strings.ContainsAny(rest, "%;") {
		if a := c.table(api).root.contested(rest); a != Unambiguous {
			return a
		}
	}

	if slash && c.table(api).root.slashMatters(rest) {
		return AmbiguousSlash
	}

	return Unambiguous
}

// spelling returns what is ambiguous about a segment at any place.
func spelling(segment string) Ambiguity {
	plain := true // no reader finds another text in it
	for i := range len(segment) {
		switch c := segment[i]; {
		case c < ' ' || c == 0x7f || c == '\\' || c == '?' || c == '#':
			return AmbiguousCharacter
		case c == '%' || c == ';' || c == ' ' || c >= utf8.RuneSelf:
			plain = false
		}
	}

	if !plain {
		decoded, ok := decode(segment)
		if !ok {
			return AmbiguousEncoding
		}

		segment, _, _ = strings.Cut(decoded, ";")
		segment = strings.TrimSpace(segment)
	}

	switch segment {
	case "", ".", "..":
		return AmbiguousSegment
	}

	return Unambiguous
}

// decode decodes the escapes in a segment; ok is false if one of them is ambiguous.
func decode(segment string) (decoded string, ok bool) {
	if !strings.Contains(segment, "%") {
		return segment, true
	}

	var b strings.Builder
	for i := 0; i < len(segment); i++ {
		c := segment[i]
		if c == '%' {
			if len(segment) < i+3 {
				return "", false
			}

			code, err := hex.DecodeString(segment[i+1 : i+3])
			if err != nil || standsForItself(code[0]) {
				return "", false
			}

			c = code[0]
			i += 2
		}

		b.WriteByte(c)
	}

	decoded = b.String()
	if !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, unicode.IsControl) ||
		strings.ContainsAny(decoded, `/\?#%`) {
		return "", false
	}

	return decoded, true
}

// standsForItself reports whether a character is unreserved by RFC 3986: escaped or not, it means
// the same.
func standsForItself(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("-._~", c) >= 0
}

// contested returns what is ambiguous about the rest of a path because of the API's routes. It
// follows every branch, since one reader may find a literal where another found a parameter. It
// visits each node at most once.
func (n *node) contested(rest string) Ambiguity {
	segment, rest, more := strings.Cut(rest, "/")
	if len(n.literals) > 0 {
		switch {
		case strings.Contains(segment, "%"):
			return AmbiguousEncoding
		case strings.Contains(segment, ";"):
			return AmbiguousParameter
		}
	}

	if !more {
		return Unambiguous
	}

	for _, next := range n.ways(segment) {
		if a := next.contested(rest); a != Unambiguous {
			return a
		}
	}

	return Unambiguous
}

// slashMatters reports whether a trailing slash leads another router to another route: to a greedy
// one instead of one that is not, or to one whose parameter would begin after the slash.
func (n *node) slashMatters(rest string) bool {
	found := n.find(rest, true)
	within, after := n.greedyOnTheWay(rest)
	return after || (within && found != nil && !found.greedy)
}

// greedyOnTheWay reports whether a greedy parameter on some branch matches the rest of the path,
// and whether one begins where the path ends.
func (n *node) greedyOnTheWay(rest string) (within, after bool) {
	segment, rest, more := strings.Cut(rest, "/")

	within = n.greedy != nil
	for _, next := range n.ways(segment) {
		if !more {
			after = after || next.greedy != nil
			continue
		}

		w, a := next.greedyOnTheWay(rest)
		within, after = within || w, after || a
	}

	return within, after
}

// ways returns the nodes that a segment leads to, except that of a greedy parameter.
func (n *node) ways(segment string) []*node {
	var to []*node
	if literal := n.literals[segment]; literal != nil {
		to = append(to, literal)
	}

	if n.parameter != nil {
		to = append(to, n.parameter)
	}

	return to
}
