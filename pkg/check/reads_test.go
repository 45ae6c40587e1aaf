package check_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

func TestReads(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	_, good := kit.MustKey(t, nil)
	unknown, _ := kit.Mint(t, apikey.Production, "0000000000000000")
	staging, _ := kit.Mint(t, apikey.Staging, "0000000000000000")
	// the catalogue and the pepper are at hand from here on
	c.Check(t.Context(), sent(good.Reveal()), read)
	c.Check(t.Context(), sent("not of ours"), read)  // has a space
	c.Check(t.Context(), sent("nobody's-key"), read) // and so is that nothing was imported

	text := good.Reveal()
	for name, test := range map[string]struct {
		headers check.Headers
		want    check.Outcome
		reads   []string
	}{
		"good":                {sent(text), check.Allowed, []string{"GetItem"}},
		"unknown":             {sent(unknown.Reveal()), check.UnknownKey, []string{"GetItem"}},
		"wrong environment":   {sent(staging.Reveal()), check.WrongEnvironment, []string{}},
		"bad checksum":        {sent(text[:len(text)-1] + "!"), check.Malformed, []string{}},
		"one character other": {sent(swap(text)), check.Malformed, []string{}},
		"cut":                 {sent(text[:len(text)-1]), check.Malformed, []string{}},
		"long":                {sent(strings.Repeat(text, 100)), check.Malformed, []string{}},
		"another brand":       {sent("acme" + text[2:]), check.Malformed, []string{}},
		"none":                {check.Headers{}, check.NoKey, []string{}},
		"twice": {check.Headers{
			APIKey: []string{text, text},
		}, check.Ambiguous, []string{}},
		"of the backend": {check.Headers{
			Authorization: []string{"Basic dXNlcjpwYXNz"},
		}, check.NoKey, []string{}},
		"good, and Basic": {check.Headers{
			APIKey:        []string{text},
			Authorization: []string{"Basic dXNlcjpwYXNz"},
		}, check.Allowed, []string{"GetItem"}},
		"good, and in Bearer": {check.Headers{
			Authorization: []string{"Bearer " + text},
		}, check.Allowed, []string{"GetItem"}},
		"good, and another ID": {check.Headers{
			APIKey:        []string{text},
			Authorization: []string{"Bearer " + unknown.Reveal()},
		}, check.Ambiguous, []string{}},
	} {
		kit.Traffic.Reset()

		got := c.Check(t.Context(), test.headers, read)
		if got.Outcome != test.want {
			t.Errorf("%s: %s %v", name, got.Outcome, got.Err)
		}

		requests := kit.Traffic.Requests()
		if diff := cmp.Diff(test.reads, storetest.Operations(requests)); diff != "" {
			t.Errorf("%s: requests (-want +got):\n%s", name, diff)
		}

		for _, r := range requests {
			if !strings.Contains(string(r.Body), `"ConsistentRead":true`) {
				t.Errorf("%s: not strongly consistent: %s", name, r.Body)
			}
		}
	}
}

// With the runtime settings and the catalogue at hand a check is one read; each is read again once
// in five seconds of use.
func TestOneReadPerCheck(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	_, secret := kit.MustKey(t, nil)
	ask := func() {
		if v := c.Check(t.Context(), sent(secret.Reveal()), read); v.Outcome != check.Allowed {
			t.Fatal(v.Outcome, v.Err)
		}
	}
	ask()
	kit.Traffic.Reset()

	for range 100 {
		ask()
		kit.Clock.Advance(49 * time.Millisecond)
	}

	if got := kit.Traffic.Count(); got != 100 {
		t.Errorf("%d requests for 100 checks within 5 s", got)
	}

	kit.Clock.Advance(time.Second)

	for range 100 {
		ask()
	}

	// the two readings beside the checks
	for t.Context().Err() == nil && kit.Traffic.Count() < 202 {
		time.Sleep(time.Millisecond)
	}

	if got := kit.Traffic.Count(); got != 202 {
		t.Errorf("%d requests for 200 checks within 6 s", got)
	}
}

// swap changes a character in the random part.
func swap(text string) string {
	c := byte('a')
	if text[40] == c {
		c = 'b'
	}

	return text[:40] + string(c) + text[41:]
}

// Garbage costs no read and keeps nothing.
func TestGarbageCostsNothing(t *testing.T) {
	kit, c := setup(t, apikey.Production)
	staging, _ := kit.Mint(t, apikey.Staging, "0000000000000000")
	texts := map[string]string{
		"malformed":         strings.Repeat("a", 63),
		"of our brand":      staging.Reveal()[:40],
		"too long":          strings.Repeat("a", 257),
		"wrong environment": staging.Reveal(),
	}
	// asks once whether keys of other systems were imported
	c.Authenticate(t.Context(), sent(texts["malformed"]), netip.Addr{})
	kit.Traffic.Reset()

	for name, text := range texts {
		headers := sent(text)
		if n := testing.AllocsPerRun(1000, func() {
			c.Authenticate(t.Context(), headers, netip.Addr{})
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}

	if got := kit.Traffic.Count(); got != 0 {
		t.Errorf("%d requests", got)
	}
}

// Who guesses keys learns nothing: a key that is not there and one with another secret get the same
// answer.
func TestUnknownKeyIsLikeAWrongSecret(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	k, _ := kit.MustKey(t, nil)
	wrong, _ := kit.Mint(t, apikey.Production, k.ID)
	unknown, _ := kit.Mint(t, apikey.Production, "0000000000000000")
	one := c.Check(t.Context(), sent(wrong.Reveal()), read)

	other := c.Check(t.Context(), sent(unknown.Reveal()), read)
	if one.Outcome != check.WrongSecret || other.Outcome != check.UnknownKey {
		t.Errorf("%s and %s", one.Outcome, other.Outcome)
	}

	if one.Outcome.Status() != other.Outcome.Status() ||
		one.Outcome.Code() != other.Outcome.Code() {
		t.Error("they are answered differently")
	}

	if other.Key != nil {
		t.Error("an unknown key has a record")
	}
}
