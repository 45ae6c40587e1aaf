package guard

import (
	"net/http"
	"regexp"
	"strings"
)

// one is the state of one limit in the authorizer's context.
var one = regexp.MustCompile(`^([a-z0-9_-]+);(q=\d+;w=\d+);(r=\d+;t=\d+)$`)

// SetLimits sets the headers RateLimit-Policy and RateLimit of the text that the authorizer's
// context has as limits. Without limits it sets none. What is not of that form is left out, since
// callers must not be told nonsense.
// https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
func SetLimits(h http.Header, limits string) {
	var policies, states []string
	for text := range strings.SplitSeq(limits, ",") {
		if m := one.FindStringSubmatch(text); m != nil {
			policies = append(policies, `"`+m[1]+`";`+m[2])
			states = append(states, `"`+m[1]+`";`+m[3])
		}
	}

	if len(policies) > 0 {
		h.Set("RateLimit-Policy", strings.Join(policies, ", "))
		h.Set("RateLimit", strings.Join(states, ", "))
	}
}
