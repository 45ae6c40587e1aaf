package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Files makes places that are files. Others are others' to make.
type Files struct{}

// Empty reports whether the file exists and is empty, as it is between its making and its writing.
func (Files) Empty(s *Secret) bool {
	if s.File == "" {
		return false
	}

	info, err := os.Lstat(s.File)
	return err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// Make makes a new file that only its owner can read, and its folder.
func (f Files) Make(_ context.Context, s *Secret) (Place, error) {
	if s.File == "" {
		return nil, fmt.Errorf("secret: this version keeps secrets in files only, not in %s", s)
	}

	if err := os.MkdirAll(filepath.Dir(s.File), 0o700); err != nil {
		return nil, err
	}

	flags := os.O_CREATE | os.O_EXCL | os.O_WRONLY
	if f.Empty(s) {
		flags = os.O_WRONLY
	}

	file, err := os.OpenFile(s.File, flags, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("secret: %s exists, and is never overwritten", s.File)
	}

	if err != nil {
		return nil, err
	}

	if err := file.Chmod(0o600); err != nil {
		return nil, errors.Join(err, file.Close())
	}

	return filePlace{file}, nil
}

type filePlace struct{ *os.File }

func (f filePlace) Keep(secret string) error {
	_, err := io.WriteString(f, secret+"\n")
	if err == nil {
		err = f.Sync()
	}

	return errors.Join(err, f.Close())
}

func (f filePlace) Abandon() error { return errors.Join(f.Close(), os.Remove(f.Name())) }
