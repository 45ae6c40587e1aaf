package permission_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/permission"
)

var (
	nameForm      = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}:[a-z][a-z0-9_-]{0,31}$`)
	olderNameForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*_[A-Za-z0-9_-]+$`)
	apiForm       = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	literalText   = regexp.MustCompile(`^[A-Za-z0-9._~$@!+=,:-]+$`)
	parameterName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
)

// sameForms fails unless names are checked as by the expressions.
func sameForms(t *testing.T, text string) {
	t.Helper()

	want := nameForm.MatchString(text) || len(text) <= 65 && olderNameForm.MatchString(text)
	if got := permission.ValidName(text); got != want {
		t.Errorf("name %q: %v", text, got)
	}

	if got := permission.ValidAPI(text); got != apiForm.MatchString(text) {
		t.Errorf("api %q: %v", text, got)
	}

	// these are segments of a path, and not all of its rules are the expressions'
	if strings.ContainsAny(text, "/{}") || text == "" || text == "." || text == ".." || len(text) > 150 {
		return
	}

	if _, err := permission.ParsePath("/" + text); (err == nil) != literalText.MatchString(text) {
		t.Errorf("literal %q: %v", text, err)
	}

	if _, err := permission.ParsePath("/{a" + text + "}"); (err == nil) !=
		parameterName.MatchString("a"+strings.TrimSuffix(text, "+")) {
		t.Errorf("parameter %q: %v", text, err)
	}
}

func forms() []string {
	out := []string{
		"", "a", "A", "a:b", "a:B", "a::b", "a:b:c", ":a", "a:", "1:a", "a:1", "a_b", "a_", "_a",
		"A_B", "a__", "a_b:c", "a:b_c", "a-:b-",
		"-_a", "1_a", "a_-", "a\n", "a:b\n", "a_b\n", "\u00e4:b", "a_\u00e4", "messages:read",
		"api+", "a+b",
	}

	for _, n := range []int{31, 32, 33, 63, 64, 65, 66} {
		long := strings.Repeat("a", n)
		out = append(out, long, long+":a", "a:"+long, long+"_a", "a_"+long, long[:n/2]+"_"+long[n/2:])
	}

	for c := range 256 {
		one := string([]byte{byte(c)})
		out = append(out, one, "a"+one, one+":a", "a:"+one, "a:a"+one, "a"+one+"a")
		out = append(out, one+"_a", "a_"+one, "a"+one+"_a")
	}

	return out
}

func TestFormsAreThoseOfTheExpressions(t *testing.T) {
	t.Parallel()

	for _, text := range forms() {
		sameForms(t, text)
	}
}

func FuzzForms(f *testing.F) {
	for _, text := range forms()[:100] {
		f.Add(text)
	}

	f.Fuzz(sameForms)
}
