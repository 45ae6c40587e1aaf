package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/bitting-keys/bitting/cmd/bitting/cloud"
)

// Place is where one secret goes. Its name in words is its text.
type Place interface {
	fmt.Stringer

	// Waits reports whether it was reserved and no secret has arrived there. It changes nothing, and
	// reads no secret. Error: [cloud.ErrExists] where something is there.
	Waits(ctx context.Context) (bool, error)
	// Reserve makes the place before the secret is made: one that cannot be kept must not be made.
	// Error: [cloud.ErrExists].
	Reserve(ctx context.Context) error
	// Keep puts the secret there.
	Keep(ctx context.Context, secret string) error
	// Release takes the reservation back: no secret was made.
	Release(ctx context.Context) error
}

// Places opens the place that a file names. It makes nothing.
type Places func(s *Secret) (Place, error)

// SecretFile is a new file that only its owner can read.
type SecretFile struct {
	name   string
	taking cloud.Taking
	file   *os.File
}

// NewSecretFile returns the file with the name. Whatever is taken, a file that is not empty is not.
func NewSecretFile(name string, taking cloud.Taking) *SecretFile {
	return &SecretFile{name: name, taking: taking}
}

// String returns the name.
func (f *SecretFile) String() string { return f.name }

// Waits implements [Place]: a file is empty between its making and its writing.
func (f *SecretFile) Waits(context.Context) (bool, error) {
	switch info, err := os.Lstat(f.name); {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular() || info.Size() > 0:
		return false, fmt.Errorf("%s: %w", f.name, cloud.ErrExists)
	default:
		return true, nil
	}
}

// Reserve makes the file, and its folder.
func (f *SecretFile) Reserve(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(f.name), 0o700); err != nil {
		return err
	}

	flags := os.O_CREATE | os.O_EXCL | os.O_WRONLY
	if waits, err := f.Waits(ctx); err == nil && waits && f.taking == cloud.Reserved {
		flags = os.O_WRONLY
	}

	file, err := os.OpenFile(f.name, flags, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s: %w", f.name, cloud.ErrExists)
	}

	if err != nil {
		return err
	}

	if err := file.Chmod(0o600); err != nil {
		return errors.Join(err, file.Close())
	}

	f.file = file
	return nil
}

// Keep writes the secret and a line feed.
func (f *SecretFile) Keep(_ context.Context, secret string) error {
	_, err := io.WriteString(f.file, secret+"\n")
	if err == nil {
		err = f.file.Sync()
	}

	return errors.Join(err, f.file.Close())
}

// Release removes the file.
func (f *SecretFile) Release(context.Context) error {
	return errors.Join(f.file.Close(), os.Remove(f.name))
}
