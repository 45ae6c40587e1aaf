package permission

import "strings"

// The forms of names are checked by hand: to compile their expressions took 0.7 ms of each cold start
// of a function. Tests compare with the expressions.

// Characters of names.
const (
	lower = "abcdefghijklmnopqrstuvwxyz"
	upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digit = "0123456789"
)

// charset is a set of bytes.
type charset [256]bool

func setOf(characters string) *charset {
	var set charset
	for i := range len(characters) {
		set[characters[i]] = true
	}

	return &set
}

var (
	lowers   = setOf(lower)
	letters  = setOf(lower + upper)
	slugs    = setOf(lower + digit + "-")
	actions  = setOf(lower + digit + "-_")
	olders   = setOf(lower + upper + digit + "-_")
	literals = setOf(lower + upper + digit + "._~$@!+=,:-")
	names    = setOf(lower + upper + digit + "_.-")
)

// has reports whether a text has 1 to most bytes, all of the set, and the first one of another.
func (set *charset) has(text string, first *charset, most int) bool {
	if text == "" || len(text) > most || !first[text[0]] {
		return false
	}

	for i := range len(text) {
		if !set[text[i]] {
			return false
		}
	}

	return true
}

const maxPart = 32 // of a name, in bytes

// ValidName reports whether name has the form of a permission's name: resource:action, or the
// older resource_action.
func ValidName(name string) bool {
	// ^[a-z][a-z0-9-]{0,31}:[a-z][a-z0-9_-]{0,31}$
	if resource, action, ok := strings.Cut(name, ":"); ok {
		return slugs.has(resource, lowers, maxPart) && actions.has(action, lowers, maxPart)
	}

	// ^[A-Za-z][A-Za-z0-9-]*_[A-Za-z0-9_-]+$: the first underscore ends the resource
	resource, action, ok := strings.Cut(name, "_")
	return ok && len(name) <= maxName && olders.has(resource, letters, maxName) &&
		olders.has(action, olders, maxName)
}

// ValidAPI reports whether name has the form of an API's name in routes:
// ^[a-z][a-z0-9-]{0,31}$.
func ValidAPI(name string) bool { return slugs.has(name, lowers, maxPart) }

// isLiteral reports whether a text may be a literal of a path: ^[A-Za-z0-9._~$@!+=,:-]+$. A literal
// may contain neither a glob's * and ? nor %: a literal in a policy must match only itself, and
// encoded and plain spellings of a character must not become two routes. Nor may it contain a
// semicolon, after which some servers read parameters.
func isLiteral(text string) bool { return literals.has(text, literals, maxPath) }

const maxParameter = 64 // bytes

// isParameter reports whether a text may be a parameter's name: ^[A-Za-z0-9_.-]{1,64}$.
func isParameter(text string) bool { return names.has(text, names, maxParameter) }
