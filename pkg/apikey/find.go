package apikey

import (
	"encoding/hex"
	"strings"
)

// redacted replaces a secret.
const redacted = "[secret]"

// minCutShort is how many characters of the random part identify a secret whose id is damaged:
// more than half of them.
const minCutShort = 20

// finding is a secret of a brand in a text, or most of one.
type finding struct {
	end    int    // where its letters and digits end
	secret string // decoded, if it is complete and its checksum is correct
	after  int    // where that alone ends
}

// find looks for a secret of the brand at an index of a text, plain or with any of its characters
// percent-encoded. It finds complete secrets, those cut short after the id, and those whose id is
// damaged.
func (b Brand) find(text string, at int) (f finding, ok bool) {
	c := cursor{text: text, at: at}
	if !c.skip(string(b)) || !c.skip("_") || !c.skipEnvironment() {
		return finding{}, false
	}

	id := c.skipBase62(len(text))
	if id == 0 || !c.skip("_") {
		return finding{}, false
	}

	whole := c

	n := c.skipBase62(len(text))
	if n == 0 || id != IDLength && n < minCutShort {
		return finding{}, false
	}

	if whole.skipBase62(randomLength+checksumLength) == randomLength+checksumLength {
		secret := decoded(text[at:whole.at])
		if _, err := b.Parse(secret); err == nil {
			f.secret = secret
			f.after = whole.at
		}
	}

	f.end = c.at
	return f, true
}

// shortest is the length of the shortest text in which something can be found.
const shortest = IDLength + len("bt_dev__x")

// mayHold reports whether a secret may begin at an index of a text. It is a cheap filter: it runs
// for each character of each call, and nearly always returns false.
func (b Brand) mayHold(text string, at int) bool {
	return text[at] == b[0] || text[at] == '%'
}

// Redact replaces every secret of this brand in text by "[secret]", for texts of callers that are
// stored or repeated. It finds secrets that are:
//
//   - complete or cut short
//   - percent-encoded or not
//   - interspersed with other characters
//   - reduced to their secret part, which it recognises by its form
//
// Characters before the brand do not matter: in a query string one may be the last letter of an
// escape, such as %20. It takes time proportional to the text.
func (b Brand) Redact(text string) string {
	if b.harmless(text) {
		return text
	}

	both := readings(text)
	text = replaced(text, func(at int) (end int, ok bool) {
		if end, ok = b.findAny(text, at, both); !ok {
			return 0, false
		}

		c := cursor{text: text, at: end}
		for c.skip("_") || c.skipBase62(len(text)) > 0 { // adjoining characters may be part of it
		}

		return c.at, true
	})

	for _, literal := range both {
		text = b.redactTails(text, literal)
	}

	return text
}

// harmless reports whether Redact certainly finds nothing in a text, as in nearly all texts: a User-Agent
// of 100 characters takes 0.1 µs, not 1.5. Everything that it finds either begins with the letters of
// the brand and an environment, whatever is between them, or has a secret part.
func (b Brand) harmless(text string) bool {
	if len(text) < shortest {
		return true
	}

	if strings.IndexByte(text, '%') >= 0 || holdsRun(text, tailLength) {
		return false
	}

	for at := 0; ; at++ {
		next := strings.IndexByte(text[at:], b[0])
		if next < 0 {
			return true
		}

		at += next

		c := cursor{text: text, at: at, literal: true}
		if c.skipApart(string(b)) && c.skipEnvironmentApart() != "" {
			return false
		}
	}
}

// Holds reports whether a text certainly contains a secret of this brand, or most of one. It does
// not find a secret part on its own; for that, see LooksLikeTail and HoldsTailOf. Redact replaces
// everything that Holds finds.
func (b Brand) Holds(text string) bool {
	if len(text) < shortest {
		return false
	}

	both := readings(text)
	for at := range len(text) {
		if _, ok := b.findAny(text, at, both); ok {
			return true
		}
	}

	return b.holdsTailBehindID(text)
}

// findAny looks for a secret of the brand, in any form, at an index of a text, in each of the
// text's readings.
func (b Brand) findAny(text string, at int, both []bool) (end int, ok bool) {
	if !b.mayHold(text, at) {
		return 0, false
	}

	for _, literal := range both {
		if end, ok = b.findScattered(cursor{text: text, at: at, literal: literal}); ok {
			return end, true
		}
	}

	if f, found := b.find(text, at); found {
		end = f.end
	}

	for _, literal := range both { // a cut secret may continue after what cut it
		damaged, _ := b.findDamaged(cursor{text: text, at: at, literal: literal})
		end = max(end, damaged)
	}

	return end, end > 0
}

// Secrets returns the complete secrets of this brand in a text, decoded and without duplicates, in
// order. It does not matter what surrounds them.
func (b Brand) Secrets(text string) []string {
	var out []string

	seen := map[string]bool{}
	for at := 0; at < len(text); {
		var f finding
		if b.mayHold(text, at) {
			f, _ = b.find(text, at)
		}

		if f.secret == "" {
			at++
			continue
		}

		if !seen[f.secret] {
			seen[f.secret] = true
			out = append(out, f.secret)
		}

		at = f.after
	}

	return out
}

// RedactKnown is Redact for a text that may contain one known secret, of another system or of ours:
// it also replaces that, and for one of ours its secret part, regardless of what surrounds them.
func (b Brand) RedactKnown(text, secret string) string {
	text = b.Redact(conceal(text, secret))
	if len(secret) > tailLength {
		text = conceal(text, secret[len(secret)-tailLength:])
	}

	return text
}

// conceal replaces a known text in another, plain or percent-encoded, by "[secret]".
func conceal(text, secret string) string {
	if secret == "" || strings.IndexByte(text, '%') < 0 && !strings.Contains(text, secret) {
		return text
	}

	return replaced(text, func(at int) (end int, ok bool) {
		if strings.HasPrefix(text[at:], secret) { // it may contain a percent sign itself
			return at + len(secret), true
		}

		c := cursor{text: text, at: at}
		ok = c.skip(secret)
		return c.at, ok
	})
}

// replaced returns a text in which "[secret]" replaces everything that find finds.
func replaced(text string, find func(at int) (end int, ok bool)) string {
	var out strings.Builder

	from := 0
	for at := 0; at < len(text); {
		end, ok := find(at)
		if !ok {
			at++
			continue
		}

		out.WriteString(text[from:at])
		out.WriteString(redacted)
		at, from = end, end
	}

	if from == 0 {
		return text
	}

	out.WriteString(text[from:])
	return out.String()
}

// cursor reads a text character by character, and decodes each percent-encoded one, however often
// it was encoded.
type cursor struct {
	text    string
	at      int
	literal bool // a percent sign is itself, and encodes nothing
}

// peek returns the next character and how many bytes it takes up; none at the end.
func (c *cursor) peek() (letter byte, width int) {
	rest := c.text[c.at:]
	if rest == "" {
		return 0, 0
	}

	if rest[0] != '%' || c.literal {
		return rest[0], 1
	}

	width = 1
	for strings.HasPrefix(rest[width:], "25") { // the percent sign was itself encoded
		width += 2
	}

	var code [1]byte

	if len(rest) < width+2 {
		return '%', width
	}

	if _, err := hex.Decode(code[:], []byte(rest[width:width+2])); err != nil {
		return '%', width
	}

	return code[0], width + 2
}

// skip skips a text, if it comes next.
func (c *cursor) skip(text string) bool {
	at := *c
	for i := range len(text) {
		letter, width := at.peek()
		if width == 0 || letter != text[i] {
			return false
		}

		at.at += width
	}

	*c = at
	return true
}

// skipEnvironment skips an environment's short name and the separator before the id.
func (c *cursor) skipEnvironment() bool {
	return c.skip("prod_") || c.skip("stg_") || c.skip("dev_")
}

// skipBase62 skips letters and digits up to a limit, and returns how many it skipped.
func (c *cursor) skipBase62(limit int) int {
	for n := range limit {
		letter, width := c.peek()
		if width == 0 || !inAlphabet(letter) {
			return n
		}

		c.at += width
	}

	return limit
}

// decoded returns a text with every character decoded as a cursor does.
func decoded(text string) string {
	var out strings.Builder
	for c := (cursor{text: text}); ; {
		letter, width := c.peek()
		if width == 0 {
			return out.String()
		}

		out.WriteByte(letter)
		c.at += width
	}
}
