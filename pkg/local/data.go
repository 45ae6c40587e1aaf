package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// The files that bitting local keeps in the data folder.
const (
	lockFile  = "lock"
	readyFile = "local.json" // for programs, while it runs
	demoFile  = "demo.json"  // the demo's secrets, across starts
)

// findCheckout finds the folder of a checkout: the given one, else the working folder or one above
// it. "" means that there is none. A template.yaml alone is not enough: many projects have one.
func findCheckout(given string) (string, error) {
	dir, err := filepath.Abs(given)
	if err != nil || given != "" {
		return dir, err
	}

	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod")) //nolint:gosec // only looked at
		if err == nil && bytes.HasPrefix(text, []byte("module github.com/bitting-keys/bitting\n")) {
			return dir, nil
		}

		parent := filepath.Dir(dir)
		if parent == dir {
			return "", nil
		}

		dir = parent
	}
}

// lockData locks the data folder until unlock. The lock ends with the process, however that ends.
// With fresh, existing data is removed.
func lockData(dir string, fresh bool) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}

	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the folder that the caller chose
	if err != nil {
		return nil, err
	}

	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("the data in %s is in use by another bitting local; "+
			"--data takes another folder", dir), lock.Close())
	}

	if fresh {
		if err := removeData(dir); err != nil {
			return nil, errors.Join(err, lock.Close())
		}
	}

	// Closing alone would leave the lock with a child process that was being started at this
	// moment and still has the file open.
	unlock = func() error {
		return errors.Join(syscall.Flock(int(lock.Fd()), syscall.LOCK_UN), lock.Close())
	}
	return unlock, removeIfThere(filepath.Join(dir, readyFile))
}

// removeData removes the files that bitting local made in the folder, and no others.
func removeData(dir string) error {
	ours := []string{
		readyFile, demoFile, "bitting.log", "dynamodb.sqlite", "dynamodb.sqlite-wal",
		"dynamodb.sqlite-shm", "dynamodb-local", "keys", "build",
	}
	for _, name := range ours {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}

	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	return nil
}

// writePrivate atomically writes JSON that only its owner can read.
func writePrivate(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}

	return renameio.WriteFile(path, append(text, '\n'), 0o600,
		renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(0o600))
}
