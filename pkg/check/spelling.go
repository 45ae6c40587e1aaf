package check

import "github.com/bitting-keys/bitting/pkg/permission"

// NotSupported explains in a sentence why a call that the key may make is refused.
const NotSupported = "No policy of API Gateway can express this path: it has *, ${ or a " +
	"non-ASCII character, or it is too long."

// Spelling explains in a sentence how the path is misspelled, if that is why it has no route; else
// it returns "". The sentence needs no escaping in JSON.
func (v *Verdict) Spelling() string {
	switch v.decision.Ambiguity {
	case permission.AmbiguousCharacter:
		return "The path has an invalid character: a backslash, ?, # or a control character."
	case permission.AmbiguousSegment:
		return "The path has an empty segment, . or .., or a segment that some servers read as " +
			"one of these."
	case permission.AmbiguousEncoding:
		return "The encoding is the problem: the path has an escape that a server could decode " +
			"into another route. Letters, digits, - . _ and ~ must not be escaped; / % ? # and " +
			"control characters cannot be; and where a route has a fixed word, nothing can."
	case permission.AmbiguousParameter:
		return "The path has a semicolon where a route has a fixed word, and some servers drop " +
			"what follows a semicolon."
	case permission.AmbiguousSlash:
		return "The path has a slash at its end, which some servers would route differently. " +
			"Leave it out."
	case permission.Unambiguous:
	}

	return ""
}
