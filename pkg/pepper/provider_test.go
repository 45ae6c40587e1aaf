package pepper_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/pepper/awskms"
)

// fakeKMS keeps KMS's promise: a data key unwraps for the same key id, ciphertext and encryption
// context only. https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
type fakeKMS struct {
	mu      sync.Mutex
	wrapped map[string]dataKey
}

type dataKey struct {
	keyID   string
	context map[string]string
	plain   []byte
}

// GenerateDataKey implements awskms.Client.
func (f *fakeKMS) GenerateDataKey(
	_ context.Context, in *kms.GenerateDataKeyInput, _ ...func(*kms.Options),
) (*kms.GenerateDataKeyOutput, error) {
	if in.KeyId == nil || in.KeySpec != types.DataKeySpecAes256 || in.NumberOfBytes != nil {
		return nil, fmt.Errorf("unexpected %+v", in)
	}

	plain, wrapped := make([]byte, 32), make([]byte, 48)
	_, _ = rand.Read(plain)
	_, _ = rand.Read(wrapped)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrapped[string(wrapped)] = dataKey{*in.KeyId, maps.Clone(in.EncryptionContext), plain}
	return &kms.GenerateDataKeyOutput{Plaintext: bytes.Clone(plain), CiphertextBlob: wrapped}, nil
}

// Decrypt implements awskms.Client.
func (f *fakeKMS) Decrypt(
	_ context.Context, in *kms.DecryptInput, _ ...func(*kms.Options),
) (*kms.DecryptOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	found, ok := f.wrapped[string(in.CiphertextBlob)]
	switch {
	case !ok || !maps.Equal(found.context, in.EncryptionContext):
		return nil, &types.InvalidCiphertextException{}
	case in.KeyId != nil && *in.KeyId != found.keyID:
		return nil, &types.IncorrectKeyException{}
	}

	return &kms.DecryptOutput{Plaintext: bytes.Clone(found.plain)}, nil
}

// Both providers keep the same promise.
func TestWrappedKeyIsBoundToItsScope(t *testing.T) {
	t.Parallel()
	client := &fakeKMS{wrapped: map[string]dataKey{}}

	local := must[*pepper.Local](t)(pepper.NewLocal(t.TempDir()))
	for name, test := range map[string]struct{ ours, others pepper.Provider }{
		"local": {local, must[*pepper.Local](t)(pepper.NewLocal(t.TempDir()))},
		"kms":   {awskms.New(client, "key-1"), awskms.New(client, "key-2")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scope := pepper.Scope{Environment: apikey.Production, Version: 1}

			plain, wrapped, err := test.ours.Generate(t.Context(), scope)
			if err != nil || len(plain) != pepper.Size {
				t.Fatalf("%d bytes, %v", len(plain), err)
			}

			if bytes.Contains(wrapped, plain) {
				t.Error("the wrapped key holds the key")
			}

			if got := must[[]byte](t)(test.ours.Unwrap(t.Context(),
				scope, wrapped)); !bytes.Equal(got, plain) {
				t.Error("another key came back")
			}

			refused := func(what string, p pepper.Provider, scope pepper.Scope, wrapped []byte) {
				t.Helper()

				if got, err := p.Unwrap(t.Context(), scope, wrapped); err == nil {
					t.Errorf("%s: unwrapped to %d bytes", what, len(got))
				}
			}
			refused("another environment", test.ours, pepper.Scope{
				Environment: apikey.Staging,
				Version:     1,
			}, wrapped)
			refused("another version", test.ours, pepper.Scope{
				Environment: apikey.Production,
				Version:     2,
			}, wrapped)
			refused("version 11", test.ours, pepper.Scope{
				Environment: apikey.Production,
				Version:     11,
			}, wrapped)
			refused("another wrapping key", test.others, scope, wrapped)
			refused("nothing", test.ours, scope, nil)

			for i := range wrapped {
				changed := bytes.Clone(wrapped)
				changed[i] ^= 1
				refused(fmt.Sprintf("byte %d changed", i), test.ours, scope, changed)
				refused(fmt.Sprintf("cut to %d bytes", i), test.ours, scope, wrapped[:i])
			}

			_, again, err := test.ours.Generate(t.Context(), scope)
			if err != nil || bytes.Equal(again, wrapped) {
				t.Errorf("the same key twice, %v", err)
			}
		})
	}
}

// failingKMS is KMS while it is down.
type failingKMS struct{}

func (failingKMS) GenerateDataKey(
	context.Context, *kms.GenerateDataKeyInput, ...func(*kms.Options),
) (*kms.GenerateDataKeyOutput, error) {
	return nil, errDown
}

func (failingKMS) Decrypt(
	context.Context, *kms.DecryptInput, ...func(*kms.Options),
) (*kms.DecryptOutput, error) {
	return nil, errDown
}

func TestKMSDown(t *testing.T) {
	t.Parallel()

	p := awskms.New(failingKMS{}, "key-1")
	if plain, wrapped, err := p.Generate(t.Context(), pepper.Scope{}); plain != nil ||
		wrapped != nil || !errors.Is(err, errDown) {
		t.Errorf("Generate: %v", err)
	}

	if plain, err := p.Unwrap(t.Context(), pepper.Scope{}, []byte("x")); plain != nil ||
		!errors.Is(err, errDown) {
		t.Errorf("Unwrap: %v", err)
	}

	r := newRows()
	if _, err := pepper.NewKeyring(r, p, newClock().Now).Ensure(t.Context(),
		apikey.Production); !errors.Is(err, errDown) || len(r.stored[apikey.Production]) != 0 {
		t.Errorf("Ensure: %v, and %d rows", err, len(r.stored[apikey.Production]))
	}
}

func TestLocalKeyFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "keys")
	scope := pepper.Scope{Environment: apikey.Production, Version: 1}

	_, wrapped, err := must[*pepper.Local](t)(pepper.NewLocal(dir)).Generate(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}

	modes := map[string]os.FileMode{}
	for _, path := range []string{dir, filepath.Join(dir, "wrapping.key")} {
		modes[filepath.Base(path)] = must[os.FileInfo](t)(os.Stat(path)).Mode().Perm()
	}

	if diff := cmp.Diff(map[string]os.FileMode{
		"keys":         0o700,
		"wrapping.key": 0o600,
	}, modes); diff != "" {
		t.Errorf("modes (-want +got):\n%s", diff)
	}

	// The next start reads it.
	must[[]byte](t)(must[*pepper.Local](t)(pepper.NewLocal(dir)).Unwrap(t.Context(),
		scope, wrapped))

	if files := must[[]os.DirEntry](t)(os.ReadDir(dir)); len(files) != 1 {
		t.Errorf("%d files are left", len(files))
	}
}

func TestLocalRefusesAKeyThatOthersRead(t *testing.T) {
	t.Parallel()

	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o602, 0o620, 0o610, 0o601, 0o777} {
		dir := t.TempDir()
		must[*pepper.Local](t)(pepper.NewLocal(dir))

		if err := os.Chmod(filepath.Join(dir, "wrapping.key"), mode); err != nil {
			t.Fatal(err)
		}

		if _, err := pepper.NewLocal(dir); err == nil {
			t.Errorf("mode %04o is taken", mode)
		}
	}
}

// A file that is not a key must never be replaced: every stored pepper would be lost with it.
func TestLocalNeverReplacesAKey(t *testing.T) {
	t.Parallel()

	for _, size := range []int{0, 16, 31, 33} {
		dir := t.TempDir()
		path := filepath.Join(dir, "wrapping.key")

		text := bytes.Repeat([]byte("x"), size)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}

		if _, err := pepper.NewLocal(dir); err == nil {
			t.Errorf("%d bytes were accepted as a key", size)
		}

		if got := must[[]byte](t)(os.ReadFile(path)); !bytes.Equal(got, text) {
			t.Errorf("the file of %d bytes has %d now", size, len(got))
		}
	}
}

// Files left by a killed start neither disturb the next one nor count as a key.
func TestLocalAfterACrash(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "wrapping-123.tmp"),
		[]byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}

	must[*pepper.Local](t)(pepper.NewLocal(dir))
}

func TestLocalOfTwoProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	providers := make([]*pepper.Local, 20)

	var all sync.WaitGroup
	for i := range providers {
		all.Go(func() {
			var err error
			if providers[i], err = pepper.NewLocal(dir); err != nil {
				t.Error(err)
			}
		})
	}

	all.Wait()
	scope := pepper.Scope{Environment: apikey.Production, Version: 1}

	_, wrapped, err := providers[0].Generate(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}

	for i, p := range providers {
		if _, err := p.Unwrap(t.Context(), scope, wrapped); err != nil {
			t.Errorf("process %d made another key: %v", i, err)
		}
	}
}
