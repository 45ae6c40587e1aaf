package localoidc

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	keyFile = "oidc-signing.pem"
	keyBits = 2048
	pemType = "PRIVATE KEY" // PKCS #8
)

// signingKey reads the key from the folder, or creates it (mode 0600).
func signingKey(dir string) (*rsa.PrivateKey, error) {
	file := filepath.Join(dir, keyFile)

	key, err := readKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = createKey(file)
	}

	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}

	return key, nil
}

func readKey(file string) (*rsa.PrivateKey, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}

	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): chmod 600 it", file,
			info.Mode().Perm())
	}

	text, err := os.ReadFile(file) //nolint:gosec // the path comes from the local gateway's own data folder
	if err != nil {
		return nil, err
	}

	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, fmt.Errorf("%s is not a private key in PEM", file)
	}

	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}

	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is not an RSA key", file)
	}

	return key, nil
}

// createKey writes the key under another name and links it in place. A crash leaves no partial
// key, and the first of two processes wins.
func createKey(file string) (*rsa.PrivateKey, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}

	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}

	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}

	temporary, err := os.CreateTemp(filepath.Dir(file), "oidc-signing-*.tmp") // mode 0600
	if err != nil {
		return nil, err
	}

	defer func() { _ = os.Remove(temporary.Name()) }()

	if err := pem.Encode(temporary, &pem.Block{Type: pemType, Bytes: der}); err != nil {
		return nil, errors.Join(err, temporary.Close())
	}

	if err := errors.Join(temporary.Sync(), temporary.Close()); err != nil {
		return nil, err
	}

	if err := os.Link(temporary.Name(), file); errors.Is(err, fs.ErrExist) {
		return readKey(file)
	} else if err != nil {
		return nil, err
	}

	return key, nil
}
