// Package ratelimit writes the header fields that tell callers the state of their limits.
package ratelimit

import (
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// limitPattern matches the state of one limit in the authorizer's context. It is compiled when it is
// needed: most functions start without it.
var limitPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([a-z0-9_-]+);(q=\d+;w=\d+);(r=\d+;t=\d+)$`)
})

// Set sets the headers RateLimit-Policy and RateLimit from the limits in the authorizer's
// context. Without limits it sets none. Malformed limits are left out rather than passed on to
// callers. https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
func Set(h http.Header, limits string) {
	var policies, states []string
	for text := range strings.SplitSeq(limits, ",") {
		if m := limitPattern().FindStringSubmatch(text); m != nil {
			policies = append(policies, `"`+m[1]+`";`+m[2])
			states = append(states, `"`+m[1]+`";`+m[3])
		}
	}

	if len(policies) > 0 {
		h.Set("RateLimit-Policy", strings.Join(policies, ", "))
		h.Set("RateLimit", strings.Join(states, ", "))
	}
}
