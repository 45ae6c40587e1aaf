package apikey

import (
	"encoding/hex"
	"strings"
)

// concealed stands where a secret was.
const concealed = "[secret]"

// cutShort is how many characters of the random part tell a secret whose id is damaged: more than
// half of them.
const cutShort = 20

// finding is a secret of a brand in a text, or most of one.
type finding struct {
	end    int    // where its letters and digits end
	secret string // decoded, where it is whole and its checksum is right
	after  int    // where that alone ends
}

// find looks for a secret of the brand at a place of a text: as it is, or with any of its letters
// percent-encoded. It finds whole ones, those cut short behind the id, and those whose id is
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
	if n == 0 || id != IDLength && n < cutShort {
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

// shortest is the length of the shortest text in which something is found.
const shortest = IDLength + len("bt_dev__x")

// mayHold reports whether a text is worth looking through at a place: nearly none is, and it is
// asked of each letter of each call.
func (b Brand) mayHold(text string, at int) bool {
	return text[at] == b[0] || text[at] == '%'
}

// Redact replaces every secret of this brand inside text by "[secret]", for texts of callers that
// are kept or repeated: whole or cut short, percent-encoded or not, with other characters between
// its letters, and its secret part alone, which it knows by its form. What stands before the brand
// does not matter: in a query string it may be the last letter of an escape, such as %20. It takes
// time in proportion to the text.
func (b Brand) Redact(text string) string {
	if len(text) < shortest {
		return text
	}

	both := readings(text)
	text = replaced(text, func(at int) (end int, ok bool) {
		if end, ok = b.findAny(text, at, both); !ok {
			return 0, false
		}

		c := cursor{text: text, at: end}
		for c.skip("_") || c.skipBase62(len(text)) > 0 { // what runs on may be more of it
		}

		return c.at, true
	})

	for _, literal := range both {
		text = b.redactTails(text, literal)
	}

	return text
}

// Holds reports whether a secret of this brand is inside a text with certainty, or most of one: not
// where its secret part stands alone, which LooksLikeTail and HoldsTailOf know. Redact replaces
// whatever it finds.
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

// findAny looks for a secret of the brand at a place of a text, in whatever state it is, in each of
// the text's readings.
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

	for _, literal := range both { // what is cut short may go on behind what cut it
		damaged, _ := b.findDamaged(cursor{text: text, at: at, literal: literal})
		end = max(end, damaged)
	}

	return end, end > 0
}

// Secrets returns the whole secrets of this brand inside a text, decoded, each once and in their
// order, whatever stands around them.
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

// Conceal replaces one certain secret inside text, percent-encoded or not, by "[secret]": another
// system's, which has no form to know it by.
func Conceal(text, secret string) string {
	if secret == "" || strings.IndexByte(text, '%') < 0 && !strings.Contains(text, secret) {
		return text
	}

	return replaced(text, func(at int) (end int, ok bool) {
		if strings.HasPrefix(text[at:], secret) { // it may have a percent sign of its own
			return at + len(secret), true
		}

		c := cursor{text: text, at: at}
		ok = c.skip(secret)
		return c.at, ok
	})
}

// replaced returns a text with "[secret]" in place of whatever starts at a place and is to go.
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
		out.WriteString(concealed)
		at, from = end, end
	}

	if from == 0 {
		return text
	}

	out.WriteString(text[from:])
	return out.String()
}

// cursor reads a text character by character, and takes each percent-encoded one for what it
// stands for, however often it was encoded.
type cursor struct {
	text    string
	at      int
	literal bool // a percent sign is one, and encodes nothing
}

// peek is the next character and how many bytes it is written in; none at the end.
func (c *cursor) peek() (letter byte, width int) {
	rest := c.text[c.at:]
	if rest == "" {
		return 0, 0
	}

	if rest[0] != '%' || c.literal {
		return rest[0], 1
	}

	width = 1
	for strings.HasPrefix(rest[width:], "25") { // the percent sign was encoded itself
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

// skip passes over a text, if it is what comes next.
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

// skipEnvironment passes over an environment's short name with what parts it from the id.
func (c *cursor) skipEnvironment() bool {
	return c.skip("prod_") || c.skip("stg_") || c.skip("dev_")
}

// skipBase62 passes over letters and digits, at most so many, and returns how many they were.
func (c *cursor) skipBase62(most int) int {
	for n := range most {
		letter, width := c.peek()
		if width == 0 || !inAlphabet(letter) {
			return n
		}

		c.at += width
	}

	return most
}

// decoded is a text with every character read as a cursor reads it.
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
