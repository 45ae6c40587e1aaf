package permission_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/permission"
)

// TestAmbiguity checks what is ambiguous about spellings. Next to /metrics/{proxy+} is a literal,
// and a second one under it; under /files is none.
func TestAmbiguity(t *testing.T) {
	t.Parallel()

	c := newCatalogue(t,
		perm("root:read", "GET /"),
		perm("metrics:read", "GET /metrics", "GET /metrics/{proxy+}", "GET /metrics/{host}/all"),
		perm("metrics:admin", "POST /metrics/admin"),
		perm("files:read", "GET /files/{proxy+}"),
		perm("users:read", "GET /users/{id}", "GET /users/{id}/posts/{post}"),
	)
	for path, want := range map[string]permission.Ambiguity{
		"/":                                 permission.Unambiguous,
		"/metrics":                          permission.Unambiguous,
		"/metrics/cpu":                      permission.Unambiguous,
		"/metrics/cpu/0":                    permission.Unambiguous,
		"/metrics/cpu/0/":                   permission.Unambiguous,
		"/nowhere/at/all":                   permission.Unambiguous,
		"/files/a%20b":                      permission.Unambiguous,
		"/files/caf%C3%A9/%e2%82%ac":        permission.Unambiguous,
		"/files/%E2%82%aC":                  permission.Unambiguous, // digits in both cases
		"/files/%24%26%2B%2C%3A%3B%3D%40":   permission.Unambiguous,
		"/files/a%5Bb%5D%7C%22%3C%3E%5E%60": permission.Unambiguous,
		"/files/a%2Ab":                      permission.Unambiguous,
		"/files/...":                        permission.Unambiguous,
		"/files/.a":                         permission.Unambiguous,
		"/files/a;x=1/b":                    permission.Unambiguous,
		"/users/alice%40example.com":        permission.Unambiguous,
		"/users/auth0%7C123/posts/a%20b/":   permission.Unambiguous,
		// no route has a literal at this depth
		"/metrics/cpu/0/a%20b":    permission.Unambiguous,
		"/metrics/admin/0/%C3%A9": permission.Unambiguous,

		"/metrics/%61dmin":     permission.AmbiguousEncoding,
		"/metrics/admi%6e":     permission.AmbiguousEncoding,
		"/metrics/admi%6E":     permission.AmbiguousEncoding,
		"/metrics/%2561dmin":   permission.AmbiguousEncoding,
		"/metrics/%25%36%31":   permission.AmbiguousEncoding,
		"/metrics/admin%00":    permission.AmbiguousEncoding,
		"/metrics/admin%20":    permission.AmbiguousEncoding,
		"/metrics/a%20dmin":    permission.AmbiguousEncoding,
		"/metrics/%C3%A9":      permission.AmbiguousEncoding,
		"/metrics/cpu/al%6C":   permission.AmbiguousEncoding,
		"/metrics/cpu/%20":     permission.AmbiguousSegment,
		"/metrics/cpu/all%20":  permission.AmbiguousEncoding,
		"/%6Detrics/cpu":       permission.AmbiguousEncoding,
		"/metrics%20/cpu":      permission.AmbiguousEncoding,
		"/metrics/admin;x=1":   permission.AmbiguousParameter,
		"/metrics;x=1/cpu":     permission.AmbiguousParameter,
		"/metrics/admin%3Bx=1": permission.AmbiguousEncoding,
		"/metrics/":            permission.AmbiguousSlash,
		"/files/":              permission.AmbiguousSlash,
		"/metrics/cpu/all/":    permission.AmbiguousSlash,    // some readers see /metrics/{proxy+}
		"/users/%34%32":        permission.AmbiguousEncoding, // though no literal is near
		"/users/a%2Db":         permission.AmbiguousEncoding,
		"/users/a%5Fb":         permission.AmbiguousEncoding,
		"/users/a%7eb":         permission.AmbiguousEncoding,
		"/users/a%2eb":         permission.AmbiguousEncoding,
		"/users/%2E%2e":        permission.AmbiguousEncoding,
		"/users/a%2Fb":         permission.AmbiguousEncoding,
		"/users/a%2fb":         permission.AmbiguousEncoding,
		"/users/a%5Cb":         permission.AmbiguousEncoding,
		"/users/a%5cb":         permission.AmbiguousEncoding,
		"/users/7%3Fx/posts/1": permission.AmbiguousEncoding,
		"/users/7%23/posts/1":  permission.AmbiguousEncoding,
		"/users/a%0d%0ab":      permission.AmbiguousEncoding,
		"/users/a%09":          permission.AmbiguousEncoding,
		"/users/a%1F":          permission.AmbiguousEncoding,
		"/users/a%7F":          permission.AmbiguousEncoding,
		"/users/a%C2%85":       permission.AmbiguousEncoding, // a control character of Latin-1
		"/users/100%25":        permission.AmbiguousEncoding,
		"/users/%":             permission.AmbiguousEncoding,
		"/users/%2":            permission.AmbiguousEncoding,
		"/users/%zz":           permission.AmbiguousEncoding,
		"/users/%u0061":        permission.AmbiguousEncoding,
		"/users/%%61":          permission.AmbiguousEncoding,
		// dots, to a lenient decoder
		"/users/%C0%AE%C0%AE":   permission.AmbiguousEncoding,
		"/users/%E0%80%AF":      permission.AmbiguousEncoding, // a slash, likewise
		"/users/%E9":            permission.AmbiguousEncoding,
		"//":                    permission.AmbiguousSegment,
		"//users":               permission.AmbiguousSegment,
		"/users//posts":         permission.AmbiguousSegment,
		"/users/1//":            permission.AmbiguousSegment,
		"/users/.":              permission.AmbiguousSegment,
		"/users/../metrics":     permission.AmbiguousSegment,
		"/users/..;/metrics":    permission.AmbiguousSegment,
		"/users/..%3b/metrics":  permission.AmbiguousSegment,
		"/users/..%20/metrics":  permission.AmbiguousSegment,
		"/users/%C2%A0./posts":  permission.AmbiguousSegment,
		"/users/;x=1/posts":     permission.AmbiguousSegment,
		"/users/%3B/posts":      permission.AmbiguousSegment,
		"/users/%20/posts/1":    permission.AmbiguousSegment,
		`/users/..\metrics`:     permission.AmbiguousCharacter,
		"/users/a\x00":          permission.AmbiguousCharacter,
		"/users/a?b":            permission.AmbiguousCharacter,
		"/users/a#b":            permission.AmbiguousCharacter,
		"/users/a\x7f":          permission.AmbiguousCharacter,
		"/users/a\tb/posts/%61": permission.AmbiguousCharacter,
	} {
		if got := c.Ambiguity("demo", path); got != want {
			t.Errorf("%q: %d, want %d", path, got, want)
		}

		_, found := c.Match("demo", "GET", path)
		if found && want != permission.Unambiguous {
			t.Errorf("%q has a route", path)
		}

		if !found && want == permission.Unambiguous && path != "/nowhere/at/all" {
			t.Errorf("%q has no route", path)
		}
	}
}

// TestEveryEscape checks, for each single character, which of its escapes, in both cases, have a
// route in the place of a parameter.
func TestEveryEscape(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t, perm("users:read", "GET /users/{id}"),
		perm("tags:read", "GET /tags/{tag}", "GET /tags/all"))

	const harmless = ` !"$&'()*+,:;<=>@[]^` + "`{|}"
	for b := range 256 {
		for _, form := range []string{"a%%%02xb", "a%%%02Xb"} {
			segment := fmt.Sprintf(form, b)

			_, got := c.Match("demo", "GET", "/users/"+segment)
			if want := strings.IndexByte(harmless, byte(b)) >= 0; got != want {
				t.Errorf("%s in the place of a parameter: %t", segment, got)
			}

			if _, found := c.Match("demo", "GET", "/tags/"+segment); found {
				t.Errorf("%s has a route in the place of a literal", segment)
			}
		}
	}
}
