package apikey_test

import (
	"encoding/base64"
	"fmt"
	mathrand "math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// tail is the secret part of golden.
var tail = golden[len(golden)-38:]

// survives returns what remains in a text of the secret part of a secret: more than half of its
// random characters in a row, plain or percent-encoded. "" is nothing.
func survives(text, secret string) string {
	part := secret[len(secret)-38:]

	decoded := text
	for range 4 {
		decoded, _ = url.PathUnescape(decoded)
		text += "\n" + decoded
	}

	for at := range len(part) - 19 {
		if strings.Contains(text, part[at:at+20]) {
			return part[at : at+20]
		}
	}

	return ""
}

// The secret part of a secret is found with any characters between its letters, and in place of
// its underscores.
func TestRedactScattered(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"/x/" + golden[:12] + "%2D" + golden[12:]:                    "/x/[secret]",
		"/x/" + golden[:12] + "%252d" + golden[12:] + "/y":           "/x/[secret]/y",
		"/x/" + golden[:12] + "%00" + golden[12:]:                    "/x/[secret]",
		golden[:12] + "\x00" + golden[12:]:                           "[secret]",
		golden[:30] + "\t" + golden[30:40] + "é" + golden[40:] + ".": "[secret].",
		strings.ReplaceAll(golden, "_", "."):                         "[secret]",
		strings.ReplaceAll(golden, "_", " / "):                       "[secret]",
		strings.ReplaceAll(golden, "_", ""):                          "[secret]",
		"b-t" + golden[2:]:                                           "[secret]",
		"bt_p%2Erod" + golden[7:]:                                    "[secret]",
		"bt_prod_7Qm2Xb%410aVd91KtZs.9" + tail:                       "[secret]",
		"bt.prod.7Qm2." + tail[:25] + " x":                           "[secret] x",
		"bt_prod_7Qm2Xb%0aVd91KtZs%" + tail:                          "[secret]",
		tail:                                                         "[secret]",
		"/licenses/" + tail:                                          "/licenses/[secret]",
		"%2D" + tail + "%2D":                                         "%2D[secret]%2D",
		"100%" + tail:                                                "100%[secret]",
		"7Qm2Xb0aVd91KtZs, " + tail:                                  "7Qm2Xb0aVd91KtZs, [secret]",
		"7Qm2Xb0aVd91KtZs" + tail:                                    "7Qm2Xb0aVd91KtZs[secret]",
		"a debt product: internationalisation of names":              "",
		"bt-dev-environment-of-" + strings.Repeat("a", 30):           "",
		"/debt/products/pi_3MtwBwLkdIwHu7ix28a3tqPa":                 "",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709":                   "",
		strings.Repeat("a", 38):                                      "",
		tail[:37]:                                                    "",
		tail + "x":                                                   "",
		// not a number of 32 bits
		strings.Repeat("Ab", 16) + "5" + strings.Repeat("x", 5):       "",
		"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=":                "",
		"sk_live_51HyyyYBzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz": "",
	} {
		if want == "" {
			want = text
		}

		if got := brand.Redact(text); got != want {
			t.Errorf("Redact(%q) = %q, want %q", text, got, want)
		}
	}
}

// Holds leads to refusals, so it ignores a secret part on its own, which has no proof.
func TestHoldsIsCertain(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]bool{
		golden:                               true,
		strings.ReplaceAll(golden, "_", "."): true,
		"7Qm2Xb0aVd91KtZs: " + tail:          true,
		"7Qm2Xb0aVd91KtZs" + tail:            true,
		"7Qm2Xb0aVd91KtZt: " + tail:          false, // another id
		tail:                                 false,
		"bt_prod_" + tail:                    true,
	} {
		if got := brand.Holds(text); got != want {
			t.Errorf("Holds(%q) = %v", text, got)
		}
	}
}

func TestTailAlone(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]struct{ looks, isOf bool }{
		tail:                               {true, true},
		"it is " + tail + ", I think":      {true, true},
		"%2E" + tail + "%00":               {true, true},
		"key=" + tail:                      {true, true},
		"_" + tail:                         {false, true}, // which base64 has, too
		"x" + tail + "y":                   {false, true},
		tail + "+" + strings.ToLower(tail): {false, true},
		tail[:37]:                          {false, false},
		tail[:37] + "!":                    {false, false},
		"":                                 {false, false},
	} {
		if got := apikey.LooksLikeTail(text); got != want.looks {
			t.Errorf("LooksLikeTail(%q) = %v", text, got)
		}

		if got := brand.HoldsTailOf(text, apikey.Production,
			"7Qm2Xb0aVd91KtZs"); got != want.isOf {
			t.Errorf("HoldsTailOf(%q) = %v", text, got)
		}
	}

	if brand.HoldsTailOf(tail, apikey.Staging, "7Qm2Xb0aVd91KtZs") ||
		brand.HoldsTailOf(tail, apikey.Production, "7Qm2Xb0aVd91KtZt") {
		t.Error("it is another key's, too")
	}
}

// Digests by which keys are imported, and which people may write down, do not look like secrets.
func TestDigestsAreNotTails(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[!-~]{8,40}`).Draw(t, "secret")
		for _, a := range apikey.Algorithms() {
			sum := a.Sum(secret)
			for _, text := range []string{
				fmt.Sprintf("%x", sum), fmt.Sprintf("%X", sum), base64.StdEncoding.EncodeToString(sum),
				base64.RawURLEncoding.EncodeToString(sum),
			} {
				if apikey.LooksLikeTail(text) || brand.Holds(text) {
					t.Fatalf("%s", text)
				}
			}
		}
	})
}

// scattered draws a secret with characters between its letters and in place of its underscores, and
// with letters that are percent-encoded.
func scattered(t *rapid.T, secret string) string {
	between := []string{".", "-", " ", "/", "~", "\x00", "\x1f", "\t", "é", "*", "--"}
	if rapid.Bool().Draw(t, "percent signs as they are") {
		between = append(between, "%", "%%", "% ")
	} else {
		between = append(between, "%2D", "%00", "%252e", "%C3%A9", "%5F", "%20", "%0a%0D")
	}

	encodes := between[len(between)-1] == "%0a%0D"
	if rapid.Bool().Draw(t, "one of them") {
		between = []string{rapid.SampledFrom(between).Draw(t, "between")}
	}

	often := rapid.IntRange(1, 80).Draw(t, "often")

	var out strings.Builder
	for i := range len(secret) {
		letter := secret[i : i+1]
		if letter == "_" {
			letter = rapid.SampledFrom(append(between, "_", "")).Draw(t, "underscore")
		} else if encodes && rapid.IntRange(0, often).Draw(t, "encode") == 0 {
			letter = fmt.Sprintf("%%%02X", letter[0])
		}

		out.WriteString(letter)

		if rapid.IntRange(0, often).Draw(t, "insert") == 0 {
			out.WriteString(rapid.SampledFrom(between).Draw(t, "inserted"))
		}
	}

	return out.String()
}

// keepsNoTail draws such a secret in a text around it.
func keepsNoTail(t *rapid.T) {
	secret := rapid.SampledFrom(scatteredSecrets).Draw(t, "secret")
	text := rapid.SampledFrom([]string{"", "/x/", "%20", "x ", "bt_", "b", "100%"}).Draw(t,
		"before") + scattered(t, secret) +
		rapid.SampledFrom([]string{"", "/y", " z", "%", "é", "\x00"}).Draw(t, "after")

	if part := survives(brand.Redact(text), secret); part != "" {
		t.Fatalf("Redact(%q) = %q", text, brand.Redact(text))
	}

	if survives(text, secret) != "" && !brand.Holds(text) {
		t.Fatalf("Holds(%q)", text)
	}

	thorough(t, text)
}

// scatteredSecrets are the same in every run, so that what a fuzzer finds is found again.
var scatteredSecrets = func() []string {
	out := []string{golden}
	source := mathrand.NewChaCha8([32]byte{46})

	for _, env := range apikey.Environments() {
		id, _ := apikey.NewID(source) // it has no end
		secret, _ := brand.Mint(source, env, id)
		out = append(out, secret.Reveal())
	}

	return out
}()

func TestRedactKeepsNoTail(t *testing.T) {
	t.Parallel()
	rapid.Check(t, keepsNoTail)
}

func FuzzRedactKeepsNoTail(f *testing.F) { f.Fuzz(rapid.MakeFuzz(keepsNoTail)) }
