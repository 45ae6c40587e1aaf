package jsonstring

import "unicode/utf8"

const hexadecimal = "0123456789abcdef"

// Append appends a text to JSON, as a string. It writes what encoding/json writes without escapes
// for HTML: what is not UTF-8 becomes U+FFFD.
func Append(out []byte, text string) []byte {
	out = append(out, '"')

	for {
		n := ordinary(text, 0)
		out = append(out, text[:n]...)

		if text = text[n:]; text == "" {
			return append(out, '"')
		}

		letter, width := utf8.DecodeRuneInString(text)
		out = appendLetter(out, letter, width)
		text = text[width:]
	}
}

// appendLetter appends a character that is not ordinary, and takes up width bytes in its text.
func appendLetter(out []byte, letter rune, width int) []byte {
	switch {
	case letter == '"' || letter == '\\':
		return append(out, '\\', byte(letter))
	case letter == '\b':
		return append(out, `\b`...)
	case letter == '\f':
		return append(out, `\f`...)
	case letter == '\n':
		return append(out, `\n`...)
	case letter == '\r':
		return append(out, `\r`...)
	case letter == '\t':
		return append(out, `\t`...)
	case letter < ' ':
		return append(out, '\\', 'u', '0', '0', hexadecimal[letter>>4], hexadecimal[letter&15])
	case letter == utf8.RuneError && width == 1:
		return append(out, `\ufffd`...)
	case letter == '\u2028':
		return append(out, `\u2028`...) // the ends of lines that JavaScript had and JSON has not
	case letter == '\u2029':
		return append(out, `\u2029`...)
	default:
		return utf8.AppendRune(out, letter)
	}
}
