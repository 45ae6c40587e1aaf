package pepper_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
)

var now = time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)

// fixed is a provider that wraps nothing: the stored text is the data key.
type fixed struct{}

func (fixed) Generate(context.Context, pepper.Scope) (plain, wrapped []byte, err error) {
	return golden(), golden(), nil
}

func (fixed) Unwrap(_ context.Context, _ pepper.Scope, wrapped []byte) ([]byte, error) {
	return wrapped, nil
}

// golden is the pepper 00 01 02 … 1f.
func golden() []byte {
	key := make([]byte, pepper.Size)
	for i := range key {
		key[i] = byte(i)
	}

	return key
}

func goldenPepper(t testing.TB) *pepper.Pepper {
	t.Helper()

	p, err := pepper.NewKeyring(newRows(), fixed{}, func() time.Time {
		return now
	}).Ensure(t.Context(), apikey.Production)
	if err != nil {
		t.Fatal(err)
	}

	return p
}

// The digests were made with Python's hmac, from the sentences of the documentation.
func TestGolden(t *testing.T) {
	t.Parallel()
	p := goldenPepper(t)

	hash := p.Hash(apikey.Parts{
		Environment: apikey.Production,
		KeyID:       "7Qm2Xb0aVd91KtZs",
		Random:      "0123456789abcdefghijABCDEFGHIJKL",
	})

	const want = "0af818f2cf99a64ae293a1dd65b463de37f579fcd080ac161926afe192dc975e"
	if got := hex.EncodeToString(hash); got != want {
		t.Errorf("hash %s, want %s", got, want)
	}

	if got, want := hex.EncodeToString(p.Seal(
		[]byte("row"),
	)), "f09944b48adf00d1d37ff9e377b6ab321ffa055e22a5e1e4b5fdcb1901079b59"; got != want {
		t.Errorf("seal %s, want %s", got, want)
	}

	for a, want := range map[apikey.Algorithm][2]string{
		apikey.SHA256: {
			"fumHAxvugEfnLvUK", "fe6a3f9776ec3dca6d30fd0eaaf706d6bd99e58f11cdc3316bd36b4d64426e62",
		},
		apikey.SHA512: {
			"ElbYQwWOQUeeXDXk", "604c6e9371eb007e6d37d3246a0c0f9b68bdaf341c9d3ea00eb5bb0010d903f0",
		},
	} {
		digest := a.Sum("sk_live_51H8x")

		id := p.ForeignID(apikey.Production, a, digest)
		if got := [2]string{
			id, hex.EncodeToString(p.HashForeign(apikey.Production, id, a, digest)),
		}; got != want {
			t.Errorf("%s: %v, want %v", a, got, want)
		}
	}

	if p.Version() != 1 {
		t.Errorf("version %d", p.Version())
	}
}

// No two different secrets, and no secret and row, have the same digest, even if their texts
// concatenate to the same.
func TestHashSeparates(t *testing.T) {
	t.Parallel()
	p := goldenPepper(t)
	seen := map[string]string{}

	note := func(what string, digest []byte) {
		if other, ok := seen[string(digest)]; ok {
			t.Errorf("%s has the digest of %s", what, other)
		}

		seen[string(digest)] = what
	}
	for _, env := range apikey.Environments() {
		for _, id := range []string{"a", "ab", "a|b"} {
			for _, random := range []string{"c", "bc", "b|c", "|c"} {
				if id == "a" && random == "b|c" {
					// an id and a secret contain no |, so this need not differ from a|b and c
					continue
				}

				note(fmt.Sprintf("%s %s %s", env, id, random), p.Hash(apikey.Parts{
					Environment: env,
					KeyID:       id,
					Random:      random,
				}))
			}
		}
	}

	for _, env := range apikey.Environments() {
		for _, a := range apikey.Algorithms() {
			for _, digest := range [][]byte{a.Sum("x"), a.Sum("y")} {
				note(fmt.Sprintf("an id of %s, %s, %x", env, a, digest[:2]),
					[]byte(p.ForeignID(env, a, digest)))

				for _, id := range []string{"a", "ab"} {
					note(fmt.Sprintf("a foreign %s of %s, %s, %x", id, env, a, digest[:2]),
						p.HashForeign(env, id, a, digest))
				}
			}
		}
	}

	note("a seal", p.Seal([]byte("a")))
	note("a seal of what is hashed", p.Seal([]byte("bitting/1|prod|a|c")))
	note("a seal of nothing", p.Seal(nil))
}

func TestPepperRedactsItself(t *testing.T) {
	t.Parallel()
	p := goldenPepper(t)

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		if got := fmt.Sprintf(verb, p); got != "pepper version 1" {
			t.Errorf("%s prints %q", verb, got)
		}

		_, _ = fmt.Fprintf(&out, verb+"\n", struct{ p *pepper.Pepper }{p})
	}

	slog.New(slog.NewJSONHandler(&out, nil)).Info("made", "pepper", p, "list", []*pepper.Pepper{p})

	for _, form := range []string{"000102", "00 01 02", "0 1 2 3", "0x0, 0x1", "AAEC", "0,1,2,3"} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the key shows as %s: %s", form, out.String())
		}
	}

	if !strings.Contains(out.String(), "pepper version 1") {
		t.Errorf("no version in %s", out.String())
	}
}

func TestEncryptionContext(t *testing.T) {
	t.Parallel()

	got := pepper.Scope{Environment: apikey.Staging, Version: 12}.EncryptionContext()
	if diff := cmp.Diff(map[string]string{
		"service":     "bitting",
		"environment": "staging",
		"version":     "12",
	}, got); diff != "" {
		t.Errorf("context (-want +got):\n%s", diff)
	}
}

// Digests are equal if and only if the parts are.
func TestHashDependsOnEveryPart(t *testing.T) {
	t.Parallel()
	p := goldenPepper(t)
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) apikey.Parts {
			return apikey.Parts{
				Environment: rapid.SampledFrom(apikey.Environments()).Draw(t, name+" environment"),
				KeyID:       rapid.StringMatching(`[0-2]{2}`).Draw(t, name+" id"),
				Random:      rapid.StringMatching(`[0-2]{2}`).Draw(t, name+" random"),
			}
		}

		a, b := draw("a"), draw("b")
		if same := bytes.Equal(p.Hash(a), p.Hash(b)); same != (a == b) {
			t.Fatalf("%v and %v: same digest %v", a, b, same)
		}
	})
}
