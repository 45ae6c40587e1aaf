package pepper_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
)

func TestDecrypt(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	k := d.process()
	first := must[*pepper.Pepper](t)(k.Ensure(t.Context(), apikey.Production))
	must[*pepper.Pepper](t)(k.Ensure(t.Context(), apikey.Staging))
	plain := []byte("2026-11-24#7Qm2Xb0aVd91KtZs")
	bound := []byte("acme|limit=50")

	text := must[[]byte](t)(first.Encrypt(rand.Reader, "cursor", plain, bound))
	if bytes.Contains(text, plain[:8]) {
		t.Error("the text can be read")
	}

	if again := must[[]byte](t)(first.Encrypt(rand.Reader,
		"cursor", plain, bound)); bytes.Equal(text, again) {
		t.Error("the same text twice")
	}

	must[*pepper.Pepper](t)(k.Add(t.Context(), apikey.Production)) // older texts can still be read

	for name, ring := range map[string]*pepper.Keyring{
		"who made it":     k,
		"another process": d.process(),
	} {
		if got, err := ring.Decrypt(t.Context(), apikey.Production, "cursor",
			text, bound); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s reads %q, %v", name, got, err)
		}
	}

	forged := func(what string, env apikey.Environment, purpose string, text, bound []byte) {
		t.Helper()

		if got, err := k.Decrypt(t.Context(), env, purpose,
			text, bound); !errors.Is(err, pepper.ErrForged) || got != nil {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
	forged("another purpose", apikey.Production, "once", text, bound)
	forged("another environment", apikey.Staging, "cursor", text, bound)
	forged("bound to something else", apikey.Production, "cursor", text, []byte("acme|limit=51"))
	forged("bound to nothing", apikey.Production, "cursor", text, nil)
	forged("nothing", apikey.Production, "cursor", nil, bound)
	forged("longer", apikey.Production, "cursor", append(bytes.Clone(text), 0), bound)

	for i := range text {
		for bit := range 8 {
			changed := bytes.Clone(text)
			changed[i] ^= 1 << bit
			forged("a bit flipped", apikey.Production, "cursor", changed, bound)
		}

		forged("cut", apikey.Production, "cursor", text[:i], bound)
	}
}

func TestDecryptWithoutPepperIsNotForgery(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	text := must[[]byte](t)(must[*pepper.Pepper](t)(d.process().Ensure(t.Context(),
		apikey.Production)).Encrypt(rand.Reader, "cursor", nil, nil))
	d.rows.fail(errDown)

	if _, err := d.process().Decrypt(t.Context(), apikey.Production, "cursor",
		text, nil); !errors.Is(err, errDown) || errors.Is(err, pepper.ErrForged) {
		t.Error(err)
	}
}

func TestEncryptWithoutRandom(t *testing.T) {
	t.Parallel()

	if text, err := goldenPepper(t).Encrypt(bytes.NewReader(nil), "cursor", nil, nil); err == nil ||
		text != nil {
		t.Errorf("%x, %v", text, err)
	}
}
