package authorizer

import (
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
)

// cacheMargin allows for differences between API Gateway's clock and cache times and those assumed
// here.
const cacheMargin = time.Minute

// ends returns when the secret that was sent stops working by the clock, if API Gateway may still
// keep the answer then; else the zero time. Everything else that the check depends on is among the
// identity sources that key the cache, or changes only when a person changes it.
func (a *Authorizer) ends(r *request, v *check.Verdict) time.Time {
	if a.cacheTime == 0 {
		return time.Time{}
	}

	ends := v.Key.ExpiresAt
	if v.OldSecret {
		ends = v.Key.Rotation.OldEndsAt // never after the key itself
		if first := r.began.Add(v.Key.Rotation.Overlap); first.Before(ends) && a.mayEnd(r, v.Key) {
			ends = first
		}
	}

	if ends.After(r.began.Add(a.cacheTime + cacheMargin)) {
		return time.Time{}
	}

	return ends
}

// mayEnd reports whether the first use of the new secret, at any moment from now on, can end the
// old one while API Gateway keeps the answer.
func (a *Authorizer) mayEnd(r *request, k *apikey.Key) bool {
	return k.Rotation.StartsAt == apikey.StartsFirstUse && k.AwaitsFirstUse(r.began) &&
		k.Rotation.Overlap < a.cacheTime
}

// ended marks a refusal under an allow's policy as one by the clock: with the cache's key fixed,
// nothing else can cause one.
func (c *Context) ended() {
	c.DenialCode = check.Expired.Code()
	c.DenialDetail = "The secret was valid when it was last checked, and has ended since."
}
