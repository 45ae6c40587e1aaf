package apikey_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"hash/crc32"
	"io"
	mathrand "math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

const (
	brand    = apikey.Brand("bt")
	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	// golden has its checksum from Python's zlib.crc32.
	golden = "bt_prod_7Qm2Xb0aVd91KtZs_0123456789abcdefghijABCDEFGHIJKL3NOHGi"
)

func mint(t testing.TB, env apikey.Environment) apikey.Secret {
	t.Helper()

	id, err := apikey.NewID(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	secret, err := brand.Mint(rand.Reader, env, id)
	if err != nil {
		t.Fatal(err)
	}

	return secret
}

// The texts were made with Python: zlib.crc32 of what precedes, in base 62.
func TestParseGolden(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]struct {
		brand apikey.Brand
		parts apikey.Parts
	}{
		golden: {"bt", apikey.Parts{
			Environment: apikey.Production,
			KeyID:       "7Qm2Xb0aVd91KtZs",
			Random:      "0123456789abcdefghijABCDEFGHIJKL",
		}},
		"acme2_stg_0000000000000000_000000000000000000000000000000003UNVAI": {"acme2", apikey.Parts{
			Environment: apikey.Staging,
			KeyID:       strings.Repeat("0", 16),
			Random:      strings.Repeat("0", 32),
		}},
		"bt_dev_zzzzzzzzzzzzzzzz_ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ4NPBuK": {"bt", apikey.Parts{
			Environment: apikey.Development,
			KeyID:       strings.Repeat("z", 16),
			Random:      strings.Repeat("Z", 32),
		}},
		// A small checksum, padded with zeros.
		"bt_prod_0000000000000457_0000000000000000000000000000000700VtCM": {"bt", apikey.Parts{
			Environment: apikey.Production,
			KeyID:       "0000000000000457",
			Random:      strings.Repeat("0", 31) + "7",
		}},
	} {
		got, err := want.brand.Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
		}

		if got != want.parts {
			t.Errorf("Parse(%q) = %+v", text, got.Random)
		}
	}
}

func TestMintedSecretsParse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := apikey.Brand(rapid.StringMatching(`[a-z][a-z0-9]{1,9}`).Draw(t, "brand"))
		env := rapid.SampledFrom(apikey.Environments()).Draw(t, "environment")
		source := mathrand.NewChaCha8([32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t,
			"seed")))

		id, err := apikey.NewID(source)
		if err != nil {
			t.Fatal(err)
		}

		secret, err := b.Mint(source, env, id)
		if err != nil {
			t.Fatal(err)
		}

		text := secret.Reveal()

		parts, err := b.Parse(text)
		if err != nil {
			t.Fatalf("Parse(%q): %v", text, err)
		}

		if parts.Environment != env || parts.KeyID != id || len(parts.Random) != 32 ||
			!strings.Contains(text, parts.Random) {
			t.Errorf("%q is read as %s %s %s", text, parts.Environment, parts.KeyID, parts.Random)
		}

		if !b.LooksLike(text) || b.Redact("see "+text+".") != "see [secret]." {
			t.Errorf("%q is not recognised in a text", text)
		}

		if found := regexp.MustCompile(b.Pattern()).FindString(`{"key":"` + text +
			`"}`); found != text {
			t.Errorf("the pattern finds %q in %q", found, text)
		}

		if len(text) > apikey.MaxLength {
			t.Errorf("%d characters are more than are looked at", len(text))
		}
	})
}

func TestMintRefuses(t *testing.T) {
	t.Parallel()
	const id = "7Qm2Xb0aVd91KtZs"

	broken := io.MultiReader(bytes.NewReader(make([]byte, 5)))
	for name, try := range map[string]func() (apikey.Secret, error){
		"brand": func() (apikey.Secret, error) {
			return apikey.Brand("B!").Mint(rand.Reader, apikey.Production, id)
		},
		"environment": func() (apikey.Secret, error) {
			return brand.Mint(rand.Reader, "prod", id)
		},
		"short id": func() (apikey.Secret, error) {
			return brand.Mint(rand.Reader, apikey.Production, id[1:])
		},
		"id of other letters": func() (apikey.Secret, error) {
			return brand.Mint(rand.Reader, apikey.Production, "7Qm2Xb0aVd91Kt_s")
		},
		"source without bytes": func() (apikey.Secret, error) {
			return brand.Mint(broken, apikey.Production, id)
		},
	} {
		if secret, err := try(); err == nil || secret.Reveal() != "" {
			t.Errorf("%s: %q, %v", name, secret.Reveal(), err)
		}
	}

	if id, err := apikey.NewID(broken); err == nil {
		t.Errorf("NewID without bytes: %q", id)
	}
}

// A modulo of random bytes prefers some characters by a quarter: chi-square would be in the
// thousands. 120 is its 99.999 % point with 61 degrees of freedom, and the seeds are fixed, so the
// test does not flicker.
func TestMintIsUniform(t *testing.T) {
	t.Parallel()
	var counts [256]int

	total := 0
	for seed := range byte(8) {
		source := mathrand.NewChaCha8([32]byte{seed})
		for range 2000 {
			secret, err := brand.Mint(source, apikey.Production, "7Qm2Xb0aVd91KtZs")
			if err != nil {
				t.Fatal(err)
			}

			parts, err := brand.Parse(secret.Reveal())
			if err != nil {
				t.Fatal(err)
			}

			for i := range len(parts.Random) {
				counts[parts.Random[i]]++
				total++
			}
		}
	}

	expected, chi := float64(total)/62, 0.0
	for i := range len(alphabet) {
		difference := float64(counts[alphabet[i]]) - expected
		chi += difference * difference / expected
	}

	if chi > 120 {
		t.Errorf("chi-square is %.0f: some characters come more often than others", chi)
	}
}

func TestMintedSecretsDiffer(t *testing.T) {
	t.Parallel()

	seen := map[string]bool{}
	for range 10_000 {
		parts, err := brand.Parse(mint(t, apikey.Production).Reveal())
		if err != nil {
			t.Fatal(err)
		}

		if seen[parts.Random] || seen[parts.KeyID] {
			t.Fatal("the same random text twice")
		}

		seen[parts.Random] = true
		seen[parts.KeyID] = true
	}
}

// refused fails the test if one of the texts is accepted as a secret.
func refused(t *testing.T, texts ...string) {
	t.Helper()

	for _, text := range texts {
		if parts, err := brand.Parse(text); !errors.Is(err, apikey.ErrMalformed) ||
			parts != (apikey.Parts{}) {
			t.Errorf("Parse(%q) = %v, %v", text, parts, err)
		}
	}
}

func TestParseRefusesEveryOtherCharacter(t *testing.T) {
	t.Parallel()

	for i := range len(golden) {
		for c := range 256 {
			if byte(c) != golden[i] {
				refused(t, golden[:i]+string([]byte{byte(c)})+golden[i+1:])
			}
		}
	}
}

func TestParseRefusesEveryOtherLength(t *testing.T) {
	t.Parallel()

	for i := range len(golden) {
		refused(t, golden[:i], golden[i+1:], golden[:i]+golden[i+1:],
			golden[:i]+golden[i:i+1]+golden[i:])
	}

	for size := range 300 {
		refused(t, strings.Repeat("a", size), golden+strings.Repeat("0", size+1),
			strings.Repeat("0", size+1)+golden, golden+strings.Repeat("_", size+1))
	}

	refused(t, strings.Repeat("a", 10<<10), golden+strings.Repeat("0", 10<<10),
		strings.Repeat(golden, 160))
}

// summed returns a text with the checksum that it would have as a secret.
func summed(body string) string {
	n, sum := crc32.ChecksumIEEE([]byte(body)), make([]byte, 6)
	for i := len(sum) - 1; i >= 0; i-- {
		sum[i] = alphabet[n%62]
		n = n / 62
	}

	return body + string(sum)
}

// A text of another form may have a correct checksum, since anyone can compute it.
func TestParseRefusesOtherFormsWithAGoodChecksum(t *testing.T) {
	t.Parallel()

	const id, random = "7Qm2Xb0aVd91KtZs", "0123456789abcdefghijABCDEFGHIJKL"
	if summed("bt_prod_"+id+"_"+random) != golden {
		t.Fatal("the test's checksum is not the secret's")
	}

	for _, body := range []string{
		"bt_prod_" + id[1:] + "_" + random, "bt_prod_" + id + "a_" + random, "bt_prod__" + random,
		"bt_prod_" + id[:15] + "-_" + random, "bt_prod_" + id[:15] + "#_" + random,
		"bt_prod_" + id[:14] + "\u00e9_" + random, "bt_prod_" + id + "_" + random[1:],
		"bt_prod_" + id + "_" + random + "0", "bt_prod_" + id + "_" + random[1:] + "-",
		"bt_prod_" + id + "_" + random[1:] + "_",
		"bt_prod_" + id + "_", "bt_test_" + id + "_" + random, "bt__" + id + "_" + random,
		"acme_prod_" + id + "_" + random, "bt_prod_" + id + random, "bt_prod" + id + "_" + random,
	} {
		refused(t, summed(body))
	}

	// A long text is refused for its length alone, before it is read.
	long := apikey.Brand(strings.Repeat("b", 200))
	if _, err := long.Parse(summed(string(long) + "_prod_" + id + "_" + random)); !errors.Is(err,
		apikey.ErrMalformed) {
		t.Errorf("a long text: %v", err)
	}
}

func TestParseRefusesOtherForms(t *testing.T) {
	t.Parallel()
	tail := strings.TrimPrefix(golden, "bt_prod_")
	refused(t, "", " ", "_", "bt", "bt_", "bt_prod", "bt_prod_", "Bearer "+golden, golden+"\x00",
		"\x00"+golden, golden+" ", golden+"\n",
		"bt_PROD_"+tail, "BT_prod_"+tail, "bt_production_"+tail, "bt__"+tail, "bt_test_"+tail,
		"acme_prod_"+tail, "btprod_"+tail, "b_prod_"+tail, "btt_prod_"+tail,
		"bt-prod-"+strings.ReplaceAll(tail, "_", "-"), strings.ReplaceAll(golden, "_", "__"),
		strings.ToUpper(golden), strings.ToLower(golden),
		strings.Replace(golden, "a", "\u0430", 1), // Cyrillic
		strings.Replace(golden, "0", "\uff10", 1), // full width
		strings.Replace(golden, "K", "\u212a", 1), // Kelvin sign, which folds to k
		strings.Replace(golden, "s", "\u017f", 1), // long s, which folds to s
		strings.Replace(golden, "_", "\u2017", 1),
		// Another environment under the same checksum.
		"bt_stg_"+tail, "bt_dev_"+tail)

	if _, err := apikey.Brand("acme").Parse(golden); !errors.Is(err, apikey.ErrMalformed) {
		t.Errorf("another brand's secret: %v", err)
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	for name, text := range map[string]string{
		"good":     golden,
		"checksum": golden[:len(golden)-1] + "j",
		"long":     strings.Repeat("a", 5000),
		"form":     "bt_prod_x",
	} {
		if n := testing.AllocsPerRun(100, func() { _, _ = brand.Parse(text) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(golden)
	f.Add("bt_prod__")
	f.Add("bt_stg_\x00")
	f.Fuzz(func(t *testing.T, text string) {
		parts, err := brand.Parse(text)
		if err != nil {
			if !errors.Is(err, apikey.ErrMalformed) || parts != (apikey.Parts{}) {
				t.Errorf("%v with %v", parts, err)
			}

			return
		}

		if again := "bt_" + parts.Environment.Short() + "_" + parts.KeyID + "_" +
			parts.Random; text[:len(text)-6] != again || !apikey.ValidID(parts.KeyID) {
			t.Errorf("%q is read as %q", text, again)
		}
	})
}

func TestLooksLike(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]bool{
		golden:              true,
		"bt_prod_":          true,
		"bt_stg_x":          true,
		"bt_dev_rest of it": true,
		"":                  false,
		"bt":                false,
		"bt_":               false,
		"bt_test_x":         false,
		"btx_prod_":         false,
		"x bt_prod_":        false,
		"BT_prod_":          false,
		"eyJhbGciOi":        false,
	} {
		if got := brand.LooksLike(text); got != want {
			t.Errorf("LooksLike(%q) = %v", text, got)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"":                                     "",
		"leaked in a log":                      "leaked in a log",
		"bt_prod_7Qm2Xb0aVd91KtZs":             "bt_prod_7Qm2Xb0aVd91KtZs", // the id is public
		golden:                                 "[secret]",
		golden[:40]:                            "[secret]",
		"key=" + golden + "&x=1":               "key=[secret]&x=1",
		"%20" + golden:                         "%20[secret]",
		golden + golden:                        "[secret]",
		golden + " and " + golden:              "[secret] and [secret]",
		"acme_prod_7Qm2Xb0aVd91KtZs_012345678": "acme_prod_7Qm2Xb0aVd91KtZs_012345678",
	} {
		if got := brand.Redact(text); got != want {
			t.Errorf("Redact(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestHint(t *testing.T) {
	t.Parallel()
	secret := mint(t, apikey.Staging)

	text := secret.Reveal()
	if want := text[:len("bt_stg_")+16+1] + "…" + text[len(text)-4:]; secret.Hint() != want {
		t.Errorf("Hint() = %q, want %q", secret.Hint(), want)
	}

	if got := (apikey.Secret{}).Hint(); got != "" {
		t.Errorf("the zero Secret's hint is %q", got)
	}
}

func TestBrandValid(t *testing.T) {
	t.Parallel()
	got := map[apikey.Brand]bool{}

	want := map[apikey.Brand]bool{
		"bt":          true,
		"a1":          true,
		"abcdefghij":  true,
		"":            false,
		"b":           false,
		"abcdefghijk": false,
		"1b":          false,
		"Bt":          false,
		"b_t":         false,
		"bt\n":        false,
		"bt-":         false,
		"bé":          false,
	}
	for b := range want {
		got[b] = b.Valid()
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("valid brands (-want +got):\n%s", diff)
	}
}

func TestEnvironments(t *testing.T) {
	t.Parallel()

	got := map[apikey.Environment]string{}
	for _, e := range append(apikey.Environments(), "", "prod", "Production") {
		got[e] = e.Short()
		if e.Valid() != (e.Short() != "") {
			t.Errorf("%q: valid %v", e, e.Valid())
		}
	}

	want := map[apikey.Environment]string{
		"production":  "prod",
		"staging":     "stg",
		"development": "dev",
		"":            "",
		"prod":        "",
		"Production":  "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spellings (-want +got):\n%s", diff)
	}
}
