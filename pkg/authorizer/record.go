package authorizer

import (
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// Recorder counts calls.
type Recorder interface {
	// Record counts a call of a key. It does not block.
	Record(usage.Call)
}

// record counts a call whose key is known; other calls are only logged. It runs after the verdict,
// which does not depend on it.
func (a *Authorizer) record(r *request, v *check.Verdict) {
	if a.recorder == nil || v.Key == nil {
		return
	}

	now, conceal := a.checker.Now(), a.redactor(r)

	c := usage.Call{
		At:             now,
		Environment:    v.Key.Environment,
		OrganizationID: v.Key.OrganizationID,
		KeyID:          v.Key.ID,
		KeyVersion:     v.Key.Version,
		Outcome:        v.Outcome,
		Permission:     v.Permission(),
		Customer:       conceal.text(v.Customer()),
		Secret:         v.Secret(),
		RequestID:      conceal.text(r.id),
		API:            r.call.API,
		Method:         conceal.text(r.call.Method),
		Route:          v.Route.Route.Path,
		Path:           conceal.text(r.call.Path),
		SourceIP:       r.call.SourceIP,
		UserAgent:      conceal.text(r.userAgent),
		Latency:        now.Sub(r.began),
		SampleRate:     usage.DefaultSampleRate,
	}
	// the check ended before it found the route, or found none
	if c.Route == "" {
		c.Route = r.call.Resource
	}

	if v.Settings != nil {
		c.SampleRate = v.Settings.SampleRequests
	}

	if v.Key.Rotation != nil {
		c.Rotation = v.Key.Rotation.StartedAt
	}

	a.recorder.Record(c)
}

// redactor removes secrets from a text of the caller's, which may contain some by mistake: those of
// our form, and the very one that was sent, which may be another system's, plain or percent-encoded.
// Everyone who sees the key can read the text.
type redactor struct {
	brand apikey.Brand
	sent  string // "" if it is too short to be known by itself
}

func (a *Authorizer) redactor(r *request) redactor {
	sent, fault := check.Credential(a.checker.Brand, r.headers)
	if fault != "" || len(sent) < apikey.MinForeign {
		sent = ""
	}

	return redactor{a.checker.Brand, sent}
}

func (r redactor) text(text string) string {
	if r.sent == "" {
		return r.brand.Redact(text)
	}

	return r.brand.RedactKnown(text, r.sent)
}
