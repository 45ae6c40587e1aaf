package organization_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/bitting-keys/bitting/pkg/organization"
)

func TestEmail(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"alice@acme.test":   "alice@acme.test",
		"ALICE@Acme.Test":   "alice@acme.test",
		"a.b+c_d@acme.test": "a.b+c_d@acme.test",
		// names that folding does not change
		"andré@acme.test":                       "andré@acme.test",
		"Straße@bücher.test":                    "straße@bücher.test",
		"用户@例え.test":                            "用户@例え.test",
		"AL\u0130CE@acme.test":                  "", // İ, which folds to i
		"al\u0130ce@acme.test":                  "",
		"al\u0131ce@acme.test":                  "", // ı, whose capital is I
		"\u212aate@acme.test":                   "", // the Kelvin sign, which folds to k
		"a\u017fa@acme.test":                    "", // the long s
		"ANDRÉ@acme.test":                       "",
		"\u03a9mega@acme.test":                  "",
		"\u2126mega@acme.test":                  "", // the ohm sign, which folds to omega
		"alice@\u212aeep.test":                  "", // names of hosts fold, too
		"ali\u200bce@acme.test":                 "", // invisibly another address
		"ali\u202ece@acme.test":                 "",
		"al\xffice@acme.test":                   "",
		"":                                      "",
		"alice":                                 "",
		"Alice <alice@acme.test>":               "",
		" alice@acme.test":                      "",
		`"al ice"@acme.test`:                    "",
		strings.Repeat("a", 245) + "@acme.test": "",
	} {
		got, ok := organization.Email(text)
		if got != want || ok != (want != "") {
			t.Errorf("Email(%q) = %q, %v, want %q", text, got, ok, want)
		}
	}
}

// No character turns one person's address into another's: every address that is accepted differs
// from every other address in ASCII as it did before. The characters tried include all letters
// with a case.
func TestEmailIsFoldedInASCIIAlone(t *testing.T) {
	t.Parallel()

	for r := rune(unicode.MaxASCII + 1); r < 0x20000; r++ {
		for _, text := range []string{
			"al" + string(r) + "ce@acme.test", "alice@ac" + string(r) + ".test",
		} {
			if got, ok := organization.Email(text); ok && got != text {
				t.Errorf("%q (%U) became %q", text, r, got)
			}
		}

		folded := strings.ToLower(string(r)) + strings.ToLower(strings.ToUpper(string(r)))

		_, ok := organization.Email("al" + string(r) + "ce@acme.test")
		if ok && strings.ContainsFunc(folded, func(r rune) bool { return r <= unicode.MaxASCII }) {
			t.Errorf("%U, which folds into ASCII, is taken", r)
		}
	}
}
