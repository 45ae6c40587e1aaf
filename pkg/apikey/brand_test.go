package apikey_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

func TestBrandsAreThoseOfTheExpression(t *testing.T) {
	t.Parallel()

	form := regexp.MustCompile(`^[a-z][a-z0-9]{1,9}$`)

	texts := []string{"", "a", "ab", "a1", "1a", "ab\n", strings.Repeat("a", 10), strings.Repeat("a", 11)}
	for c := range 256 {
		one := string([]byte{byte(c)})
		texts = append(texts, one, one+"a", "a"+one, "a"+one+"a")
	}

	for _, text := range texts {
		if got := apikey.Brand(text).Valid(); got != form.MatchString(text) {
			t.Errorf("%q: %v", text, got)
		}
	}
}
