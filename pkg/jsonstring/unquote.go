package jsonstring

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// escapeLength is the length of an escape by a number, such as \u00e4.
const escapeLength = 6

// unquote decodes the inside of a string, whose escapes are known to be valid.
func unquote(body string) string {
	if strings.IndexByte(body, '\\') < 0 && utf8.ValidString(body) {
		return body
	}

	out := make([]byte, 0, len(body))
	for body != "" {
		if body[0] == '\\' {
			letter, width := unescape(body)
			out = utf8.AppendRune(out, letter)
			body = body[width:]
			continue
		}

		letter, width := utf8.DecodeRuneInString(body) // U+FFFD for each byte that is not UTF-8
		out = utf8.AppendRune(out, letter)
		body = body[width:]
	}

	return string(out)
}

// unescape decodes the escape at the beginning of a text, and returns how many bytes it takes up.
func unescape(text string) (letter rune, width int) {
	switch c := text[1]; c {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
	default:
		return rune(c), 2
	}

	letter, _ = code(text)
	if !utf16.IsSurrogate(letter) {
		return letter, escapeLength
	}

	// The second half may be anything, and is then decoded on its own.
	second, _ := code(text[escapeLength:])
	if pair := utf16.DecodeRune(letter, second); pair != utf8.RuneError {
		return pair, 2 * escapeLength
	}

	return utf8.RuneError, escapeLength
}

// code returns the number of an escape at the beginning of a text, if there is one.
func code(text string) (number rune, ok bool) {
	if len(text) < escapeLength || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}

	for i := 2; i < escapeLength; i++ {
		c := text[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}

		number = number<<4 | rune(c)
	}

	return number, true
}
