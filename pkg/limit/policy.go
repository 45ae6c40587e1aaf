package limit

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Subject identifies whose calls are limited: a key's, or those from an address.
type Subject struct {
	Environment apikey.Environment
	KeyID       string
	Address     netip.Prefix // set if KeyID is ""
}

// KeySubject returns the subject of a key.
func KeySubject(k *apikey.Key) Subject { return Subject{Environment: k.Environment, KeyID: k.ID} }

// AddressSubject returns the subject of calls that are made from an address without a key. For IPv6
// it is the /64 network, since a host with one of its addresses usually has all of them. Calls from
// an unknown address share one subject.
func AddressSubject(address netip.Addr) Subject {
	address = address.Unmap().WithZone("")

	n := 64
	if !address.Is6() {
		n = address.BitLen()
	}

	prefix, err := address.Prefix(n)
	if err != nil {
		return Subject{}
	}

	return Subject{Address: prefix}
}

// Policy is a set of limits.
type Policy struct {
	Limits  []apikey.RateLimit
	Quota   *apikey.Quota
	Version int64 // grows with each change of the policy: the key's version
}

// PolicyOf returns the limits of a key.
func PolicyOf(k *apikey.Key) Policy {
	return Policy{Limits: k.RateLimits, Quota: k.Quota, Version: k.Version}
}

// plan is a policy prepared for calculation.
type plan struct {
	text    string // the same for the same limits, regardless of the version
	version int64
	buckets []bucket
	quota   *apikey.Quota
}

// storedPolicy is the form in which a policy is stored with its state.
type storedPolicy struct {
	Limits []storedLimit `json:"l,omitempty"`
	Quota  int64         `json:"q,omitempty"`
	Period string        `json:"p,omitempty"`
}

type storedLimit struct {
	Name   string `json:"n"`
	Limit  int64  `json:"l"`
	Window int64  `json:"w"` // nanoseconds
	Burst  int64  `json:"b"`
}

func newPlan(p Policy) *plan {
	out := &plan{version: p.Version}

	var w storedPolicy
	for _, l := range p.Limits {
		b := newBucket(l)
		out.buckets = append(out.buckets, b)
		w.Limits = append(w.Limits, storedLimit{b.Name, b.Limit, int64(b.Window), b.Burst})
	}

	if p.Quota != nil {
		q := *p.Quota
		out.quota = &q
		w.Quota = q.Limit
		w.Period = q.Period
	}

	text, _ := json.Marshal(w) // numbers and strings always marshal
	out.text = string(text)
	return out
}

// readPlan returns the plan of a stored policy.
func readPlan(text string, version int64) (*plan, error) {
	var w storedPolicy
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		return nil, fmt.Errorf("limit: policy of version %d: %w", version, err)
	}

	p := Policy{Version: version}
	for _, l := range w.Limits {
		p.Limits = append(p.Limits, apikey.RateLimit{
			Name:   l.Name,
			Limit:  l.Limit,
			Window: time.Duration(l.Window),
			Burst:  l.Burst,
		})
	}

	if w.Period != "" {
		p.Quota = &apikey.Quota{Limit: w.Quota, Period: w.Period}
	}

	return newPlan(p), nil
}

// bucket returns the limit with a name.
func (p *plan) bucket(name string) (bucket, bool) {
	i := slices.IndexFunc(p.buckets, func(b bucket) bool { return b.Name == name })
	if i < 0 {
		return bucket{}, false
	}

	return p.buckets[i], true
}

// same reports whether two policies are equal.
func same(a, b Policy) bool {
	if a.Version != b.Version || !slices.Equal(a.Limits, b.Limits) ||
		(a.Quota == nil) != (b.Quota == nil) {
		return false
	}

	return a.Quota == nil || *a.Quota == *b.Quota
}
