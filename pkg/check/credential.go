package check

import (
	"strings"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Headers are the values of the two headers that may carry a key, each with every time it was sent.
type Headers struct {
	APIKey        []string // X-Api-Key
	Authorization []string
}

// Credential finds the secret among the headers: X-Api-Key, else Authorization with the scheme
// Bearer. Beside an X-Api-Key, Authorization is the backend's own, unless it carries a secret of
// our brand with another value. Outcomes: "" (found), NoKey, Ambiguous.
func Credential(brand apikey.Brand, h Headers) (text string, fault Outcome) {
	if len(h.APIKey) > 1 {
		return "", Ambiguous
	}

	if len(h.APIKey) == 1 {
		text := h.APIKey[0]
		for _, value := range h.Authorization {
			if token, ok := bearer(value); ok && brand.LooksLike(token) && token != text {
				return "", Ambiguous
			}
		}

		if text == "" {
			return "", NoKey
		}

		return text, ""
	}

	if len(h.Authorization) > 1 {
		return "", Ambiguous
	}

	if len(h.Authorization) == 1 {
		if token, ok := bearer(h.Authorization[0]); ok && token != "" {
			return token, ""
		}
	}

	return "", NoKey
}

// bearer returns the token of a Bearer credential; the scheme's case doesn't matter (RFC 9110
// §11.1).
func bearer(value string) (token string, ok bool) {
	scheme, token, ok := strings.Cut(value, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}

	return strings.TrimLeft(token, " "), true
}
