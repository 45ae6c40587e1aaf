package pepper

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Local wraps peppers by a key in a file, for a machine without AWS. It stands in for KMS and
// makes the same promise: what was wrapped for one scope does not unwrap for another, nor after a
// change (AES-256-GCM with the scope as additional data).
type Local struct{ aead cipher.AEAD }

// NewLocal reads the wrapping key from dir, or creates it (mode 0600) if there is none. It refuses
// a key that others can read.
func NewLocal(dir string) (*Local, error) {
	path := filepath.Join(dir, "wrapping.key")

	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = createKey(path)
	}

	if err != nil {
		return nil, err
	}

	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("wrapping key %s: %w", path, err)
	}

	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("wrapping key %s: %w", path, err)
	}

	return &Local{aead: aead}, nil
}

// Generate implements Provider.
func (l *Local) Generate(_ context.Context, scope Scope) (plain, wrapped []byte, err error) {
	random := make([]byte, Size+l.aead.NonceSize())
	if _, err := io.ReadFull(rand.Reader, random); err != nil {
		return nil, nil, fmt.Errorf("read random bytes: %w", err)
	}

	plain, nonce := random[:Size], random[Size:]
	return plain, l.aead.Seal(nonce, nonce, plain, additional(scope)), nil
}

// Unwrap implements Provider.
func (l *Local) Unwrap(_ context.Context, scope Scope, wrapped []byte) ([]byte, error) {
	n := l.aead.NonceSize()
	if len(wrapped) < n {
		return nil, errors.New("pepper: the wrapped key is too short")
	}

	plain, err := l.aead.Open(nil, wrapped[:n], wrapped[n:], additional(scope))
	if err != nil {
		return nil, fmt.Errorf("pepper: the wrapped key was made for another scope, by another "+
			"wrapping key, or was changed: %w", err)
	}

	return plain, nil
}

func additional(s Scope) []byte {
	return fmt.Appendf(nil, "service=bitting|environment=%s|version=%d", s.Environment, s.Version)
}

func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}

	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("wrapping key %s can be read by others (mode %04o): chmod 600 it",
			path, info.Mode().Perm())
	}

	key, err := os.ReadFile(path) //nolint:gosec // the path comes from the local gateway's own data folder
	if err != nil {
		return nil, err
	}

	if len(key) != Size {
		return nil, fmt.Errorf("wrapping key %s has %d bytes, want %d", path, len(key), Size)
	}

	return key, nil
}

// createKey writes the key under another name and links it in place. A crash leaves no partial
// key, and the first of two processes wins.
func createKey(path string) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}

	key := make([]byte, Size)
	if _, err := io.ReadFull(rand.Reader, key); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}

	temporary, err := os.CreateTemp(filepath.Dir(path), "wrapping-*.tmp") // mode 0600
	if err != nil {
		return nil, err
	}

	defer func() { _ = os.Remove(temporary.Name()) }()

	if _, err := temporary.Write(key); err != nil {
		return nil, errors.Join(err, temporary.Close())
	}

	if err := errors.Join(temporary.Sync(), temporary.Close()); err != nil {
		return nil, err
	}

	if err := os.Link(temporary.Name(), path); errors.Is(err, fs.ErrExist) {
		return readKey(path)
	} else if err != nil {
		return nil, err
	}

	return key, nil
}
