package signin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"github.com/rogpeppe/go-internal/lockedfile"
	"github.com/zalando/go-keyring"
)

// Tokens are what a sign-in yields. They are secrets.
type Tokens struct {
	ID      string `json:"idToken"`
	Refresh string `json:"refreshToken,omitempty"` // "" where the issuer gave none
}

// String implements fmt.Stringer without the tokens.
func (Tokens) String() string { return "[tokens]" }

// GoString implements fmt.GoStringer.
func (t Tokens) GoString() string { return t.String() }

// claims are what is read of an ID token without its signature, to know what to do with it.
type claims struct {
	Subject string  `json:"sub"`
	Expiry  float64 `json:"exp"` // seconds since 1970
}

// claimsOf reads an ID token. Its error does not quote it.
func claimsOf(token string) (c claims, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, errors.New("not a token")
	}

	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &c) != nil {
		return c, errors.New("not a token")
	}

	return c, nil
}

// early is how long before its expiry an ID token is refreshed: longer than a call takes.
const early = time.Minute

// Fresh reports whether the ID token is good for some time after now.
func (t Tokens) Fresh(now time.Time) bool {
	c, err := claimsOf(t.ID)
	return err == nil && now.Add(early).Before(time.Unix(int64(c.Expiry), 0))
}

// Keep keeps the tokens of profiles: in the system's keyring, or in a file.
type Keep struct {
	File   string // where there is no keyring; only its owner can read it
	Getenv func(string) string
}

const service = "bitting"

// What the keyring has of a profile. Each is an entry of its own, since some systems bound the
// length of one.
const (
	idEntry      = "id token of "
	refreshEntry = "refresh token of "
)

// entry is what the keyring calls the tokens of a profile. Files of profiles may use a name twice.
func (k Keep) entry(what, name string) string { return what + name + " in " + k.File }

// keyringTimeout is how long the system may take, such as to ask for a password.
const keyringTimeout = time.Minute

var errNoKeyring = errors.New("there is no keyring")

// withKeyring uses the keyring, if there is one.
func (k Keep) withKeyring(work func() error) error {
	// without a bus, the library would start one
	if runtime.GOOS != "darwin" && runtime.GOOS != "windows" &&
		k.Getenv("DBUS_SESSION_BUS_ADDRESS") == "" {
		bus := filepath.Join(k.Getenv("XDG_RUNTIME_DIR"), "bus")
		if _, err := os.Stat(bus); err != nil || !filepath.IsAbs(bus) {
			return errNoKeyring
		}
	}

	done := make(chan error, 1)
	go func() { done <- work() }()

	select {
	case err := <-done:
		return err
	case <-time.After(keyringTimeout):
		return errors.New("the system's keyring does not answer")
	}
}

// Store keeps the tokens of a profile, and says where.
func (k Keep) Store(name string, t Tokens) (where string, err error) {
	unlock, err := k.lock()
	if err != nil {
		return "", err
	}

	defer unlock()

	return k.store(name, t)
}

// lock keeps other programs from changing the tokens.
func (k Keep) lock() (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(k.File), 0o700); err != nil {
		return nil, err
	}

	return lockedfile.MutexAt(k.File + ".lock").Lock()
}

func (k Keep) store(name string, t Tokens) (where string, err error) {
	err = k.withKeyring(func() error {
		if err := keyring.Set(service, k.entry(refreshEntry, name), t.Refresh); err != nil {
			return err
		}

		return keyring.Set(service, k.entry(idEntry, name), t.ID)
	})
	if err == nil {
		return "the system's keyring", k.change(func(all map[string]Tokens) { delete(all, name) })
	}

	return k.File, k.change(func(all map[string]Tokens) { all[name] = t })
}

// Load returns the tokens of a profile. Errors: ErrSignedOut.
func (k Keep) Load(name string) (t Tokens, err error) {
	all, err := k.read()
	if err != nil {
		return t, err
	}

	if t, ok := all[name]; ok {
		return t, nil
	}

	err = k.withKeyring(func() (err error) {
		if t.ID, err = keyring.Get(service, k.entry(idEntry, name)); err != nil {
			return err
		}

		t.Refresh, err = keyring.Get(service, k.entry(refreshEntry, name))
		return err
	})
	if errors.Is(err, errNoKeyring) || errors.Is(err, keyring.ErrNotFound) {
		return Tokens{}, ErrSignedOut
	}

	if err != nil {
		return Tokens{}, fmt.Errorf("the system's keyring: %w", err)
	}

	return t, nil
}

// Forget removes the tokens of a profile, if there are any.
func (k Keep) Forget(name string) error {
	unlock, err := k.lock()
	if err != nil {
		return err
	}

	defer unlock()

	err = k.withKeyring(func() error {
		var all error
		for _, what := range []string{idEntry, refreshEntry} {
			err := keyring.Delete(service, k.entry(what, name))
			if err != nil && !errors.Is(err, keyring.ErrNotFound) {
				all = errors.Join(all, err)
			}
		}

		return all
	})
	if errors.Is(err, errNoKeyring) {
		err = nil
	}

	return errors.Join(err, k.change(func(all map[string]Tokens) { delete(all, name) }))
}

// read reads the file.
func (k Keep) read() (map[string]Tokens, error) {
	all := map[string]Tokens{}

	info, err := os.Stat(k.File)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}

	if err != nil {
		return nil, err
	}

	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s has tokens in it and others may read it: run chmod 600 %s", k.File,
			k.File)
	}

	text, err := os.ReadFile(k.File)
	if err != nil {
		return nil, err
	}

	if json.Unmarshal(text, &all) != nil { // its error could quote a token
		return nil, fmt.Errorf("%s cannot be read: delete it, and sign in again", k.File)
	}

	return all, nil
}

// change changes the file, which does not exist where it would be empty.
func (k Keep) change(change func(map[string]Tokens)) error {
	all, err := k.read()
	if err != nil {
		return err
	}

	if change(all); len(all) == 0 {
		if err := os.Remove(k.File); !errors.Is(err, fs.ErrNotExist) {
			return err
		}

		return nil
	}

	text, err := json.MarshalIndent(all, "", "  ") //nolint:gosec // it is the file of tokens
	if err != nil {
		return err
	}

	return renameio.WriteFile(k.File, append(text, '\n'), 0o600,
		renameio.WithTempDir(filepath.Dir(k.File)), renameio.WithStaticPermissions(0o600))
}

// Source returns a function that returns the ID token of a profile, refreshed if it has expired. Its
// errors: ErrSignedOut, and those of Issuer.Refresh.
func (k Keep) Source(i Issuer, name string) func(context.Context) (string, error) {
	var mu sync.Mutex
	var known Tokens

	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()

		var err error
		if !known.Fresh(time.Now()) {
			known, err = k.fresh(ctx, i, name)
		}

		return known.ID, err
	}
}

func (k Keep) fresh(ctx context.Context, i Issuer, name string) (Tokens, error) {
	t, err := k.Load(name)
	if err != nil || t.Fresh(time.Now()) {
		return t, err
	}

	// A refresh token may work only once: the others wait, and use what the first one gets.
	unlock, err := k.lock()
	if err != nil {
		return Tokens{}, err
	}

	defer unlock()

	if t, err = k.Load(name); err != nil || t.Fresh(time.Now()) {
		return t, err
	}

	if t, err = i.Refresh(ctx, t); err != nil {
		return Tokens{}, err
	}

	_, err = k.store(name, t)
	return t, err
}
