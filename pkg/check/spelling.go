package check

import "github.com/bitting-keys/bitting/pkg/permission"

// NotSupported says in a sentence why a call that nothing forbids is refused.
const NotSupported = "No policy of API Gateway can say this path: it has *, ${ or what is not " +
	"ASCII, or it is too long."

// Spelling says in a sentence why the path has no route, where that is its spelling; else "". The
// sentence stands in JSON as it is.
func (v *Verdict) Spelling() string {
	switch v.decision.Ambiguity {
	case permission.AmbiguousCharacter:
		return "The path has a character that no path has: a backslash, ?, # or a control " +
			"character."
	case permission.AmbiguousSegment:
		return "The path has an empty segment, . or .., or one that some servers take for such."
	case permission.AmbiguousEncoding:
		return "It is the encoding: the path has an escape that a server which decodes it could " +
			"take for another route. " +
			"Letters, digits, - . _ and ~ must not be escaped; / % ? # and control characters " +
			"cannot be; and where some route has a fixed word, nothing can."
	case permission.AmbiguousParameter:
		return "The path has a semicolon where some route has a fixed word, and some servers " +
			"leave out what follows a semicolon."
	case permission.AmbiguousSlash:
		return "The path has a slash at its end, and with it some servers would take another " +
			"route. Leave it out."
	case permission.Unambiguous:
	}

	return ""
}
