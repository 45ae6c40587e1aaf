package organization_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/organization"
)

func TestIDsAreThoseOfTheExpression(t *testing.T) {
	t.Parallel()

	form := regexp.MustCompile(`^[a-z][a-z0-9-]{1,38}$`)

	texts := []string{
		"", "a", "ab", "a1", "1a", "a-", "-a", "ab\n",
		strings.Repeat("a", 39), strings.Repeat("a", 40),
	}
	for c := range 256 {
		one := string([]byte{byte(c)})
		texts = append(texts, one, one+"a", "a"+one, "a"+one+"a")
	}

	for _, text := range texts {
		if got := organization.ValidID(text); got != form.MatchString(text) {
			t.Errorf("%q: %v", text, got)
		}
	}
}
