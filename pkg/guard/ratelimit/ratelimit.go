// Package ratelimit writes the header fields that tell callers the state of their limits.
package ratelimit

import (
	"net/http"
	"strings"
)

// Set sets the headers RateLimit-Policy and RateLimit from the limits in the authorizer's
// context. Without limits it sets none. Malformed limits are left out rather than passed on to
// callers. https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
func Set(h http.Header, limits string) {
	var policies, states []string
	for text := range strings.SplitSeq(limits, ",") {
		if name, policy, state, ok := parse(text); ok {
			policies = append(policies, `"`+name+`";`+policy)
			states = append(states, `"`+name+`";`+state)
		}
	}

	if len(policies) > 0 {
		h.Set("RateLimit-Policy", strings.Join(policies, ", "))
		h.Set("RateLimit", strings.Join(states, ", "))
	}
}

// parse parses the state of one limit in the authorizer's context: name;q=1;w=2;r=3;t=4.
func parse(text string) (name, policy, state string, ok bool) {
	parts := strings.Split(text, ";")
	if len(parts) != 5 || strings.Trim(parts[0], "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" ||
		parts[0] == "" {
		return "", "", "", false
	}

	for i, parameter := range []string{"q=", "w=", "r=", "t="} {
		digits, has := strings.CutPrefix(parts[i+1], parameter)
		if !has || digits == "" || strings.Trim(digits, "0123456789") != "" {
			return "", "", "", false
		}
	}

	return parts[0], parts[1] + ";" + parts[2], parts[3] + ";" + parts[4], true
}
