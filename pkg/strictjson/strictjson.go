// Package strictjson reads JSON (RFC 8259) for an API in which no text may have two meanings.
//
// It promises that a text without faults means the same to every reader:
//
//   - It is UTF-8.
//   - No object has a name twice.
//   - No string contains half a surrogate pair.
//   - No number is out of range.
//
// Numbers without a fraction are returned as plain digits, since 1e3, 1000.0 and 1000 are the same
// integer. The conversion is exact: no digit goes through floating point. The package knows
// nothing about the fields of a text.
//
// The caller must limit the length of the text.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// maxDepth is the maximum depth of nested arrays and objects, far more than any field needs.
	maxDepth = 64

	// maxFaults is the maximum number of faults that are reported.
	maxFaults = 100
)

// Fault describes what is wrong with one value of a text that is JSON.
type Fault struct {
	Path    string // such as .rateLimits[0].limit; "" for the whole
	Message string // what is expected there
}

// SyntaxError means that a text is not JSON, or is nested too deeply, and where. It contains
// nothing of the text.
type SyntaxError struct{ message string }

// Error implements error.
func (e *SyntaxError) Error() string { return e.message }

// Read returns a text with its integers as digits, and what is wrong with it. If the text is not
// JSON, the error is a SyntaxError.
func Read(text []byte) (clean []byte, faults []Fault, err error) {
	if at := firstInvalid(text); at >= 0 {
		return nil, nil, misplaced("expected JSON in UTF-8", text, at)
	}

	if err := check(text); err != nil {
		return nil, nil, err
	}

	r := &reader{text: text, tokens: json.NewDecoder(bytes.NewReader(text))}
	r.tokens.UseNumber()

	for {
		token, err := r.tokens.Token()
		if errors.Is(err, io.EOF) {
			return append(r.clean, text[r.copied:]...), r.faults, nil
		}

		if err != nil {
			// unreachable: check has seen that the text is complete
			return nil, nil, &SyntaxError{"expected JSON"}
		}

		end := int(r.tokens.InputOffset())
		raw := bytes.TrimLeft(text[r.at:end], " \t\r\n,:")

		r.at = end
		if err := r.take(token, raw); err != nil {
			return nil, nil, err
		}
	}
}

// firstInvalid returns where a text stops being UTF-8; -1 if it is valid.
func firstInvalid(text []byte) int {
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}

		at += size
	}

	return -1
}

// check returns why a text is not exactly one JSON value.
func check(text []byte) error {
	var raw json.RawMessage

	err := json.Unmarshal(text, &raw)
	if err == nil {
		return nil
	}

	first := json.NewDecoder(bytes.NewReader(text)).Decode(&raw)

	var syntax *json.SyntaxError
	if errors.Is(first, io.EOF) || errors.Is(first, io.ErrUnexpectedEOF) ||
		!errors.As(err, &syntax) {
		return &SyntaxError{"expected JSON: the text ends too early"}
	}

	return misplaced("expected JSON", text, int(syntax.Offset)-1)
}

// misplaced returns an error with its place in a text, as an editor counts lines and columns.
func misplaced(expected string, text []byte, at int) *SyntaxError {
	at = min(max(at, 0), len(text))
	line := 1 + bytes.Count(text[:at], []byte("\n"))
	column := 1 + utf8.RuneCount(text[bytes.LastIndexByte(text[:at], '\n')+1:at])
	return &SyntaxError{fmt.Sprintf("%s: see line %d, column %d", expected, line, column)}
}

// reader walks the tokens of a text.
type reader struct {
	text   []byte
	tokens *json.Decoder
	at     int // where the next token's raw text begins, with the separator before it

	clean  []byte // the text up to copied, with its integers as digits
	copied int

	open   []container
	faults []Fault
}

// container is an array or an object that has begun.
type container struct {
	names map[string]bool // those of an object so far; nil for an array
	name  string          // the one whose value comes next
	due   bool            // a value comes next, not a name
	index int             // of the next value of an array
}

// take consumes the next token, with its raw text.
func (r *reader) take(token json.Token, raw []byte) error {
	top := r.top()
	if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
		r.open = r.open[:len(r.open)-1]
		r.valueEnds()
		return nil
	}

	if name, ok := token.(string); ok && top != nil && top.names != nil && !top.due {
		r.takeName(top, name, raw)
		return nil
	}

	switch token := token.(type) {
	case json.Delim:
		if len(r.open) == maxDepth {
			return &SyntaxError{
				fmt.Sprintf("expected at most %d levels of nested arrays and objects", maxDepth),
			}
		}

		next := container{}
		if token == '{' {
			next.names = map[string]bool{}
		}

		r.open = append(r.open, next)
		return nil
	case string:
		if halved(raw) {
			r.fault("expected whole characters: a \\u escape is half a surrogate pair")
		}
	case json.Number:
		r.takeNumber(raw)
	}

	r.valueEnds()
	return nil
}

func (r *reader) top() *container {
	if len(r.open) == 0 {
		return nil
	}

	return &r.open[len(r.open)-1]
}

func (r *reader) takeName(of *container, name string, raw []byte) {
	twice := of.names[name]
	of.names[name] = true
	of.name = name
	of.due = true

	switch {
	case halved(raw):
		r.fault("expected a name of whole characters: a \\u escape is half a surrogate pair")
	case twice:
		r.fault("expected this name only once in the object")
	}
}

// takeNumber writes an integer as digits.
func (r *reader) takeNumber(raw []byte) {
	digits, whole := integer(string(raw))
	switch {
	case whole && digits == "":
		r.fault("expected a number between -9223372036854775808 and 9223372036854775807")
	case whole && digits != string(raw):
		r.clean = append(append(r.clean, r.text[r.copied:r.at-len(raw)]...), digits...)
		r.copied = r.at
	}
}

// valueEnds is called at the end of an entry's value.
func (r *reader) valueEnds() {
	if top := r.top(); top != nil {
		top.index++
		top.due = false
	}
}

func (r *reader) fault(message string) {
	if len(r.faults) == maxFaults {
		return
	}

	var path []byte
	for _, c := range r.open {
		if c.names != nil {
			path = append(append(path, '.'), c.name...)
		} else {
			path = fmt.Appendf(path, "[%d]", c.index)
		}
	}

	r.faults = append(r.faults, Fault{Path: string(path), Message: message})
}

// halved reports whether the raw text of a string escapes one half of a surrogate pair without the
// other.
func halved(raw []byte) bool {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}

		i++ // the escaped character; an escaped backslash begins nothing

		first, ok := unit(raw, i)
		if !ok {
			continue
		}

		i += 4

		if !utf16.IsSurrogate(first) {
			continue
		}

		second, ok := unit(raw, i+2)
		if !ok || raw[i+1] != '\\' || utf16.DecodeRune(first, second) == utf8.RuneError {
			return true
		}

		i += 6
	}

	return false
}

// unit reads the UTF-16 unit of the escape whose u is at index at.
func unit(raw []byte, at int) (rune, bool) {
	if at+5 > len(raw) || raw[at] != 'u' {
		return 0, false
	}

	n, err := strconv.ParseUint(string(raw[at+1:at+5]), 16, 16)
	return rune(n), err == nil
}
