package jsonstring

// Members reads an object: read is called for each member that has one of the names, all of them
// ASCII, and must read its value. The others are skipped.
func (s *Scanner) Members(names []string, read func(name string)) {
	if !s.Object() {
		return
	}

	for s.Member() {
		if name := s.Field(names); name != "" {
			read(name)
		} else {
			s.Skip()
		}
	}
}

// IsText reports whether a string comes next.
func (s *Scanner) IsText() bool { return s.comes('"') }

// TextInto reads a string; null leaves what was there.
func (s *Scanner) TextInto(into *string) {
	if text, ok := s.Text(); ok {
		*into = text
	}
}

// BoolInto reads true or false; null leaves what was there.
func (s *Scanner) BoolInto(into *bool) {
	if value, ok := s.Bool(); ok {
		*into = value
	}
}

// TextOrEmpty reads a string; "" for null.
func (s *Scanner) TextOrEmpty() string {
	text, _ := s.Text()
	return text
}

// List reads an array by a function that reads an element; nil for null.
func List[V any](s *Scanner, element func() V) []V {
	if !s.Array() {
		return nil
	}

	out := make([]V, 0, 1)
	for s.Element() {
		out = append(out, element())
	}

	return out
}

// MapInto reads an object by a function that reads a value. null makes it nil; a map that is there
// gets the members in addition to its own.
func MapInto[V any](s *Scanner, into *map[string]V, value func() V) {
	if !s.Object() {
		*into = nil
		return
	}

	if *into == nil {
		*into = map[string]V{}
	}

	for s.Member() {
		name := s.Name()
		(*into)[name] = value()
	}
}
