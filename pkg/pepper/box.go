package pepper

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// ErrForged means that a text was not encrypted by this deployment for this purpose and this
// associated data.
var ErrForged = errors.New("pepper: the text was not made here for this purpose")

// versionLength is the length of the pepper's version before an encrypted text.
const versionLength = 4

// Encrypt returns a text that only this deployment can read, for one purpose, bound to the
// associated data (AES-256-GCM under a key derived from the pepper).
func (p *Pepper) Encrypt(
	random io.Reader, purpose string, plain, associated []byte,
) ([]byte, error) {
	aead, err := p.aead(purpose)
	if err != nil {
		return nil, err
	}

	out := binary.BigEndian.AppendUint32(nil, uint32(p.version))

	nonce := make([]byte, aead.NonceSize())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("pepper: read random bytes: %w", err)
	}

	return aead.Seal(append(out, nonce...), nonce, plain, associated), nil
}

// Decrypt is the inverse of Encrypt. The text may come from anyone: an unknown version causes at
// most one read a second. Errors: ErrForged, and the errors of the rows and the provider.
func (k *Keyring) Decrypt(
	ctx context.Context, env apikey.Environment, purpose string, text, associated []byte,
) ([]byte, error) {
	if len(text) < versionLength {
		return nil, ErrForged
	}

	p, err := k.claimed(ctx, env, int(binary.BigEndian.Uint32(text)))
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, ErrForged
	case err != nil:
		return nil, err
	}

	aead, err := p.aead(purpose)
	if err != nil {
		return nil, err
	}

	if text = text[versionLength:]; len(text) < aead.NonceSize() {
		return nil, ErrForged
	}

	plain, err := aead.Open(nil, text[:aead.NonceSize()], text[aead.NonceSize():], associated)
	if err != nil {
		return nil, ErrForged
	}

	return plain, nil
}

func (p *Pepper) aead(purpose string) (cipher.AEAD, error) {
	mac := hmac.New(sha256.New, p.key[:])
	mac.Write([]byte("bitting/encrypt/1|" + purpose))

	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("pepper: %w", err)
	}

	return cipher.NewGCM(block)
}
