package ratelimit_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/guard/ratelimit"
)

var pattern = regexp.MustCompile(`^([a-z0-9_-]+);(q=\d+;w=\d+);(r=\d+;t=\d+)$`)

// What is parsed by hand is what the pattern matches.
func FuzzSet(f *testing.F) {
	for _, text := range []string{
		"", "a;q=1;w=2;r=3;t=4", "per-second;q=1;w=2;r=3;t=4,quota;q=10;w=20;r=30;t=40", "a;q=;w=2;r=3;t=4",
		";q=1;w=2;r=3;t=4", "A;q=1;w=2;r=3;t=4", "a;q=1;w=2;r=3;t=4;", "a;q=1;w=2;r=3", "a;w=2;q=1;r=3;t=4",
		"a;q=-1;w=2;r=3;t=4", "a;q=1a1;w=2;r=3;t=4", "a\";q=1;w=2;r=3;t=4", "a;q=1;w=2;r=3;t=4\r\nX: y",
		"aÄa;q=1;w=2;r=3;t=4", "a;q=1\n;w=2;r=3;t=4", "a_1-b;q=007;w=2;r=3;t=4",
	} {
		f.Add(text)
	}

	f.Fuzz(func(t *testing.T, text string) {
		var policies, states []string
		for one := range strings.SplitSeq(text, ",") {
			if m := pattern.FindStringSubmatch(one); m != nil {
				policies = append(policies, `"`+m[1]+`";`+m[2])
				states = append(states, `"`+m[1]+`";`+m[3])
			}
		}

		h := http.Header{}
		ratelimit.Set(h, text)

		if got, want := h.Get("RateLimit-Policy"), strings.Join(policies, ", "); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}

		if got, want := h.Get("RateLimit"), strings.Join(states, ", "); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	})
}
