// Package secretscan reads the messages of GitHub's secret scanning, which reports secrets found in
// public to their issuers.
//
// It promises that a message is accepted only if a key that GitHub publishes signed exactly its
// bytes, that the keys are read rarely regardless of what is sent, and that an unavailable list of
// keys is an error of its own. It does not interpret the texts that were found.
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
	// ErrSignature means that a message is not GitHub's.
	ErrSignature = errors.New("secretscan: the signature does not match")
	// ErrUnavailable means that GitHub's keys are unavailable, so that the signature is unverified.
	ErrUnavailable = errors.New("secretscan: the public keys are unavailable")
	// ErrMalformed means that a message has no list of matches.
	ErrMalformed = errors.New("secretscan: not a list of matches")
	// ErrTooMany means that a message has more matches than MaxMatches.
	ErrTooMany = errors.New("secretscan: too many matches")
)

// MaxMatches is the most matches in one message. A message with more is refused as a whole, so that
// it can be sent again in parts.
const MaxMatches = 1000

// maxIdentifier and maxSignature are longer than any key's identifier and any signature of the
// curve.
const (
	maxIdentifier = 128
	maxSignature  = 128
)

// Match is a text that was found, and where. The text may be a secret: a Match must not be printed
// or stored.
type Match struct {
	Token string `json:"token"`
	Type  string `json:"type"`
	URL   string `json:"url"` // may be empty
}

// Matches decodes a message. An entry that is not a match is left out, so that the others count.
// Errors: ErrMalformed, ErrTooMany.
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

// verify returns nil if a key signed a message: base64 of ASN.1, ECDSA on P-256 with SHA-256.
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
