package apikey

import (
	"iter"
	"strings"
)

// tailLength is the length of the secret part of a secret: its random characters and the checksum.
const tailLength = randomLength + checksumLength

// run is a maximal sequence of letters and digits in a text.
type run struct {
	text          string // the source text
	n             int    // how many
	from, to      int
	before, after byte // its neighbours; 0 for none
}

// readings returns the ways to read the percent signs of a text, as values of cursor.literal.
func readings(text string) []bool {
	if strings.IndexByte(text, '%') < 0 {
		return literally[:1]
	}

	return literally[:]
}

var literally = [...]bool{true, false}

// runs iterates over the runs of letters and digits in a text.
func runs(text string, literal bool) iter.Seq[run] {
	return func(yield func(run) bool) {
		c := cursor{text: text, literal: literal}

		var before byte
		for {
			from := c.at
			n := c.skipBase62(len(text))
			next, width := c.peek()

			if n > 0 && !yield(run{
				text:   text[from:c.at],
				n:      n,
				from:   from,
				to:     c.at,
				before: before,
				after:  next,
			}) || width == 0 {
				return
			}

			before = next
			c.at += width
		}
	}
}

// holdsRun reports whether a text has a run of n letters and digits. It looks at every nth character,
// and at those before it up to the first that is no part of one.
func holdsRun(text string, n int) bool {
	for end := n; end <= len(text); {
		from := end
		for from > end-n && inAlphabet(text[from-1]) {
			from--
		}

		if from == end-n {
			return true
		}

		end = from + n
	}

	return false
}

// letters returns a run's characters, decoded.
func (r run) letters(literal bool) string {
	if literal {
		return r.text
	}

	return decoded(r.text)
}

// findScattered looks for a complete secret with other characters between its own, at any place:
// dots for its underscores, an encoded hyphen or a control character in its id. Its checksum makes
// the finding certain.
func (b Brand) findScattered(c cursor) (end int, ok bool) {
	if !c.skipApart(string(b)) {
		return 0, false
	}

	short := c.skipEnvironmentApart()
	if short == "" {
		return 0, false
	}

	var rest [IDLength + tailLength]byte
	for i := range rest {
		if rest[i], ok = c.nextBase62(); !ok {
			return 0, false
		}
	}

	if _, err := b.Parse(string(b) + "_" + short + "_" + string(rest[:IDLength]) + "_" +
		string(rest[IDLength:])); err != nil {
		return 0, false
	}

	return c.at, true
}

// findDamaged looks for the remains of a secret that is neither complete nor well-formed: a run of
// more than half of its random part that is not a word, after the brand and an environment, with
// any separators. It looks as far as a secret is long.
func (b Brand) findDamaged(c cursor) (end int, ok bool) {
	within := c
	within.text = c.text[:min(len(c.text), c.at+2*MaxLength)]

	if c = within; !c.skipApart(string(b)) || c.skipEnvironmentApart() == "" {
		return 0, false
	}

	if next, _ := c.peek(); inAlphabet(next) {
		return 0, false // a longer word, such as a product name
	}

	for r := range runs(within.text[c.at:], c.literal) {
		if r.n < minCutShort || !mixed(r.letters(c.literal)) {
			continue
		}

		// Remains end where the next secret begins: that one is found on its own.
		if end == 0 {
			within.text = within.text[:b.nextBeginning(within.text, c)]
		}

		if c.at+r.to <= len(within.text) {
			end = c.at + r.to
		}
	}

	return end, end > 0
}

// nextBeginning returns where another secret may begin in a text, after a cursor; the text's end
// if none does.
func (b Brand) nextBeginning(text string, c cursor) int {
	for ; c.at < len(text); c.at++ {
		next := cursor{text: text, at: c.at, literal: c.literal}
		if next.skipApart(string(b)) && next.skipEnvironmentApart() != "" {
			return c.at
		}
	}

	return len(text)
}

// mixed reports whether a text has letters of both cases, as all but one in twenty thousand of
// twenty random characters do.
func mixed(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return 'a' <= r && r <= 'z' }) &&
		strings.ContainsFunc(text, func(r rune) bool { return 'A' <= r && r <= 'Z' })
}

// redactTails replaces the secret parts of secrets that appear on their own.
func (b Brand) redactTails(text string, literal bool) string {
	var out strings.Builder

	from := 0

	var earlier run
	for r := range runs(text, literal) {
		if at, ok := b.tailBehindID(earlier, r, literal); ok || r.likeTail(literal) {
			out.WriteString(text[from : r.from+at])
			out.WriteString(redacted)
			from = r.to
		}

		earlier = r
	}

	if from == 0 {
		return text
	}

	out.WriteString(text[from:])
	return out.String()
}

// likeTail reports whether a run has the form of the secret part of a secret. The checksum covers
// more than that part, so it cannot be verified; but it is a number of 32 bits, whose first digit
// is at most 4.
func (r run) likeTail(literal bool) bool {
	if r.n != tailLength {
		return false
	}

	letters := r.letters(literal)
	return letters[randomLength] <= '4' && mixed(letters)
}

// LooksLikeTail reports whether a text seems to contain the secret part of a secret on its own: 38
// letters and digits of its form, with no neighbours that could make them part of base64 text. One
// in twelve other random texts of exactly that length has this form.
func LooksLikeTail(text string) bool {
	for _, literal := range readings(text) {
		for r := range runs(text, literal) {
			if r.likeTail(literal) && !strings.ContainsRune("+/-_", rune(r.before)) &&
				!strings.ContainsRune("+/-_=", rune(r.after)) {
				return true
			}
		}
	}

	return false
}

// HoldsTailOf reports whether a text contains the secret part of a secret of this key, which its
// checksum proves.
func (b Brand) HoldsTailOf(text string, env Environment, id string) bool {
	for _, literal := range readings(text) {
		for r := range runs(text, literal) {
			if r.n < tailLength {
				continue
			}

			letters := r.letters(literal)
			for at := range len(letters) - tailLength + 1 {
				if b.provesTail(env, id, letters[at:at+tailLength]) {
					return true
				}
			}
		}
	}

	return false
}

// holdsTailBehindID reports whether a text contains the secret part of a secret after its id.
func (b Brand) holdsTailBehindID(text string) bool {
	for _, literal := range readings(text) {
		var earlier run
		for r := range runs(text, literal) {
			if _, ok := b.tailBehindID(earlier, r, literal); ok {
				return true
			}

			earlier = r
		}
	}

	return false
}

// tailBehindID reports whether a run ends with the secret part of a secret whose id comes before
// it, in the same run or in the previous one, and at which byte that begins.
func (b Brand) tailBehindID(earlier, r run, literal bool) (at int, ok bool) {
	var id, tail string
	switch {
	case r.n >= IDLength+tailLength:
		letters := r.letters(literal)
		id = letters[len(letters)-IDLength-tailLength : len(letters)-tailLength]
		tail = letters[len(letters)-tailLength:]

		c := cursor{text: r.text, literal: literal}
		c.skipBase62(len(letters) - tailLength)
		at = c.at
	case r.n == tailLength && earlier.n >= IDLength:
		letters := earlier.letters(literal)
		id = letters[len(letters)-IDLength:]
		tail = r.letters(literal)
	default:
		return 0, false
	}

	for _, env := range Environments() {
		if b.provesTail(env, id, tail) {
			return at, true
		}
	}

	return 0, false
}

// provesTail reports whether the checksum at the end of a secret part is that of a secret of a
// key.
func (b Brand) provesTail(env Environment, id, tail string) bool {
	_, err := b.Parse(string(b) + "_" + env.Short() + "_" + id + "_" + tail)
	return err == nil
}

// nextBase62 skips everything that is neither letter nor digit, and the next character that is.
func (c *cursor) nextBase62() (letter byte, ok bool) {
	for {
		letter, width := c.peek()
		if width == 0 {
			return 0, false
		}

		c.at += width

		if inAlphabet(letter) {
			return letter, true
		}
	}
}

// skipApart skips the characters of a text, of which the first comes next, and anything between
// them.
func (c *cursor) skipApart(text string) bool {
	if letter, _ := c.peek(); letter != text[0] {
		return false
	}

	at := *c
	for i := range len(text) {
		if letter, ok := at.nextBase62(); !ok || letter != text[i] {
			return false
		}
	}

	*c = at
	return true
}

// skipEnvironmentApart skips an environment's short name and anything in it and before it. It
// returns the name; "" if there is none.
func (c *cursor) skipEnvironmentApart() string {
	for _, env := range Environments() {
		at := *c
		for i := range len(env.Short()) {
			if letter, ok := at.nextBase62(); !ok || letter != env.Short()[i] {
				break
			}

			if i == len(env.Short())-1 {
				*c = at
				return env.Short()
			}
		}
	}

	return ""
}
