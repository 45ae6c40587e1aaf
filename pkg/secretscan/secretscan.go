// Package secretscan reads what GitHub's secret scanning sends to the issuers of secrets that it
// finds in public.
//
// It promises that a message is taken for GitHub's only where one of the keys that GitHub publishes
// signed its very bytes, that the keys are asked for seldom, whatever is sent, and that where
// nobody can tell, that is an error of its own and no answer. It does not know what a found text
// means.
//
// https://docs.github.com/en/code-security/secret-scanning/secret-scanning-partnership-program/secret-scanning-partner-program
package secretscan

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
)

var (
	// ErrSignature says that a message is not GitHub's.
	ErrSignature = errors.New("secretscan: the signature does not match")
	// ErrUnavailable says that nobody can tell: GitHub's keys could not be had.
	ErrUnavailable = errors.New("secretscan: the public keys are unavailable")
	// ErrMalformed says that a message has no list of matches.
	ErrMalformed = errors.New("secretscan: not a list of matches")
	// ErrTooMany says that a message has more matches than MaxMatches.
	ErrTooMany = errors.New("secretscan: too many matches")
)

// MaxMatches is how many matches of one message are looked at. A message of more is refused whole,
// so that it can be sent again in parts.
const MaxMatches = 1000

// maxIdentifier and maxSignature are more than any key's identifier and any signature of the curve
// need.
const (
	maxIdentifier = 128
	maxSignature  = 128
)

// Match is a text that was found, and where. The text may be a secret: a Match is neither printed
// nor kept.
type Match struct {
	Token string `json:"token"`
	Type  string `json:"type"`
	URL   string `json:"url"` // may be empty
}

// Matches reads a message. An entry that is not a match is left out: it must not stand in the
// others' way. Errors: ErrMalformed, ErrTooMany.
func Matches(body []byte) ([]Match, error) {
	var entries []json.RawMessage
	if err := json.Unmarshal(body, &entries); err != nil {
		return nil, ErrMalformed // json's error may quote what was sent
	}

	if len(entries) > MaxMatches {
		return nil, ErrTooMany
	}

	var out []Match
	for _, entry := range entries {
		var m Match
		if json.Unmarshal(entry, &m) == nil && m.Token != "" {
			out = append(out, m)
		}
	}

	return out, nil
}

// verify reports whether a key signed a message: ECDSA on P-256 with SHA-256, in ASN.1, in base64.
func verify(key *ecdsa.PublicKey, signature string, body []byte) error {
	if len(signature) > maxSignature {
		return ErrSignature
	}

	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return ErrSignature
	}

	if digest := sha256.Sum256(body); !ecdsa.VerifyASN1(key, digest[:], raw) {
		return ErrSignature
	}

	return nil
}
