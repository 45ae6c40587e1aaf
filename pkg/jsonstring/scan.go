// Package jsonstring reads a few strings out of a JSON text (RFC 8259) and makes nothing of the rest,
// and writes strings into one.
//
// Of reading it promises to agree with encoding/json about what it is asked for, as that package
// decodes into structs, maps and slices of strings:
//
//   - There is an error where that has one: a text that is not JSON as a whole, a value of another
//     kind than what is asked for, or nesting of more than 10,000 levels.
//   - Names of fields match in any case, by Unicode's simple folding; names in maps do not.
//   - Names may be repeated. What that means is up to the caller, who is told of each, in order.
//   - Escapes are decoded. Bytes that are not UTF-8, and halves of surrogate pairs, are U+FFFD.
//   - null is no value: the caller is told that there is none.
//
// It allocates nothing but the strings that had to be decoded; all others are parts of the text. Its
// errors say where, and repeat nothing of the text.
//
// The caller must limit the length of the text, and ask for exactly one value of each member and
// element. It knows nothing of numbers but their form.
package jsonstring

import (
	"fmt"
	"math/bits"
	"strings"
)

// maxDepth is the maximum depth of nested arrays and objects, as in encoding/json.
const maxDepth = 10_000

// Scanner is at a place in a text. After a fault it is at the end of everything it is asked about;
// End returns the fault.
type Scanner struct {
	text  string
	at    int
	depth int
	first bool   // nothing of the object or array that was entered last has been read
	name  string // of the last member
	ascii bool   // the name is
	err   error
}

// New returns a scanner at the beginning of a text.
func New(text string) Scanner { return Scanner{text: text} }

// SyntaxError is a fault of a text: it is not JSON, or not of the form that is needed.
type SyntaxError struct {
	Offset int // in bytes
	Want   string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("jsonstring: expected %s at byte %d", e.Want, e.Offset)
}

// fail records the first fault, after which nothing is left to read. It returns false.
func (s *Scanner) fail(want string) bool {
	if s.err == nil {
		s.err = &SyntaxError{s.at, want}
	}

	s.at = len(s.text)
	s.first = false
	return false
}

// End returns the first fault. It is one if anything but white space is left.
func (s *Scanner) End() error {
	if s.peek(); s.err == nil && s.at < len(s.text) {
		s.fail("the end")
	}

	return s.err
}

// Object enters an object, whose members follow. It returns false for null, or after a fault.
func (s *Scanner) Object() bool { return s.enter('{', "an object") }

// Array enters an array, whose elements follow. It returns false for null, or after a fault.
func (s *Scanner) Array() bool { return s.enter('[', "an array") }

// Member goes to the next member of an object, of which Name or Field tells the name. Its value
// comes next. It returns false at the end of the object, which it leaves, or after a fault.
func (s *Scanner) Member() bool {
	if !s.next('}') {
		return false
	}

	if !s.comes('"') {
		return s.fail("a name")
	}

	body, plain := s.quoted()
	s.name, s.ascii = body, plain

	if !plain {
		s.name = unquote(body)
	}

	if !s.comes(':') {
		return s.fail("a colon")
	}

	s.at++
	return true
}

// Element goes to the next element of an array. It returns false at the end of the array, which it
// leaves, or after a fault.
func (s *Scanner) Element() bool { return s.next(']') }

// Name returns the name of the member.
func (s *Scanner) Name() string { return s.name }

// Field returns which of some names is that of the member; "" if none is. They must be ASCII, and no
// two of them the same in another case.
func (s *Scanner) Field(names []string) string {
	for _, name := range names {
		// Only a letter beyond ASCII is as good as one of another length.
		if len(name) != len(s.name) && s.ascii {
			continue
		}

		if name == s.name || strings.EqualFold(name, s.name) {
			return name
		}
	}

	return ""
}

// Text reads a string. It returns false for null, or after a fault.
func (s *Scanner) Text() (text string, ok bool) {
	switch {
	case s.comes('"'):
		body, plain := s.quoted()
		if !plain {
			body = unquote(body)
		}

		return body, s.err == nil
	case s.comes('n'):
		s.word("null")
		return "", false
	default:
		return "", s.fail("a string or null")
	}
}

// Bool reads true or false. It returns false for null, or after a fault.
func (s *Scanner) Bool() (value, ok bool) {
	switch s.peek() {
	case 't':
		s.word("true")
		return true, s.err == nil
	case 'f':
		s.word("false")
		return false, s.err == nil
	case 'n':
		s.word("null")
		return false, false
	default:
		return false, s.fail("true, false or null")
	}
}

// Skip reads any value.
func (s *Scanner) Skip() {
	switch s.peek() {
	case '"':
		s.quoted()
	case '{':
		for s.Object(); s.skipMember(); {
			s.Skip()
		}
	case '[':
		for s.Array(); s.Element(); {
			s.Skip()
		}
	case 't':
		s.word("true")
	case 'f':
		s.word("false")
	case 'n':
		s.word("null")
	default:
		s.number()
	}
}

// Raw reads any value, and returns the part of the text that it is; "" after a fault.
func (s *Scanner) Raw() string {
	s.peek()
	start := s.at

	if s.Skip(); s.err != nil {
		return ""
	}

	return s.text[start:s.at]
}

// skipMember is Member for a name that nobody asks for.
func (s *Scanner) skipMember() bool {
	if !s.next('}') {
		return false
	}

	if !s.comes('"') {
		return s.fail("a name")
	}

	if s.quoted(); !s.comes(':') {
		return s.fail("a colon")
	}

	s.at++
	return true
}

// enter enters an object or an array.
func (s *Scanner) enter(bracket byte, want string) bool {
	switch {
	case s.comes(bracket):
	case s.comes('n'):
		s.word("null")
		return false
	default:
		return s.fail(want + " or null")
	}

	if s.depth++; s.depth > maxDepth {
		return s.fail("less depth")
	}

	s.at++
	s.first = true
	return true
}

// next goes to what follows in an object or an array, or leaves it.
func (s *Scanner) next(bracket byte) bool {
	switch {
	case !s.first && s.comes(','):
		s.at++
		return true
	case s.comes(bracket):
		s.at++
		s.depth--
		s.first = false
		return false
	case s.first:
		s.first = false
		return true
	default: // also after a fault
		return s.fail("a comma or a bracket")
	}
}

// peek skips white space, and returns the character that follows, 0 at the end. API Gateway sends
// no white space, so there is mostly none.
func (s *Scanner) peek() (c byte) {
	if s.at < len(s.text) {
		c = s.text[s.at]
	}

	if c <= ' ' {
		c = s.space()
	}

	return c
}

// comes reports whether a character comes next, after white space. Unlike peek it is small enough to
// be inlined, which takes a sixth of the time from reading past an event.
func (s *Scanner) comes(c byte) bool {
	return s.at < len(s.text) && s.text[s.at] == c || s.space() == c
}

// space is peek where the next character may be white space.
func (s *Scanner) space() byte {
	text, at := s.text, s.at
	for at < len(text) && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r') {
		at++
	}

	s.at = at
	if at == len(text) {
		return 0
	}

	return text[at]
}

// word skips a literal, which is known to begin here.
func (s *Scanner) word(word string) {
	if !strings.HasPrefix(s.text[s.at:], word) {
		s.fail(word)
		return
	}

	s.at += len(word)
}

// number skips a number.
func (s *Scanner) number() {
	s.skip('-')

	if !s.skip('0') && s.digits() == 0 {
		s.fail("a value")
		return
	}

	if s.skip('.') && s.digits() == 0 {
		s.fail("a digit")
		return
	}

	if s.skip('e') || s.skip('E') {
		if !s.skip('-') {
			s.skip('+')
		}

		if s.digits() == 0 {
			s.fail("a digit")
		}
	}
}

// skip skips a character, if it comes next.
func (s *Scanner) skip(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}

	return false
}

// digits skips digits, and returns how many.
func (s *Scanner) digits() int {
	from := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}

	return s.at - from
}

// quoted skips a string, and returns what is between its quotes. It is plain if that is printable
// ASCII without escapes, and so need not be decoded.
func (s *Scanner) quoted() (body string, plain bool) {
	from := s.at + 1

	at := ordinary(s.text, from)
	if at < len(s.text) && s.text[at] == '"' {
		s.at = at + 1
		return s.text[from:at], true
	}

	s.at = at
	return s.special(from)
}

// special is quoted for a string that begins at an index, from a character on that is not ordinary.
func (s *Scanner) special(from int) (body string, plain bool) {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return s.text[from : s.at-1], false
		case c == '\\':
			if !s.escape() {
				return "", true
			}
		case c < ' ':
			s.fail("no control character")
			return "", true
		default:
			s.at++
		}

		s.at = ordinary(s.text, s.at)
	}

	s.fail("a quote")
	return "", true
}

// escape skips a backslash and what belongs to it.
func (s *Scanner) escape() bool {
	rest := s.text[s.at+1:]
	if rest == "" || strings.IndexByte(`"\/bfnrtu`, rest[0]) < 0 {
		return s.fail("an escape")
	}

	if rest[0] != 'u' {
		s.at += 2
		return true
	}

	if _, ok := code(s.text[s.at:]); !ok {
		return s.fail("four hexadecimal digits")
	}

	s.at += escapeLength
	return true
}

// Eight bytes with the same bit set in each.
const (
	lowest  = 0x0101010101010101
	highest = 0x8080808080808080
)

// ordinary returns where the first character of a text from an index on is that is a quote, a
// backslash, a control character or beyond ASCII; the text's length if none is. Event texts are mostly
// strings that nobody asks for: eight bytes at once take a third of the time of one after the other.
func ordinary(text string, at int) int {
	for ; at+8 <= len(text); at += 8 {
		// Each subtraction sets the highest bit of a byte that is less than what it takes away. It
		// borrows from the next byte then, but only the first that is found counts.
		b := eight(text[at:])
		quote, backslash := b^'"'*lowest, b^'\\'*lowest
		found := (b | (b - ' '*lowest) | (quote - lowest) | (backslash - lowest)) & highest

		if found != 0 {
			return at + bits.TrailingZeros64(found)/8
		}
	}

	for ; at < len(text); at++ {
		if c := text[at]; c < ' ' || c == '"' || c == '\\' || c > '~'+1 {
			break
		}
	}

	return at
}

// eight returns the first eight bytes of a text, the first of them lowest: one load, once compiled.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
