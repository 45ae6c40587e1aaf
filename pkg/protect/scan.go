package protect

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// oneLineOnly, as an indent, means a text that does not go on.
const oneLineOnly = -1

// end returns where a node ends: yaml.v3 says only where one starts. In a flow, it ends where the
// flow goes on. In a block, a text may go on over lines that are indented by more than indent.
func (s *source) end(n *yaml.Node, inFlow bool, indent int) int {
	at := s.offset(n)
	if n.Kind == yaml.AliasNode {
		return at + 1 + len(n.Value)
	}

	at = s.properties(at)

	flow := n.Style&yaml.FlowStyle != 0 ||
		(n.Kind != yaml.ScalarNode && len(n.Content) == 0)

	switch {
	case n.Kind != yaml.ScalarNode && flow:
		return s.brackets(at)
	case n.Kind == yaml.SequenceNode:
		last := n.Content[len(n.Content)-1]
		return s.end(last, false, last.Column-len("- ")-1) // a tag may stand before the first dash
	case n.Kind == yaml.MappingNode:
		return s.blockEnd(n)
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return s.quoted(at, '"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		return s.quoted(at, '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return s.indented(at, indent, true)
	case inFlow:
		return s.plainEnd(at, ",]}")
	}

	end := s.plainEnd(at, "")
	if indent != oneLineOnly && strings.TrimSpace(s.text[end:s.lineEnd(end)]) == "" {
		return s.indented(end, indent, false)
	}

	return end
}

// blockEnd is end for a mapping in a block, with the last of its values.
func (s *source) blockEnd(n *yaml.Node) int {
	key, last := n.Content[len(n.Content)-2], n.Content[len(n.Content)-1]
	if last.Kind == yaml.ScalarNode && last.Tag == "!!null" && last.Value == "" {
		end := s.end(key, true, 0)
		return end + strings.IndexByte(s.text[end:], ':') + 1
	}

	return s.end(last, false, key.Column-1)
}

// properties skips tags and anchors before a node.
func (s *source) properties(at int) int {
	for at < len(s.text) && (s.text[at] == '!' || s.text[at] == '&') {
		at += strings.IndexAny(s.text[at:]+" ", " \t\r\n")
		for at < len(s.text) && strings.IndexByte(" \t\r\n", s.text[at]) >= 0 {
			at++
		}
	}

	return at
}

// brackets returns the end of a mapping or sequence in brackets.
func (s *source) brackets(at int) int {
	depth := 0

	for at < len(s.text) {
		switch c := s.text[at]; {
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
			if depth == 0 {
				return at + 1
			}
		case (c == '"' || c == '\'') && s.startsToken(at):
			at = s.quoted(at, c)
			continue
		case c == '#' && strings.IndexByte(" \t\n", s.text[at-1]) >= 0:
			at = s.lineEnd(at)
			continue
		}

		at++
	}

	return at
}

// startsToken reports whether a quote begins a text, and does not stand within a plain one.
func (s *source) startsToken(at int) bool {
	before := strings.TrimRight(s.text[:at], " \t\r\n")
	if before == "" {
		return true
	}

	last := before[len(before)-1]
	return strings.IndexByte("{[,:", last) >= 0 || s.text[at-1] == ' ' && s.tagged(before)
}

// tagged reports whether a text ends with a tag.
func (s *source) tagged(before string) bool {
	word := before[strings.LastIndexAny(before, " \t\n{[,")+1:]
	return strings.HasPrefix(word, "!") || strings.HasPrefix(word, "&")
}

// quoted returns the end of a quoted text.
func (s *source) quoted(at int, quote byte) int {
	for at++; at < len(s.text); at++ {
		switch c := s.text[at]; {
		case c == '\\' && quote == '"':
			at++
		case c == quote && quote == '\'' && strings.HasPrefix(s.text[at+1:], "'"):
			at++
		case c == quote:
			return at + 1
		}
	}

	return at
}

// plainEnd returns the end, on its first line, of a text without quotes. In a flow it also ends at
// one of the characters.
func (s *source) plainEnd(at int, ends string) int {
	end := s.lineEnd(at)
	for i := at; i < end; i++ {
		c := s.text[i]
		if strings.IndexByte(ends, c) >= 0 ||
			c == ':' && (i+1 == end || s.text[i+1] == ' ') ||
			c == '#' && i > at && s.text[i-1] == ' ' {
			end = i
		}
	}

	for end > at && (s.text[end-1] == ' ' || s.text[end-1] == '\t') {
		end--
	}

	return end
}

// indented returns the end of the lines after a place that are indented by more than indent. A
// comment is one of them only in a literal.
func (s *source) indented(at, indent int, literal bool) int {
	end := s.lineEnd(at)

	for next := end; next < len(s.text); {
		start := next + strings.IndexByte(s.text[next:], '\n') + 1
		if start == next {
			break
		}

		next = s.lineEnd(start)
		line := strings.TrimRight(s.text[start:next], " \t\r")
		content := strings.TrimLeft(line, " ")

		if content == "" && next < len(s.text) {
			continue
		}

		if content == "" || len(line)-len(content) <= indent ||
			!literal && strings.HasPrefix(content, "#") {
			break
		}

		end = start + len(line)
	}

	return end
}
