package apikey

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"time"
)

// Algorithm is how another system hashed the secrets that it issued. The zero value is our own
// way, which hashes nothing before the pepper.
type Algorithm string

// The supported algorithms of imported keys.
const (
	SHA256 Algorithm = "sha256"
	SHA512 Algorithm = "sha512"
)

// Algorithms returns the supported algorithms of imported keys, in the order in which secrets are
// looked up by them.
func Algorithms() []Algorithm { return []Algorithm{SHA256, SHA512} }

// Sum returns the digest of another system's secret.
func (a Algorithm) Sum(text string) []byte {
	if a == SHA512 {
		sum := sha512.Sum512([]byte(text))
		return sum[:]
	}

	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// Size returns the length of a digest, in bytes.
func (a Algorithm) Size() int {
	if a == SHA512 {
		return sha512.Size
	}

	return sha256.Size
}

// Limits on another system's secret, in bytes.
const (
	MinForeign = 8
	MaxForeign = 256
)

// Foreign reports whether text may be a secret of another system: 8 to 256 printable ASCII
// characters without spaces. It may begin as ours do: only a text that Brand.Parse accepts is
// certain to be ours. It allocates nothing.
func Foreign(text string) bool {
	if len(text) < MinForeign || len(text) > MaxForeign {
		return false
	}

	for i := range len(text) {
		if c := text[i]; c <= ' ' || c > '~' {
			return false
		}
	}

	return true
}

// ErrDigest means that a text is not a digest of the algorithm. It does not repeat the text.
var ErrDigest = errors.New("apikey: not a digest of this algorithm")

// ParseDigest reads a digest in hexadecimal digits of either case, or in base64 of either
// alphabet, with or without padding. The length decides which of them it is. Every fault is
// ErrDigest.
func (a Algorithm) ParseDigest(text string) ([]byte, error) {
	var digest []byte

	var err error
	switch unpadded := base64.RawStdEncoding.EncodedLen(a.Size()); len(text) {
	case hex.EncodedLen(a.Size()):
		digest, err = hex.DecodeString(text)
	case base64.StdEncoding.EncodedLen(a.Size()):
		body, padding := text[:unpadded], text[unpadded:]
		if strings.Trim(padding, "=") != "" {
			return nil, ErrDigest
		}

		digest, err = base64Digest(body)
	case unpadded:
		digest, err = base64Digest(text)
	default:
		return nil, ErrDigest
	}

	if err != nil || len(digest) != a.Size() { // base64's decoder ignores line ends
		return nil, ErrDigest
	}

	return digest, nil
}

// base64Digest reads base64 without padding. Unused bits must be zero, so that no two texts are
// the same digest by accident.
func base64Digest(text string) ([]byte, error) {
	return base64.RawStdEncoding.Strict().DecodeString(strings.NewReplacer("-", "+", "_",
		"/").Replace(text))
}

// Imports records which hash algorithms have imported keys in an environment. Without imports,
// every text that is not a secret of ours is refused without a read.
type Imports struct {
	Version int64
	// Pepper is the version of the pepper that makes the imported keys' ids. It never changes.
	Pepper int
	Since  map[Algorithm]time.Time // since when secrets are looked up by an algorithm
}

// By returns the algorithms by which secrets are looked up. A nil Imports has none.
func (i *Imports) By() []Algorithm {
	if i == nil {
		return nil
	}

	var out []Algorithm
	for _, a := range Algorithms() {
		if !i.Since[a].IsZero() {
			out = append(out, a)
		}
	}

	return out
}

// DerivedID returns a key id made from an unpredictable digest of at least 16 bytes. Equal digests
// give equal ids.
func DerivedID(digest []byte) string {
	n := new(big.Int).SetBytes(digest)
	base := big.NewInt(int64(len(alphabet)))
	digit := new(big.Int)

	out := make([]byte, IDLength)
	for i := range out {
		n.DivMod(n, base, digit)
		out[i] = alphabet[digit.Int64()]
	}

	return string(out)
}

// ForeignHint returns what may be shown of another system's secret: how it was hashed, and the
// beginning of its key's id, which reveals nothing of the secret.
func ForeignHint(a Algorithm, id string) string { return string(a) + ":" + id[:4] + "…" }
