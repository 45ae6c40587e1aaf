package check

import (
	"strings"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Headers are the values of the two headers that may carry a key, one for each time they were sent.
type Headers struct {
	APIKey        []string // X-Api-Key
	Authorization []string
}

// Credential returns the secret from the headers: X-Api-Key, or else Authorization with the scheme
// Bearer. If there is an X-Api-Key, Authorization is left to the backend, unless it carries a
// different secret of our brand. The fault is "" (found), NoKey or Ambiguous.
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

	// A proxy and the backend could each pick another one of several values.
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

// bearer returns the token of a Bearer credential. The scheme is case-insensitive (RFC 9110 §11.1).
func bearer(value string) (token string, ok bool) {
	scheme, token, ok := strings.Cut(value, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}

	return strings.TrimLeft(token, " "), true
}
