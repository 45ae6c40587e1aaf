// Package identity has the people that a sign-in tells of. Package oidc verifies their tokens.
package identity

import "errors"

// Why a token yields no person.
var (
	// ErrInvalid means that the token is not valid, for any reason. The text has the reason, for
	// logs.
	ErrInvalid = errors.New("identity: invalid token")
	// ErrUnavailable means that it is unknown whether the token is valid: the issuer cannot be
	// reached and no known key fits, or the configuration is invalid. The text has the reason, for
	// logs.
	ErrUnavailable = errors.New("identity: the issuer's keys are unavailable")
)

// Person is the signed-in person, as the issuer describes them.
type Person struct {
	ID            string // the subject: unique at the issuer, never reassigned
	Email         string // may be empty
	EmailVerified bool   // the issuer has verified that the address is theirs
	Name          string // for display; may be empty
}
