package usage

import (
	"net/netip"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
)

// RequestLife is how long a call stays in the log of requests.
const RequestLife = 7 * 24 * time.Hour

// DefaultSampleRate is how many of the allowed calls are kept where the organization says nothing
// else.
const DefaultSampleRate = 0.1

// Request is a call as the log of requests keeps it: enough to show it and to explain it, and no
// secret, header or body.
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
	// calls of the key just before this one that this instance did not keep, because they came too
	// fast
	Omitted int64
}

// Bounds of what a caller can put into a request.
const (
	maxRequestID = 128
	maxMethod    = 20
	maxPath      = 1024
	maxAgent     = 256
)

// Rates of the calls of one key that one instance keeps. Refusals are kept always, up to this: a
// flood of them with a revoked key must not cost a write each. What outsiders cause, by a wrong
// secret, has an allowance of its own, or it would push out what the key's holder did.
const (
	denialBurst, denialEvery     = 10, time.Second
	allowedBurst, allowedEvery   = 10, time.Second
	strangerBurst, strangerEvery = 3, 10 * time.Second
)

// maxRequests bounds the requests that wait to be written.
const maxRequests = 500

// allowance lets burst calls through at once and then one at each interval. The zero allowance is
// full.
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

// keep decides whether a call goes into the log of requests.
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

// sampled draws lots by the request's id (FNV-1a), which is as good as random and the same for
// whoever asks.
func sampled(id string, rate float64) bool {
	hash := uint64(14695981039346656037)
	for i := range len(id) {
		hash = (hash ^ uint64(id[i])) * 1099511628211
	}

	hash ^= hash >> 32 // the low bits of similar ids differ too little
	hash *= 0x9E3779B97F4A7C15
	return float64(hash>>11)/(1<<53) < rate
}

// requestOf makes the log's entry of a call. id names it where API Gateway did not.
func requestOf(c *Call, k *keyState, id func() string) Request {
	out := Request{
		ID:             clean(c.RequestID, maxRequestID),
		At:             c.At,
		Environment:    c.Environment,
		OrganizationID: c.OrganizationID,
		KeyID:          c.KeyID,
		KeyVersion:     c.KeyVersion,
		API:            c.API,
		Method:         clean(c.Method, maxMethod),
		Route:          c.Route,
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

// address is an address as it is shown; "" where it is not known.
func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}

	return a.Unmap().String()
}

// cut bounds a text. What is kept of it does not hold the rest in memory.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}

	return strings.Clone(s[:most])
}

// clean bounds a text that a caller sent, and leaves out what is not printable.
func clean(s string, most int) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '�' {
			return -1
		}

		return r
	}, cut(s, most))
}
