package apikey_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// private holds secrets where package fmt reads without calling their methods.
type private struct {
	secret apikey.Secret
	list   []apikey.Secret
	within map[string]apikey.Secret
	any    any
}

// canary returns a secret, and a check for the forms in which parts of it would betray it.
func canary(t *testing.T) (apikey.Secret, func(where, text string)) {
	t.Helper()
	secret := mint(t, apikey.Production)
	random := secret.Reveal()[len("bt_prod_")+16+1:][:32]
	return secret, func(where, text string) {
		t.Helper()

		for form, found := range map[string]string{
			"text": random[:8],
			"%x":   fmt.Sprintf("%x", random[:8]),
			"%X":   fmt.Sprintf("%X", random[:8]),
			"% x":  fmt.Sprintf("% x", random[:8]),
			"%d":   strings.Trim(fmt.Sprintf("%d", []byte(random[:8])), "[]"),
			"%#v": strings.Trim(strings.TrimPrefix(fmt.Sprintf("%#v", []byte(random[:8])),
				"[]byte"), "{}"),
		} {
			if strings.Contains(text, found) {
				t.Errorf("%s shows the secret as %s: %s", where, form, text)
			}
		}
	}
}

func TestSecretDoesNotPrintItself(t *testing.T) {
	t.Parallel()
	secret, clean := canary(t)

	parts, err := brand.Parse(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}

	for where, value := range map[string]any{
		"value":          secret,
		"pointer":        &secret,
		"slice":          []apikey.Secret{secret},
		"map":            map[string]apikey.Secret{"k": secret},
		"map key":        map[apikey.Secret]bool{secret: true},
		"exported field": struct{ S apikey.Secret }{secret},
		"unexported": private{secret, []apikey.Secret{secret}, map[string]apikey.Secret{
			"k": secret,
		}, secret},
		"pointer to unexported": &private{secret: secret, any: &secret},
		"pointer to pointer":    func() any { p := &secret; return &p }(),
		"parts":                 parts,
		"pointer to parts":      &parts,
		"parts in a field":      struct{ P apikey.Parts }{parts},
		"parts in a slice":      []apikey.Parts{parts},
	} {
		verbs := []string{
			"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#x", "%d", "%b", "%o", "%c", "%U",
			"%e", "%t", "%T", "%20s", "%-80v", "%.3s",
		}
		// package fmt calls no method for these, but go vet finds them
		if !strings.HasPrefix(where, "parts") && where != "pointer to parts" {
			verbs = append(verbs, "%p", "%w")
		}

		for _, verb := range verbs {
			clean(where+" "+verb, fmt.Sprintf(verb, value))

			if got := fmt.Sprintf(verb, secret); got != "[secret]" && verb != "%T" &&
				verb != "%p" && verb != "%w" {
				t.Errorf("%s prints %q", verb, got)
			}
		}

		clean(where+" by Sprint", fmt.Sprint(value))
		clean(where+" in an error",
			fmt.Errorf("create key: %v: %w", value, errors.New("no")).Error())
	}
}

func TestSecretIsNotLogged(t *testing.T) {
	t.Parallel()
	secret, clean := canary(t)

	parts, err := brand.Parse(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}

	var out bytes.Buffer
	for name, handler := range map[string]slog.Handler{
		"text": slog.NewTextHandler(&out, nil),
		"json": slog.NewJSONHandler(&out, nil),
	} {
		out.Reset()
		logger := slog.New(handler).With("with", secret)
		logger.Info("key created", "secret", secret, "pointer", &secret, "parts", parts, "field",
			struct {
				S apikey.Secret
			}{secret}, "parts_field", struct{ P apikey.Parts }{parts},
			"private", private{
				secret: secret,
				any:    secret,
			}, "list", []apikey.Secret{secret}, slog.Group("group", "secret", secret), "error",
			fmt.Errorf("no %v", secret))

		if out.Len() == 0 {
			t.Error("nothing was logged")
		}

		clean(name, out.String())
	}
}

func TestSecretIsNotMarshalled(t *testing.T) {
	t.Parallel()
	secret, clean := canary(t)

	parts, err := brand.Parse(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}

	for where, value := range map[string]any{
		"value":            secret,
		"pointer":          &secret,
		"field":            struct{ S apikey.Secret }{secret},
		"map":              map[string]any{"k": secret},
		"map key":          map[apikey.Secret]int{secret: 1},
		"parts":            parts,
		"parts in a field": struct{ P *apikey.Parts }{&parts},
	} {
		text, err := json.Marshal(value)
		if err == nil {
			t.Errorf("%s is marshalled: %s", where, text)
			continue
		}

		clean(where, string(text)+err.Error())
	}

	for where, value := range map[string]encoding.TextMarshaler{"secret": secret, "parts": parts} {
		if text, err := value.MarshalText(); err == nil || text != nil {
			t.Errorf("%s: MarshalText gives %q, %v", where, text, err)
		}
	}
}

func TestParseErrorSaysNothing(t *testing.T) {
	t.Parallel()
	secret, clean := canary(t)
	_, err := brand.Parse(secret.Reveal() + "x")
	clean("the error", fmt.Sprintf("%v %+v %#v", err, err, err))
}
