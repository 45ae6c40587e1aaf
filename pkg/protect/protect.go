package protect

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// combine makes one of what is wanted under the same key.
func combine(wants []want) []want {
	var out []want
	for _, w := range wants {
		i := slices.IndexFunc(out, func(other want) bool { return other.key == w.key })

		switch {
		case i < 0:
			out = append(out, w)
		case out[i].in != nil && w.in != nil:
			out[i].in = append(slices.Clone(out[i].in), w.in...)
		}
	}

	for i := range out {
		out[i].in = combine(out[i].in)
	}

	return out
}

// Protect returns the file with what protects its APIs, and what to tell somebody about it. Where
// nothing is missing, the text is that of the file.
func (d *Document) Protect(o Options) (text string, notes []string, err error) {
	d = d.as(o.Kind)
	original := d
	told := map[string]bool{} // without their lines, which change with what is inserted

	if err := d.usable(o, d.selected(o)); err != nil {
		return "", nil, err
	}

	if key := d.questioned(d.root); key != nil {
		return "", nil, fmt.Errorf("line %d: write the key as %s: VALUE, without a question mark "+
			"before it", key.Line, key.Value)
	}

	// What is inserted may need more: an open route wants no key once its API wants one.
	for n := 0; ; n++ {
		text, about, err := d.round(o)
		if err != nil {
			return "", nil, err
		}

		for _, note := range about {
			if what := lineOf.ReplaceAllString(note, ""); !told[what] {
				told[what] = true
				notes = append(notes, note)
			}
		}

		if text == d.text {
			break
		}

		if n == maxRounds {
			return "", nil, errors.New("what was inserted is not found again, so nothing is changed")
		}

		if d, err = Read([]byte(text)); err != nil {
			return "", nil, fmt.Errorf("what is inserted makes it a file that cannot be read, so "+
				"nothing is changed: %w", err)
		}

		d = d.as(o.Kind)
	}

	left, err := d.open(o, original)
	return d.text, append(notes, left...), err
}

// lineOf is how a note begins that is about a line.
var lineOf = regexp.MustCompile(`^line \d+: `)

// open tells of routes that are open all the same, since the file says in another way who guards
// them: each with its line in the file as it was.
func (d *Document) open(o Options, original *Document) (notes []string, err error) {
	before, _, err := original.Check(o)
	if err != nil {
		return nil, err
	}

	lines := map[string][]int{}
	for _, f := range before {
		lines[f.Message] = append(lines[f.Message], f.Line)
	}

	findings, _, err := d.Check(o)
	for _, f := range findings {
		if f.Code != CodeOpen {
			continue
		}

		line := f.Line
		if was := lines[f.Message]; len(was) > 0 {
			line, lines[f.Message] = was[0], was[1:]
		}

		notes = append(notes, fmt.Sprintf("line %d: %s, and bitting cannot change that as it is "+
			"written", line, f.Message))
	}

	return notes, err
}

// maxRounds is how often more than enough may be needed.
const maxRounds = 4

// round returns the text with all that is missing in the file as it is.
func (d *Document) round(o Options) (text string, notes []string, err error) {
	var wants []want
	var edits []edit

	for _, a := range d.selected(o) {
		more, about := a.wants(o)
		wants = append(wants, more...)
		notes = append(notes, about...)

		for _, r := range a.Routes {
			wants = append(wants, r.wants(o, a)...)
		}

		if a.renames != nil {
			edits = append(edits, a.renames(o)...)
		}
	}

	more, err := d.merge(d.root, combine(wants))
	if err != nil {
		return "", nil, err
	}

	return apply(d.text, append(edits, more...)), append(notes, d.notes...), nil
}

// rename replaces a logical id in every text that names it, but not in comments.
func (d *Document) rename(from, to string) (edits []edit) {
	texts(d.root, func(n *yaml.Node) {
		start := d.offset(n)

		for range strings.Count(n.Value, from) {
			found := strings.Index(d.text[start:], from)
			if found < 0 {
				return
			}

			start += found + len(from)
			edits = append(edits, edit{start - len(from), start, to})
		}
	})

	return edits
}

// usable reports what keeps options from being used with a file.
func (d *Document) usable(o Options, apis []*API) error {
	if len(apis) == 0 && o.Kind != "" {
		return fmt.Errorf("there is no API of kind %s in it", o.Kind)
	}

	if len(apis) == 0 {
		return errors.New("there is no API in it")
	}

	if o.Names[""] != "" && len(apis) > 1 {
		return fmt.Errorf("it has %d APIs: name each, as in --name %s=%s", len(apis), apis[0].ID,
			o.Names[""])
	}

	return nil
}

// Unknown returns an error where options name an API or a route that none of the files has.
func Unknown(documents []*Document, o Options) error {
	has := func(is func(a *API) bool) bool {
		return slices.ContainsFunc(documents, func(d *Document) bool {
			return slices.ContainsFunc(d.apis, is)
		})
	}

	for _, id := range slices.Sorted(maps.Keys(o.Names)) {
		if id != "" && !has(func(a *API) bool { return a.ID == id }) {
			return fmt.Errorf("there is no API %s", id)
		}
	}

	for _, route := range o.Keyless {
		if !has(func(a *API) bool {
			return slices.ContainsFunc(a.Routes, func(r Route) bool { return r.String() == route })
		}) {
			return fmt.Errorf("there is no route %s: write it as the file does, such as \"GET /health\"",
				route)
		}
	}

	return nil
}

// wants returns what a route of an API still needs.
func (r Route) wants(o Options, a *API) (wants []want) {
	preflight := r.Method == "OPTIONS"

	switch {
	case r.guard == another:
		if r.keyRequired && a.keySource && r.unkeyed != nil {
			wants = append(wants, r.unkeyed())
		}
	case r.guard == unread:
	case r.guard == opened || o.keyless(r) || preflight:
		if r.open != nil && (r.guard == ours || r.guard == nobody || r.keyRequired) {
			wants = append(wants, r.open())
		}
	default:
		if r.guarded != nil {
			wants = append(wants, r.guarded())
		}

		if r.preflight != nil && a.preflightMissing(r) {
			wants = append(wants, r.preflight())
		}
	}

	return wants
}

// preflightMissing reports whether a route takes preflights, which then want a key.
func (a *API) preflightMissing(r Route) bool {
	if r.Method != anyMethod || a.Kind == WebSocket {
		return false
	}

	path := r.Path
	if path == defaultRoute {
		path = greedy
	}

	return !slices.ContainsFunc(a.Routes, func(other Route) bool {
		return other.Method == "OPTIONS" && (other.Path == path || other.Path == greedy && a.Kind == HTTP)
	})
}

const greedy = "/{proxy+}"
