package policy

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/bitting-keys/bitting/pkg/permission"
)

// maxWork bounds the search for one document: how many positions in patterns it may visit, at some
// tens of nanoseconds each. When a document needs more, a narrower one is made instead.
const maxWork = 1_000_000

// search decides whether a set of allowing patterns, together with some denials, can allow exactly
// the intended paths, and which denials that takes.
//
// It reads plain paths segment by segment, as words over an alphabet: the literals that occur in
// some pattern or route, and one other segment. That segment stands for all that occur nowhere,
// since no pattern distinguishes them. The future of a word depends only on how far each route and
// each pattern has matched, so words that reach the same positions are explored once. The set of
// words is therefore finite, and the answer is a proof for all plain paths.
type search struct {
	// patterns are the paths of the routes that should be open, and of other routes;
	// then those that allow, and those that could be used to deny.
	patterns []pattern
	// opening and closing are the indexes at which the third and fourth kind start; open is the
	// number of patterns of the first kind.
	open, opening, closing int
	// other is a segment that occurs in no pattern.
	other string
}

// position means that the first at segments of a pattern have matched.
type position struct{ pattern, at int }

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.pattern, q.pattern), cmp.Compare(p.at, q.at))
}

// word is the part of a path that has been read, with the positions it leads to, in order.
type word struct {
	path  string
	state []position
}

// newSearch prepares the search for one method. Possible denials are:
//
//   - the path of each route of the API, since the path decides before the method, with a wildcard
//     for the customer and with each customer of the grant
//   - what the allowing patterns match beyond their routes because wildcards cross slashes
//   - the root, which an allowing pattern of one wildcard matches too
//
// Routes and denials that have no path in common with the allowed ones are left out.
func newSearch(
	entries []permission.Entry, open opening, customers func(permission.Entry) []string,
) *search {
	s := &search{}
	for _, e := range open.routes {
		s.patterns = append(s.patterns, e.Segments)
	}

	s.open = len(s.patterns)
	for _, e := range entries {
		if pattern(e.Segments).meetsAny(open.patterns) {
			s.patterns = append(s.patterns, e.Segments)
		}
	}

	s.opening = len(s.patterns)
	s.patterns = append(s.patterns, open.patterns...)

	s.closing = len(s.patterns)
	s.patterns = append(s.patterns, pattern{})

	for _, p := range open.patterns {
		s.patterns = append(s.patterns, p.splits()...)
	}

	for _, e := range entries {
		widest := patternOf(e.Segments, "")
		if !widest.plain() || !widest.meetsAny(open.patterns) {
			continue
		}

		s.patterns = append(s.patterns, widest)
		for _, customer := range customers(e) {
			if p := patternOf(e.Segments, customer); customer != "" && p.meetsAny(open.patterns) {
				s.patterns = append(s.patterns, p)
			}
		}
	}

	used := make(map[string]bool)
	for _, p := range s.patterns {
		for _, segment := range p {
			used[segment.Text] = true
		}
	}

	// A segment that no pattern has, so that it stands for all of them.
	for s.other = "~"; used[s.other]; {
		s.other += "~"
	}

	return s
}

// solve returns the denials with which the opening patterns allow exactly what wanted allows. ok
// is false when there are none, or when the search would exceed the budget, which it uses up.
func (s *search) solve(wanted func(path string) bool, budget *int) (denials []pattern, ok bool) {
	harmful := make([]bool, len(s.patterns)) // denials that would refuse an intended path
	// for each word that is allowed but should not be, the denials that cover it
	var excesses [][]int
	seen := make(map[string]bool)

	queue := []word{s.start()}
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]

		allowed, closing := s.verdict(w)
		switch want := wanted(cmp.Or(w.path, "/")); {
		case want && !allowed:
			return nil, false
		case want:
			for _, p := range closing {
				harmful[p] = true
			}
		case allowed && len(closing) == 0:
			return nil, false // choose would find out too, but only after the whole search
		case allowed:
			excesses = append(excesses, closing)
		}

		for _, next := range s.successors(w) {
			if *budget -= len(next.state); *budget < 0 {
				return nil, false
			}

			// a state that was reached before has the same continuations
			if key := next.key(); s.matters(next) && !seen[key] {
				seen[key] = true
				queue = append(queue, next)
			}
		}
	}

	return s.choose(excesses, harmful)
}

// choose picks, among the denials that cover each excess, ones that do no harm, preferring those
// that cover the most.
func (s *search) choose(excesses [][]int, harmful []bool) (denials []pattern, ok bool) {
	removes := make([]int, len(s.patterns))
	// Only denials that harm no intended path may be used.
	for i, closing := range excesses {
		excesses[i] = slices.DeleteFunc(closing, func(p int) bool { return harmful[p] })
		if len(excesses[i]) == 0 {
			return nil, false
		}

		for _, p := range excesses[i] {
			removes[p]++
		}
	}

	chosen := make([]bool, len(s.patterns))
	for _, closing := range excesses {
		if slices.ContainsFunc(closing, func(p int) bool { return chosen[p] }) {
			continue
		}

		best := closing[0]
		for _, p := range closing {
			if removes[p] > removes[best] {
				best = p
			}
		}

		chosen[best] = true
		denials = append(denials, s.patterns[best])
	}

	return denials, true
}

func (s *search) start() word {
	w := word{state: make([]position, len(s.patterns))}
	for i := range s.patterns {
		w.state[i] = position{pattern: i}
	}

	return w
}

// verdict reports whether an allowing pattern's resource matches the word, and returns the possible
// denials whose resources do.
func (s *search) verdict(w word) (allowed bool, closing []int) {
	for _, p := range w.state {
		pattern := s.patterns[p.pattern]
		matches := p.at == len(pattern) || w.path == "" && pattern.matchesRoot()

		switch {
		case !matches:
		case p.pattern >= s.closing:
			closing = append(closing, p.pattern)
		case p.pattern >= s.opening:
			allowed = true
		}
	}

	return allowed, closing
}

// successors returns the words that are one segment longer: one for each plain literal that is
// expected next somewhere, and one for the other segment.
func (s *search) successors(w word) []word {
	var always []position // reached by every segment
	expected := make(map[string][]position)

	var order []string
	for _, p := range w.state {
		rest := s.patterns[p.pattern][p.at:]
		if len(rest) == 0 {
			continue
		}

		next := position{pattern: p.pattern, at: p.at + 1}
		switch text := rest[0].Text; rest[0].Kind {
		case permission.Greedy:
			always = append(always, p, next)
		case permission.Parameter:
			always = append(always, next)
		case permission.Literal:
			if expected[text] == nil {
				order = append(order, text)
			}

			expected[text] = append(expected[text], next)
		}
	}

	always = slices.Compact(always) // a wildcard after a wildcard is reached twice

	words := []word{{path: w.path + "/" + s.other, state: always}}
	for _, text := range order {
		if !plain(text) {
			continue
		}

		words = append(words, word{path: w.path + "/" + text, state: merge(always, expected[text])})
	}

	return words
}

// merge returns the union of two ordered lists.
func merge(a, b []position) []position {
	union := make([]position, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := a[0].compare(b[0]); {
		case c < 0:
			union, a = append(union, a[0]), a[1:]
		case c > 0:
			union, b = append(union, b[0]), b[1:]
		default:
			b = b[1:]
		}
	}

	return append(append(union, a...), b...)
}

// matters reports whether some continuation of the word is allowed by a pattern, or has a route
// that should be open. For all others the document and the decision agree.
func (s *search) matters(w word) bool {
	return slices.ContainsFunc(w.state, func(p position) bool {
		return p.pattern < s.open || (p.pattern >= s.opening && p.pattern < s.closing)
	})
}

// key identifies the word's state.
func (w word) key() string {
	key := make([]byte, 0, 4*len(w.state))
	for _, p := range w.state {
		key = binary.AppendUvarint(key, uint64(p.pattern))
		key = binary.AppendUvarint(key, uint64(p.at))
	}

	return string(key)
}
