package authorizer

import (
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
)

// cacheMargin is by how much API Gateway's clock and its hold on an answer may differ from what is
// calculated here.
const cacheMargin = time.Minute

// ends is when the clock ends the secret that was sent, where API Gateway may still keep the answer
// then; else the zero time. All else that the check decides by is among the identity sources that
// the cache is keyed on, or changes by somebody's doing.
func (a *Authorizer) ends(r request, v *check.Verdict) time.Time {
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
func (a *Authorizer) mayEnd(r request, k *apikey.Key) bool {
	return k.Rotation.StartsAt == apikey.StartsFirstUse && k.AwaitsFirstUse(r.began) &&
		k.Rotation.Overlap < a.cacheTime
}

// ended says in the context of an allow that a refusal under its policy is one by the clock: what
// the cache is keyed on leaves nothing else.
func (c *Context) ended() {
	c.DenialCode = check.Expired.Code()
	c.DenialDetail = "The secret was valid when it was last checked, and has ended since."
}
