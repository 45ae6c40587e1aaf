package account

import (
	"net/http"
	"time"

	"github.com/bitting-keys/bitting/pkg/client"
)

// Patient is a transport that says so when a request has no answer for long.
type Patient struct {
	After time.Duration
	Say   func(format string, args ...any)
}

// RoundTrip implements http.RoundTripper.
func (p Patient) RoundTrip(r *http.Request) (*http.Response, error) {
	attempt, of := client.Attempt(r.Context())
	timer := time.AfterFunc(p.After, func() {
		p.Say("No answer from %s yet: attempt %d of %d, each of up to %v. Ctrl-C stops.",
			r.URL.Host, attempt, of, client.RequestTimeout)
	})

	defer timer.Stop()

	return http.DefaultTransport.RoundTrip(r)
}
