package apikey_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// encoded percent-encodes the letters of a text that pick chooses, each that many times.
func encoded(text string, upper bool, pick func(i int) (times int)) string {
	form := "%%%02x"
	if upper {
		form = "%%%02X"
	}

	var out strings.Builder
	for i := range len(text) {
		letter := text[i : i+1]
		for range pick(i) {
			if letter = strings.Replace(letter, "%", "%25", 1); len(letter) == 1 {
				letter = fmt.Sprintf(form, letter[0])
			}
		}

		out.WriteString(letter)
	}

	return out.String()
}

func TestRedactEncoded(t *testing.T) {
	t.Parallel()
	all := func(times int) func(int) int { return func(int) int { return times } }

	underscores := func(i int) int { return strings.Count(golden[i:i+1], "_") }
	for text, want := range map[string]string{
		"/licenses/" + encoded(golden, true, underscores):         "/licenses/[secret]",
		"/licenses/" + encoded(golden, false, underscores) + "/x": "/licenses/[secret]/x",
		encoded(golden, true, all(1)):                             "[secret]",
		encoded(golden, false, all(2)):                            "[secret]",
		encoded(golden, true, all(7)):                             "[secret]",
		// which is not an escape
		"%2" + golden:          "%2[secret]",
		"100%" + golden:        "100%[secret]",
		"%25" + golden + "%25": "%25[secret]%25",
		"%E2%80%A6" + encoded(golden, true, all(1)) + "%20and more": "%E2%80%A6[secret]%20and more",
		encoded(golden[:40], true, all(1)):                          "[secret]",
		"%":                                                         "%",
		"%25%25%2":                                                  "%25%25%2",
		// the id is public
		"bt%5Fprod%5F7Qm2Xb0aVd91KtZs": "bt%5Fprod%5F7Qm2Xb0aVd91KtZs",
		// so is the hint
		"bt%5Fprod%5F7Qm2Xb0aVd91KtZs%5F%E2%80%A6Hk3a": "bt%5Fprod%5F7Qm2Xb0aVd91KtZs%5F%E2%80%A6Hk3a",
		"bt_dev_local_key, bt_prod_internationalisation_of_names": "bt_dev_local_key, " +
			"bt_prod_internationalisation_of_names",
		// a letter of the id was lost
		"bt_prod_7Qm2Xb0aVd91KtZ_" + golden[25:]: "[secret]",
	} {
		if got := brand.Redact(text); got != want {
			t.Errorf("Redact(%q) = %q, want %q", text, got, want)
		}

		if got := brand.Holds(text); got != (want != text) {
			t.Errorf("Holds(%q) = %v", text, got)
		}
	}
}

// A secret is found where it is, and nothing of it remains, with any letters encoded, in either
// case and any number of times.
func TestSecretsAreFoundHoweverTheyAreEncoded(t *testing.T) {
	t.Parallel()
	secret := mint(t, apikey.Staging).Reveal()
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.IntRange(0, 3), len(secret), len(secret)).Draw(t, "times")
		form := encoded(secret, rapid.Bool().Draw(t, "upper"), func(i int) int { return times[i] })
		before := rapid.SampledFrom([]string{
			"", "x", "/", "%", "%2", "%25", "%20", "b", "bt_", "bt_prod_", "é",
		}).Draw(t, "before")

		after := rapid.SampledFrom([]string{"", "/", "%20x", " x", "%", "\"", "é"}).Draw(t, "after")
		if got, want := brand.Redact(before+form+after), before+"[secret]"+after; got != want {
			t.Fatalf("Redact(%q) = %q, want %q", before+form+after, got, want)
		}

		if diff := cmp.Diff([]string{secret}, brand.Secrets(before+form+after)); diff != "" {
			t.Fatalf("Secrets(%q) (-want +got):\n%s", before+form+after, diff)
		}
	})
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	one := mint(t, apikey.Production).Reveal()

	other := mint(t, apikey.Development).Reveal()
	for text, want := range map[string][]string{
		"":                                    nil,
		"nothing here":                        nil,
		one:                                   {one},
		" \t\r\n" + one + "\n":                {one},
		`"` + one + `"`:                       {one},
		"Bearer " + one:                       {one},
		"X-Api-Key: " + one:                   {one},
		"export API_KEY=" + one + " # rotate": {one},
		one + other:                           {one, other},
		one + "_" + other + "_x":              {one, other},
		one + "\n" + other + "\n" + one:       {one, other},
		"x" + one + "y":                       {one},
		one[:len(one)-1]:                      nil, // it opens nothing
		strings.Replace(one, "_prod_", "_stg_", 1): nil,
	} {
		if diff := cmp.Diff(want, brand.Secrets(text)); diff != "" {
			t.Errorf("Secrets(%q) (-want +got):\n%s", text, diff)
		}
	}
}

func TestRedactKnown(t *testing.T) {
	t.Parallel()

	const secret = "sk/live~51%H8"
	for text, want := range map[string]string{
		"":                               "",
		"nothing":                        "nothing",
		secret:                           "[secret]",
		"a" + secret + "b" + secret:      "a[secret]b[secret]",
		"?key=sk%2Flive%7E51%25H8&x":     "?key=[secret]&x",
		"?key=sk%252flive%257e51%2525H8": "?key=[secret]",
		encoded(secret, false, func(int) int { return 1 }): "[secret]",
		"sk/live~51%H": "sk/live~51%H",
	} {
		if got := brand.RedactKnown(text, secret); got != want {
			t.Errorf("RedactKnown(%q) = %q, want %q", text, got, want)
		}
	}

	for text, want := range map[string]string{
		"/metrics/abc" + tail:  "/metrics/abc[secret]",
		tail + tail + "Z":      "[secret][secret]Z",
		"/m/x%" + "41" + tail:  "/m/x%41[secret]",
		"/metrics/" + tail[1:]: "/metrics/" + tail[1:], // no more of it than that is certain
	} {
		if got := brand.RedactKnown(text, "bt_prod_7Qm2Xb0aVd91KtZs_"+tail); got != want {
			t.Errorf("RedactKnown(%q) = %q, want %q", text, got, want)
		}
	}

	if got := brand.RedactKnown("text", ""); got != "text" {
		t.Errorf("no secret: %q", got)
	}
}

// The work grows linearly with the text, for any content: ten times as much of the worst takes no
// more steps for each letter.
func TestRedactIsLinear(t *testing.T) {
	t.Parallel()

	for _, piece := range []string{
		"bt_prod_", "bt_prod_A_", "bt_prod_" + strings.Repeat("A", 16) + "_", "%25", "25",
		"%62%74", "b", "bt_prod_AAAA", "b-t-", "b%2D", "bt.prod.", "%62-%74-dev ",
		"bt.dev." + strings.Repeat("aB", 12), golden[len(golden)-38:] + " ",
		golden[8:24] + strings.Repeat("x", 38) + " ",
	} {
		text := strings.Repeat(piece, 1<<20/len(piece))
		// with quadratic work, this would not end
		_, _ = brand.Redact(text), brand.Holds(text)
		_ = brand.Secrets(text)
	}
}

// thorough fails the test if Redact passes over something because of its first, cheap look: there is
// none at a text with a percent sign.
func thorough(t interface{ Fatalf(string, ...any) }, text string) {
	const last = " %"
	if got, want := brand.Redact(text)+last, brand.Redact(text+last); got != want {
		t.Fatalf("%q became %q, and %q with a percent sign", text, got, want)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add(golden)
	f.Add("%25" + golden + "%5F")
	f.Fuzz(func(t *testing.T, text string) {
		got := brand.Redact(text)
		if brand.Holds(text) && got == text {
			t.Fatalf("%q became %q", text, got)
		}

		if len(brand.Secrets(text)) > 0 && !brand.Holds(text) {
			t.Fatalf("%q holds a whole secret", text)
		}

		thorough(t, text)
	})
}
