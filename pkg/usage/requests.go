package usage

import (
	"net/netip"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
)

// RequestLife is how long a recorded call is kept.
const RequestLife = 7 * 24 * time.Hour

// DefaultSampleRate is the fraction of the allowed calls that is recorded unless the organization
// sets another.
const DefaultSampleRate = 0.1

// Request is a recorded call: enough to show it and to explain it, without secrets, headers or
// body.
type Request struct {
	ID             string
	At             time.Time
	Environment    apikey.Environment
	OrganizationID string
	KeyID          string
	KeyVersion     int64
	API            string
	Method         string
	Route          string
	Path           string
	Outcome        check.Outcome
	Permission     string
	SourceIP       string
	UserAgent      string
	LatencyMs      int64
	OldSecret      bool
	// calls of the key just before this one that this instance did not record, because of the rate
	Omitted int64
}

// Bounds of what a caller can put into a request.
const (
	maxRequestID = 128
	maxMethod    = 20
	maxPath      = 1024
	maxAgent     = 256
)

// Rates of the calls of one key that one instance records. Refusals are always recorded, up to this
// rate: a flood of them with a revoked key must not cost a write each. Calls with a wrong secret
// have an allowance of their own, since outsiders cause them, and must not displace those of the
// key's holder.
const (
	denialBurst, denialEvery     = 10, time.Second
	allowedBurst, allowedEvery   = 10, time.Second
	strangerBurst, strangerEvery = 3, 10 * time.Second
)

// maxRequests bounds the requests that wait to be written.
const maxRequests = 500

// allowance admits burst calls at once and then one per interval. The zero allowance is full.
type allowance struct{ full time.Time }

func (b *allowance) take(now time.Time, burst int, every time.Duration) bool {
	if b.full.Before(now) {
		b.full = now
	}

	if b.full.Add(every).Sub(now) > time.Duration(burst)*every {
		return false
	}

	b.full = b.full.Add(every)
	return true
}

// keep decides whether a call is recorded.
func (k *keyState) keep(c *Call) bool {
	switch {
	case c.Outcome == check.Allowed && !sampled(c.RequestID, c.SampleRate):
		return false
	case c.Outcome == check.Allowed && k.allowed.take(c.At, allowedBurst, allowedEvery),
		c.Outcome == check.WrongSecret && k.strangers.take(c.At, strangerBurst, strangerEvery),
		c.Outcome != check.Allowed && c.Outcome != check.WrongSecret &&
			k.denials.take(c.At, denialBurst, denialEvery):
		return true
	}

	k.omitted++
	return false
}

// sampled decides by the hash of the request's id (FNV-1a), which is as good as random and the same
// for every instance.
func sampled(id string, rate float64) bool {
	hash := uint64(14695981039346656037)
	for i := range len(id) {
		hash = (hash ^ uint64(id[i])) * 1099511628211
	}

	hash ^= hash >> 32 // the low bits of similar ids differ too little
	hash *= 0x9E3779B97F4A7C15
	return float64(hash>>11)/(1<<53) < rate
}

// requestOf returns the record of a call. id generates an id if API Gateway sent none.
func requestOf(c *Call, k *keyState, id func() string) Request {
	out := Request{
		ID:             clean(c.RequestID, maxRequestID),
		At:             c.At,
		Environment:    c.Environment,
		OrganizationID: c.OrganizationID,
		KeyID:          k.scope.ID,
		KeyVersion:     c.KeyVersion,
		API:            strings.Clone(c.API),
		Method:         clean(c.Method, maxMethod),
		Route:          strings.Clone(c.Route),
		Path:           clean(c.Path, maxPath),
		Outcome:        c.Outcome,
		Permission:     c.Permission,
		SourceIP:       address(c.SourceIP),
		UserAgent:      clean(c.UserAgent, maxAgent),
		LatencyMs:      c.Latency.Milliseconds(),
		OldSecret:      c.Secret == apikey.Old,
		Omitted:        k.omitted,
	}
	if out.ID == "" { // some events have none
		out.ID = id()
	}

	return out
}

// address formats an address; "" if it is unknown.
func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}

	return a.Unmap().String()
}

// cut shortens a text.
func cut(s string, most int) string { return s[:min(len(s), most)] }

// clean shortens a text that a caller sent, and removes what is not printable.
//
// What it returns is a copy: the text may be part of a whole event, with its secret.
func clean(s string, most int) string {
	return strings.Clone(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '�' {
			return -1
		}

		return r
	}, cut(s, most)))
}
