package protect

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// source is a file, with the place of each of its nodes.
type source struct {
	text  string
	lines []int // where each line starts
	root  *yaml.Node
	json  bool // keys and texts want double quotes
	step  int  // columns by which a nested block is indented
}

// otherBreaks are what YAML 1.1 takes for the end of a line and editors do not.
var otherBreaks = regexp.MustCompile("[\u0085\u2028\u2029]|\r(?:[^\n]|$)")

// escapes are those of a JSON text.
var escapes = regexp.MustCompile(`\\(?:u[0-9A-Fa-f]{4}|.)`)

// slash stands for an escaped slash until the text is read.
const slash = "\u2029"

// asYAML returns an escape that YAML reads, of the same length, so that places stay: it lacks half
// a character, which stands in texts alone that nobody looks at here, and the escaped slash.
func asYAML(escape string) string {
	switch {
	case escape == `\/`:
		return `\P`
	case len(escape) == 6 && strings.ContainsAny(escape[2:3], "dD") &&
		strings.ContainsAny(escape[3:4], "89abcdefABCDEF"):
		return `\ufffd`
	default:
		return escape
	}
}

// withSlashes gives texts their slashes back.
func withSlashes(n *yaml.Node) {
	n.Value = strings.ReplaceAll(n.Value, slash, "/")
	for _, child := range n.Content {
		withSlashes(child)
	}
}

func parse(text string) (*source, error) {
	if otherBreaks.MatchString(text) {
		return nil, errors.New("it has line ends other than LF and CRLF: a lone CR, U+0085, U+2028 or " +
			"U+2029")
	}

	s := &source{
		text: text,
		json: strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{"),
		step: 2,
	}

	readable := text
	if s.json {
		readable = escapes.ReplaceAllStringFunc(text, asYAML)
	}

	var document, another yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(readable))

	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("it is neither YAML nor JSON: %w", err)
	}

	if !errors.Is(decoder.Decode(&another), io.EOF) {
		return nil, errors.New("it has more than one YAML document, of which CloudFormation reads one: " +
			"remove the others")
	}

	if document.Kind != yaml.DocumentNode || len(document.Content) != 1 ||
		document.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("it is neither a template nor an OpenAPI document")
	}

	s.root = document.Content[0]
	if s.json {
		withSlashes(s.root)
	}

	s.lines = []int{0}
	for i := range len(text) {
		if text[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}

	for _, e := range entries(s.root) {
		if len(e.value.Content) > 0 && e.value.Kind == yaml.MappingNode &&
			e.value.Line > e.at.Line && e.value.Content[0].Column > e.at.Column {
			s.step = e.value.Content[0].Column - e.at.Column
			break
		}
	}

	return s, nil
}

// offset returns where a node starts.
func (s *source) offset(n *yaml.Node) int {
	at := s.lines[n.Line-1]
	for range n.Column - 1 {
		_, width := utf8.DecodeRuneInString(s.text[at:])
		at += width
	}

	return at
}

// questioned returns the first key that is written with a question mark before it, or nil.
func (s *source) questioned(n *yaml.Node) *yaml.Node {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 &&
			strings.HasSuffix(strings.TrimRight(s.text[:s.offset(child)], " \t"), "?") {
			return child
		}

		if key := s.questioned(child); key != nil {
			return key
		}
	}

	return nil
}

// want is a key that a mapping should have, with its value.
type want struct {
	key   string
	value *yaml.Node
	in    []want // the value is a mapping, which should have these; value is nil
	each  []want // likewise, each mapping of the sequence that is there
	force bool   // replace another scalar value
}

// node returns the value of a want as a node.
func (w want) node() *yaml.Node {
	if w.value != nil {
		return w.value
	}

	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, child := range w.in {
		n.Content = append(n.Content, scalar(child.key), child.node())
	}

	return n
}

// edit replaces a part of the text.
type edit struct {
	start, end int
	text       string
}

// apply returns the text with the edits. Edits at one place come in the order given.
func apply(text string, edits []edit) string {
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })

	var out strings.Builder
	at := 0

	for _, e := range edits {
		out.WriteString(text[at:e.start] + e.text)
		at = e.end
	}

	return out.String() + text[at:]
}

// merge returns the edits after which a mapping has what is wanted.
func (s *source) merge(mapping *yaml.Node, wants []want) ([]edit, error) {
	var edits []edit
	var missing []want

	inFlow := mapping.Style&yaml.FlowStyle != 0

	for _, w := range wants {
		old := get(mapping, w.key)

		switch shared := s.shared(mapping, w.key); {
		case shared != nil && w.in != nil:
			return nil, fmt.Errorf("line %d: %s is shared by an anchor: write it out, so that it can be "+
				"changed here alone", shared.Line, w.key)
		case old == nil:
			missing = append(missing, w)
		case old.Kind == yaml.ScalarNode && old.Tag == "!!null" && old.Value == "":
			edits = append(edits, s.fill(mapping, w))
		case w.in != nil && old.Kind == yaml.MappingNode && !isCall(old):
			deeper, err := s.merge(old, w.in)
			if err != nil {
				return nil, err
			}

			edits = append(edits, deeper...)
		case w.each != nil:
			for _, item := range items(old) {
				deeper, err := s.merge(item, w.each)
				if err != nil {
					return nil, err
				}

				edits = append(edits, deeper...)
			}

		case w.force && w.value.Kind == yaml.SequenceNode && len(old.Content) == 0: // as wanted
		case w.force && w.value.Kind == yaml.SequenceNode && old.Kind == yaml.SequenceNode:
			edits = append(edits, edit{s.offset(old), s.end(old, inFlow, oneLineOnly), s.flow(w.value)})
		case w.force && (old.Kind != yaml.ScalarNode || isCall(old)):
			return nil, fmt.Errorf("line %d: %s is not a plain value, and cannot be changed to %s",
				old.Line, w.key, w.value.Value)
		case w.force && old.Value != w.value.Value:
			start := s.offset(old)
			edits = append(edits, edit{start, s.end(old, inFlow, oneLineOnly), s.flow(w.value)})
		}
	}

	if len(missing) == 0 {
		return edits, nil
	}

	more := s.insert(mapping, missing)
	if more.start == len(s.text) && s.literalLast(mapping) {
		return nil, errors.New("the file ends within a text: end its last line first")
	}

	return append(edits, more), nil
}

// shared returns the alias that a key's value is, or a merge key that may bring the key; else nil.
func (s *source) shared(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		name, value := mapping.Content[i], mapping.Content[i+1]
		if name.Tag == "!!merge" || name.Value == key && value.Kind == yaml.AliasNode {
			return name
		}
	}

	return nil
}

// literalLast reports whether a block ends with a literal or folded text.
func (s *source) literalLast(n *yaml.Node) bool {
	for len(n.Content) > 0 {
		n = n.Content[len(n.Content)-1]
	}

	return n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

// insert adds keys at the end of a mapping.
func (s *source) insert(mapping *yaml.Node, missing []want) edit {
	start := s.offset(mapping)
	if mapping.Style&yaml.FlowStyle == 0 && len(mapping.Content) > 0 {
		column := mapping.Content[0].Column
		at := s.lineEnd(s.end(mapping, false, column-1))
		return edit{at, at, s.newline() + s.block(missing, column-1)}
	}

	sameLine := true
	separator := ""
	at := start + strings.IndexByte(s.text[start:], '{') + 1
	indent := 0

	if len(mapping.Content) > 0 {
		first, last := mapping.Content[0], mapping.Content[len(mapping.Content)-1]
		at = s.end(last, true, 0)
		indent = first.Column - 1
		separator = ", "

		if sameLine = first.Line == mapping.Line; !sameLine {
			separator = "," + s.newline() + strings.Repeat(" ", indent)
		}
	}

	next := separator
	if rest := strings.TrimLeft(s.text[at:], " \r\n\t"); separator != "" && rest[0] == ',' {
		at = len(s.text) - len(rest) + 1 // YAML lets a comma end the last one
		separator = separator[1:]
	}

	if next == "" {
		next = ", "
	}

	var members []string
	for _, w := range missing {
		if s.json {
			members = append(members, jsonText(w.key)+": "+
				jsonValue(w.node(), indent, s.step, sameLine, s.newline()))
		} else {
			members = append(members, w.key+": "+s.flow(w.node()))
		}
	}

	return edit{at, at, separator + strings.Join(members, next)}
}

// fill gives a key without a value, in a block, its value.
func (s *source) fill(mapping *yaml.Node, w want) edit {
	var key *yaml.Node
	for _, e := range entries(mapping) {
		if e.key == w.key {
			key = e.at
		}
	}

	at := s.end(key, true, 0)
	at += strings.IndexByte(s.text[at:], ':') + 1

	if w.in == nil {
		return edit{at, at, " " + s.flow(w.node())}
	}

	end := s.lineEnd(at)
	return edit{end, end, s.newline() + s.block(w.in, key.Column-1+s.step)}
}

// block renders keys as lines of a block.
func (s *source) block(wants []want, indent int) string {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(s.step)
	_ = encoder.Encode(want{in: wants}.node()) // a buffer takes everything

	prefix := strings.Repeat(" ", indent)

	var lines []string
	for line := range strings.Lines(b.String()) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			line = prefix + line
		}

		lines = append(lines, line)
	}

	return strings.Join(lines, s.newline())
}

// flow renders a value on one line.
func (s *source) flow(n *yaml.Node) string {
	if s.json {
		return jsonValue(n, 0, s.step, true, "")
	}

	text, _ := yaml.Marshal(oneLine(n)) // such nodes can be rendered
	return strings.TrimRight(string(text), "\n")
}

// oneLine returns a copy of a node in flow style.
func oneLine(n *yaml.Node) *yaml.Node {
	out := *n
	out.Content = nil
	out.HeadComment, out.LineComment = "", ""

	if n.Kind != yaml.ScalarNode {
		out.Style = n.Style | yaml.FlowStyle
	}

	for _, child := range n.Content {
		out.Content = append(out.Content, oneLine(child))
	}

	return &out
}

// newline is how the file ends its lines.
func (s *source) newline() string {
	if strings.Contains(s.text, "\r\n") {
		return "\r\n"
	}

	return "\n"
}

func (s *source) lineEnd(at int) int {
	end := strings.IndexByte(s.text[at:], '\n')
	if end < 0 {
		return len(s.text)
	}

	if end > 0 && s.text[at+end-1] == '\r' {
		end--
	}

	return at + end
}

// jsonValue renders a node as JSON, with intrinsic functions in their long form.
func jsonValue(n *yaml.Node, indent, step int, sameLine bool, newline string) string {
	if name, argument := call(n); name != "" && n.Tag == "!"+name {
		plain := *argument
		plain.Tag = "!!str"

		key := "Fn::" + name
		if name == "Ref" {
			key = name
		}

		return "{" + jsonText(key) + ": " + jsonText(plain.Value) + "}"
	}

	if n.Kind == yaml.ScalarNode {
		if n.Tag == "!!str" || n.Tag == "" {
			return jsonText(n.Value)
		}

		return n.Value
	}

	inner, outer, separator := newline+strings.Repeat(" ", indent+step),
		newline+strings.Repeat(" ", indent), ","
	if sameLine {
		inner, outer, separator = "", "", ", "
	}

	var parts []string
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			parts = append(parts, inner+jsonValue(item, indent+step, step, sameLine, newline))
		}

		return "[" + strings.Join(parts, separator) + outer + "]"
	}

	for i := 0; i+1 < len(n.Content); i += 2 { // also of a function in its long form
		parts = append(parts, inner+jsonText(n.Content[i].Value)+": "+
			jsonValue(n.Content[i+1], indent+step, step, sameLine, newline))
	}

	return "{" + strings.Join(parts, separator) + outer + "}"
}

func jsonText(text string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string can be encoded
	return strings.TrimRight(b.String(), "\n")
}

// scalar returns a node of a text.
func scalar(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}

// value returns the node of a text, a whole number or a bool.
func value(v any) *yaml.Node {
	n := &yaml.Node{}
	_ = n.Encode(v) // such values can be encoded
	return n
}

// function returns an intrinsic function in its short form.
func function(name, argument string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!" + name, Value: argument}
}
