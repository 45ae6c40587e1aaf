package apikey_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// writings are the notations that systems use for a digest.
var writings = map[string]func([]byte) string{
	"hex":                 hex.EncodeToString,
	"HEX":                 func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
	"base64":              base64.StdEncoding.EncodeToString,
	"base64, unpadded":    base64.RawStdEncoding.EncodeToString,
	"base64url":           base64.URLEncoding.EncodeToString,
	"base64url, unpadded": base64.RawURLEncoding.EncodeToString,
}

// A digest is the same in every notation.
func TestParseDigest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SampledFrom(apikey.Algorithms()).Draw(t, "algorithm")

		want := rapid.SliceOfN(rapid.Byte(), a.Size(), a.Size()).Draw(t, "digest")
		for name, write := range writings {
			if got, err := a.ParseDigest(write(want)); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s as %s: %x, %v", a, name, got, err)
			}
		}
	})
}

// A text that is cut, longer, of another algorithm or corrupted is not accepted as a digest, and
// the error does not repeat it.
func TestParseDigestRefuses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SampledFrom(apikey.Algorithms()).Draw(t, "algorithm")
		digest := rapid.SliceOfN(rapid.Byte(), a.Size(), a.Size()).Draw(t, "digest")
		name := rapid.SampledFrom([]string{
			"hex", "HEX", "base64", "base64, unpadded", "base64url", "base64url, unpadded",
		}).Draw(t, "writing")
		text := writings[name](digest)

		other := apikey.SHA256
		if a == other {
			other = apikey.SHA512
		}

		at := rapid.IntRange(0, len(strings.TrimRight(text, "="))-1).Draw(t, "at")

		spoiled := rapid.SampledFrom([]string{
			" ", "\n", "\r", "=", "!", "é", "\x00", "G*",
		}).Draw(t, "spoiled")
		for what, wrong := range map[string]string{
			"cut":      text[1:],
			"longer":   text + "A",
			"spaced":   " " + text,
			"a line":   text + "\n",
			"spoiled":  text[:at] + spoiled + text[at+1:],
			"prefixed": string(a) + ":" + text,
		} {
			if strings.HasPrefix(name, "base64") && what == "cut" && strings.HasSuffix(text, "=") {
				continue // an unpadded length, and another digest
			}

			if got, err := a.ParseDigest(wrong); !errors.Is(err, apikey.ErrDigest) || got != nil {
				t.Fatalf("%s, %s, %s: %x, %v", a, name, what, got, err)
			} else if strings.Contains(err.Error(), wrong) {
				t.Fatalf("the fault repeats it: %v", err)
			}
		}

		if got, err := other.ParseDigest(text); err == nil {
			t.Fatalf("%s as %s: %x", a, other, got)
		}
	})
	// Unused bits do not make a second notation of the same digest.
	sum := base64.RawStdEncoding.EncodeToString(apikey.SHA256.Sum("x"))
	for _, last := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		text := sum[:len(sum)-1] + string(last)
		if got, err := apikey.SHA256.ParseDigest(
			text,
		); (err == nil) != (base64.RawStdEncoding.EncodeToString(got) == text) {
			t.Errorf("%s: %x, %v", text, got, err)
		}
	}
}

func TestSum(t *testing.T) {
	t.Parallel()
	one := sha256.Sum256([]byte("secret"))

	other := sha512.Sum512([]byte("secret"))
	if diff := cmp.Diff([][]byte{one[:], other[:]}, [][]byte{
		apikey.SHA256.Sum("secret"), apikey.SHA512.Sum("secret"),
	}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestForeign(t *testing.T) {
	ours := mint(t, apikey.Production).Reveal()
	for text, want := range map[string]bool{
		"12345678":               true,
		"1234567":                false,
		"":                       false,
		strings.Repeat("x", 256): true,
		strings.Repeat("x", 257): false,
		"sk_live_51H8xYz":        true,
		"a.b.c-d_e~f":            true,
		`!"#$%&'()*+,-./`:        true,
		"{|}~[\\]^`":             true,
		"1234 5678":              false,
		" 12345678":              false,
		"12345678 ":              false,
		"1234\t5678":             false,
		"12345678\n":             false,
		"1234567\x00":            false,
		"1234567\x7f":            false,
		"1234567é":               false,
		"１２３４":                   false,
		// What begins as ours does may be another system's all the same.
		ours[:30]:         true,
		ours + "x":        true,
		"bt_prod_":        true,
		"bt_stg_x":        true,
		"bt_dev_12345678": true,
		"bt_production":   true,
		"bt_12345678":     true,
		"xbt_prod_1234":   true,
		"BT_PROD_1234":    true,
	} {
		if got := apikey.Foreign(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}

	for _, text := range []string{strings.Repeat("x", 256), ours, "short"} {
		if n := testing.AllocsPerRun(100, func() { _ = apikey.Foreign(text) }); n != 0 {
			t.Errorf("%d bytes: %v allocations", len(text), n)
		}
	}
}

func TestDerivedID(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		digest := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest")

		id := apikey.DerivedID(digest)
		if !apikey.ValidID(id) || id != apikey.DerivedID(bytes.Clone(digest)) {
			t.Fatalf("%q", id)
		}

		at := rapid.IntRange(0, 31).Draw(t, "at")

		digest[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "other"))
		if apikey.DerivedID(digest) == id {
			t.Fatalf("the byte at %d says nothing", at)
		}
	})
}

func TestImportsBy(t *testing.T) {
	t.Parallel()
	since := time.Unix(1_800_000_000, 0)

	var none *apikey.Imports
	for _, test := range []struct {
		imports *apikey.Imports
		want    []apikey.Algorithm
	}{
		{none, nil},
		{&apikey.Imports{}, nil},
		{&apikey.Imports{
			Since: map[apikey.Algorithm]time.Time{apikey.SHA512: since, apikey.SHA256: {}},
		}, []apikey.Algorithm{apikey.SHA512}},
		{&apikey.Imports{
			Since: map[apikey.Algorithm]time.Time{apikey.SHA512: since, apikey.SHA256: since},
		}, []apikey.Algorithm{apikey.SHA256, apikey.SHA512}},
	} {
		if diff := cmp.Diff(test.want, test.imports.By()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
