package apikey

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"strings"
)

// Lengths of the parts of a secret, in characters.
const (
	IDLength       = 16
	randomLength   = 32 // 32 base62 characters carry 190 bits
	checksumLength = 6  // 62^6 > 2^32
)

// MaxLength is the maximum length of a key header, in bytes; a longer one is malformed before
// anything is parsed.
const MaxLength = 128

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// ErrMalformed means that a text is not a secret of this brand: its form or its checksum is wrong.
var ErrMalformed = errors.New("apikey: malformed secret")

// Secret is the text that a caller sends. It redacts itself: when it is printed, logged or
// marshalled, the text does not appear. Only Reveal returns it.
type Secret struct {
	// text is a pointer because package fmt prints unexported fields of other structs without
	// calling their methods: it then prints an address.
	text *string
}

// Reveal returns the text, "" for the zero Secret. It must only be called where a secret is shown
// once.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}

	return *s.text
}

// String implements fmt.Stringer without the text.
func (Secret) String() string { return "[secret]" }

// GoString implements fmt.GoStringer without the text.
func (Secret) GoString() string { return "[secret]" }

// Format implements fmt.Formatter, so that no verb, %x and %d included, reaches the text.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// LogValue implements slog.LogValuer without the text.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// MarshalText always fails, so that neither encoding/json nor any other encoder writes the text.
func (Secret) MarshalText() ([]byte, error) {
	return nil, errors.New("apikey: a secret is not marshalled")
}

// Hint returns the part of the secret that is not secret: everything before the random part, and
// the last four characters.
func (s Secret) Hint() string {
	text := s.Reveal()

	i := strings.LastIndexByte(text, '_')
	if i < 0 {
		return ""
	}

	return text[:i+1] + "…" + text[len(text)-4:]
}

// Brand is the first part of every secret of a deployment, such as "bt".
type Brand string

// Valid reports whether b may be a brand: ^[a-z][a-z0-9]{1,9}$.
func (b Brand) Valid() bool {
	if len(b) < 2 || len(b) > 10 || b[0] < 'a' {
		return false
	}

	for i := range len(b) {
		if c := b[i]; !inAlphabet(c) || 'A' <= c && c <= 'Z' {
			return false
		}
	}

	return true
}

// Pattern returns a regular expression that finds secrets of this brand in a text, for secret
// scanners. A match is certain once Parse accepts it, which needs no network.
func (b Brand) Pattern() string {
	return fmt.Sprintf(`\b%s_(prod|stg|dev)_[0-9A-Za-z]{%d}_[0-9A-Za-z]{%d}\b`, b, IDLength,
		randomLength+checksumLength)
}

// NewID returns a fresh key id of IDLength base62 characters, read from random.
func NewID(random io.Reader) (string, error) { return base62(random, IDLength) }

// Mint makes a new secret for the key with this id, read from random, which must be a cryptographic
// source.
func (b Brand) Mint(random io.Reader, env Environment, id string) (Secret, error) {
	if !b.Valid() || !env.Valid() || !isBase62(id, IDLength) {
		return Secret{}, fmt.Errorf("apikey: mint: brand %q, environment %q or id %q is not valid",
			b, env, id)
	}

	part, err := base62(random, randomLength)
	if err != nil {
		return Secret{}, err
	}

	body := string(b) + "_" + env.Short() + "_" + id + "_" + part
	text := body + checksum(body)
	return Secret{text: &text}, nil
}

// Parts are the parts of a well-formed secret. They must not be trusted before the hash of Random
// has been compared.
type Parts struct {
	Environment Environment
	KeyID       string
	Random      string // the 32 random characters: as secret as the whole
}

// LogValue implements slog.LogValuer without the random part.
func (p Parts) LogValue() slog.Value {
	return slog.StringValue(string(p.Environment) + "/" + p.KeyID)
}

// Format implements fmt.Formatter without the random part.
func (p Parts) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, string(p.Environment)+"/"+p.KeyID+"/[secret]")
}

// MarshalText always fails, as Secret's does.
func (Parts) MarshalText() ([]byte, error) { return Secret{}.MarshalText() }

// Parse splits a secret after checking its form and its checksum. It uses no network and allocates
// nothing. Every fault is ErrMalformed.
func (b Brand) Parse(text string) (Parts, error) {
	if len(text) > MaxLength {
		return Parts{}, ErrMalformed
	}

	rest, ok := strings.CutPrefix(text, string(b))
	if !ok || len(rest) == 0 || rest[0] != '_' {
		return Parts{}, ErrMalformed
	}

	short, rest, ok := strings.Cut(rest[1:], "_")
	if !ok {
		return Parts{}, ErrMalformed
	}

	id, tail, ok := strings.Cut(rest, "_")

	env := fromShort(short)
	if !ok || env == "" || !isBase62(id, IDLength) || !isBase62(tail, randomLength+checksumLength) {
		return Parts{}, ErrMalformed
	}

	if !checksumMatches(text[:len(text)-checksumLength], text[len(text)-checksumLength:]) {
		return Parts{}, ErrMalformed
	}

	return Parts{Environment: env, KeyID: id, Random: tail[:randomLength]}, nil
}

// LooksLike reports whether text starts as a secret of this brand does, well-formed or not. If a
// request has both an Authorization and an X-Api-Key header, this decides whether the former is
// ours or the backend's.
func (b Brand) LooksLike(text string) bool {
	rest, ok := strings.CutPrefix(text, string(b)+"_")
	return ok &&
		(strings.HasPrefix(rest, "prod_") || strings.HasPrefix(rest, "stg_") ||
			strings.HasPrefix(rest, "dev_"))
}

// checksum returns the CRC-32 (IEEE) of body in base62, left-padded with 0 to six characters.
func checksum(body string) string {
	out := checksumBytes(body)
	return string(out[:])
}

func checksumMatches(body, sum string) bool {
	want := checksumBytes(body)
	return string(want[:]) == sum // the compiler compares without allocating
}

func checksumBytes(body string) [checksumLength]byte {
	crc := ^uint32(0)
	for i := range len(body) { // crc32.ChecksumIEEE would need a []byte copy of body
		crc = crc32.IEEETable[byte(crc)^body[i]] ^ (crc >> 8)
	}

	n := ^crc

	var out [checksumLength]byte
	for i := checksumLength - 1; i >= 0; i-- {
		out[i] = alphabet[n%62]
		n /= 62
	}

	return out
}

func isBase62(s string, length int) bool {
	if len(s) != length {
		return false
	}

	for i := range len(s) {
		if !inAlphabet(s[i]) {
			return false
		}
	}

	return true
}

func inAlphabet(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// base62 draws n characters without modulo bias: it takes six random bits at a time, and discards
// the two values that are not characters.
func base62(random io.Reader, n int) (string, error) {
	out := make([]byte, 0, n)

	var buffer [64]byte
	for len(out) < n {
		if _, err := io.ReadFull(random, buffer[:]); err != nil {
			return "", fmt.Errorf("apikey: read random bytes: %w", err)
		}

		for _, b := range buffer {
			if v := b & 63; v < 62 && len(out) < n {
				out = append(out, alphabet[v])
			}
		}
	}

	return string(out), nil
}

// ValidID reports whether a text has the form of a key id.
func ValidID(id string) bool { return isBase62(id, IDLength) }
