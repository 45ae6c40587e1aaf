package policy

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/bitting-keys/bitting/pkg/permission"
)

// maxWork bounds the search for one document: how many positions in
// patterns it may visit, some tens of nanoseconds each. A document that needs more is
// given up, and a narrower one is made instead.
const maxWork = 1_000_000

// search decides whether a set of allowing patterns can be made to allow exactly the
// paths that it should, by denying some others, and by which denials.
//
// It reads plain paths segment by segment, as words over an alphabet: the literals that
// occur in some pattern or route, and one segment that is none of them, which stands
// for all others, since nothing tells those apart. After a word, what can still
// happen depends only on how far each route and each pattern has come, so words that
// bring all of them to the same positions need to be looked at once: that makes the
// set of words to look at finite, and the answer a proof for all plain paths.
type search struct {
	// patterns are the paths of the routes that should be open, and of other routes;
	// then those that allow, and those that could be used to deny.
	patterns []pattern
	// opening and closing are where the third and fourth kind start, and open is how
	// many there are of the first.
	open, opening, closing int
	// other is a segment that is in no pattern.
	other string
}

// position says that the first at segments of a pattern have been matched.
type position struct{ pattern, at int }

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.pattern, q.pattern), cmp.Compare(p.at, q.at))
}

// word is a path as far as it has been read, and the positions to which it leads, in
// order.
type word struct {
	path  string
	state []position
}

// newSearch prepares the search for one method. What may deny is the path of each
// route of the API, since the path decides before the method, with a wildcard for the
// customer and with each of those to whom the grant is bound; and what the allowing
// patterns match too much because their wildcards cross slashes. A route or denial
// that has no path in common with what is allowed has no say.
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

	for s.other = "~"; used[s.other]; {
		s.other += "~"
	}

	return s
}

// settle returns the denials with which the opening patterns allow exactly what
// wanted allows; ok is false when there are none, or when the search would take
// more than the budget, which it uses up.
func (s *search) settle(wanted func(path string) bool, budget *int) (denials []pattern, ok bool) {
	harmful := make([]bool, len(s.patterns)) // denials that would refuse what is wanted
	// for each unwanted word that is allowed, what could deny it
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
			return nil, false // choose would say so too, after the whole search
		case allowed:
			excesses = append(excesses, closing)
		}

		for _, next := range s.successors(w) {
			if *budget -= len(next.state); *budget < 0 {
				return nil, false
			}

			if key := next.key(); s.matters(next) && !seen[key] {
				seen[key] = true
				queue = append(queue, next)
			}
		}
	}

	return s.choose(excesses, harmful)
}

// choose picks, from what could deny each excess, denials that do no harm: those
// first that remove the most.
func (s *search) choose(excesses [][]int, harmful []bool) (denials []pattern, ok bool) {
	removes := make([]int, len(s.patterns))
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

// verdict says whether an allowing pattern matches the word, and which of the
// possible denials do.
func (s *search) verdict(w word) (allowed bool, closing []int) {
	for _, p := range w.state {
		switch {
		case p.at < len(s.patterns[p.pattern]):
		case p.pattern >= s.closing:
			closing = append(closing, p.pattern)
		case p.pattern >= s.opening:
			allowed = true
		}
	}

	return allowed, closing
}

// successors returns the words that are longer by one segment: each plain literal that
// is expected next somewhere, and the other segment.
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

// matters reports whether some continuation of the word is allowed by a pattern, or
// has a route that should be open. On all others document and decision agree.
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
