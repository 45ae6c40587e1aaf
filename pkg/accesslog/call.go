package accesslog

import (
	"strings"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// call returns the call that a line records. Its route and permission follow from the current
// catalogue, as in the check. Texts that the caller chose are stored without secrets of the brand.
func (l line) call(catalogue *permission.Catalogue, brand apikey.Brand) usage.Call {
	d := l.decide(catalogue)

	c := usage.Call{
		At:             l.at,
		Environment:    l.environment,
		OrganizationID: l.organizationID,
		KeyID:          l.keyID,
		Outcome:        l.outcome(d),
		Customer:       brand.Redact(d.Customer),
		Secret:         apikey.Current,
		Rotation:       l.rotation,
		RequestID:      brand.Redact(l.requestID),
		API:            l.api,
		Method:         brand.Redact(l.method),
		Route:          d.Match.Route.Path,
		Path:           brand.Redact(l.apiPath()),
		SourceIP:       l.sourceIP,
		UserAgent:      brand.Redact(l.userAgent),
		Latency:        l.latency,
		SampleRate:     l.sampleRate,
	}
	if l.oldSecret {
		c.Secret = apikey.Old
	}

	c.Permission = d.Permission
	// The cases in which the permission is not the one that opened the route.
	switch {
	case l.ended(): // by the clock: nothing of the call was checked
		c.Permission = ""

		c.Customer = ""
		if l.oldSecret {
			c.Secret = apikey.Retired
		}
	case !d.PermissionHeld || c.Outcome == check.PermissionDenied:
		// a key that holds all permissions uses the first that opens the route, too
		c.Permission = d.Required
	}

	if c.Route == "" {
		c.Route = l.template()
	}

	return c
}

// template returns API Gateway's own template of the route.
func (l line) template() string {
	if _, path, ok := strings.Cut(l.resource, " "); ok {
		return path // the route key of an HTTP API
	}

	return l.resource
}

// decide returns the route of the call, and what the key may do there according to the authorizer's
// context. If the path leads to another route than API Gateway's, for example because of a base
// path, API Gateway's counts.
func (l line) decide(catalogue *permission.Catalogue) permission.Decision {
	grant := permission.Grant{
		All:         l.permissions == all,
		Permissions: names(l.permissions),
		Customers:   names(l.customers),
	}

	d := permission.Decide(catalogue, l.api, grant, l.method, l.apiPath())
	if check.SameRoute(l.template(), d.Match.Route.Path) && d.Known {
		return d
	}

	if d.Ambiguity != permission.Unambiguous && l.responseType == accessDenied {
		return d // no permission would have helped
	}

	d = permission.Decide(catalogue, l.api, permission.Grant{
		All:         grant.All,
		Permissions: grant.Permissions,
	}, l.method, l.template())
	d.Customer = "" // the template does not contain it
	return d
}

// apiPath returns the path without the stage, as the check sees it.
func (l line) apiPath() string {
	path, _, _ := strings.Cut(l.path, "?")
	if rest, ok := strings.CutPrefix(path, "/"+l.stage); ok && strings.HasPrefix(rest, "/") {
		return rest
	}

	return path
}

// accessDenied is the response type of a refusal by the authorizer's policy.
const accessDenied = "ACCESS_DENIED"

// ended reports whether the secret ended by the clock while API Gateway kept the answer that had
// allowed the call.
func (l line) ended() bool {
	return l.responseType == accessDenied && l.denialCode == check.Expired.Code()
}

// outcome returns the outcome of a call. If API Gateway answered itself, its response type shows
// who refused the call; every other answer is the backend's, including its own 403. A call whose
// key was not recognised has no outcome to count for a key.
func (l line) outcome(d permission.Decision) check.Outcome {
	said := check.Outcome(l.denialCode)
	switch l.responseType {
	case accessDenied:
		if l.ended() {
			if l.oldSecret {
				return check.RetiredSecret
			}

			return check.Expired
		}

		// An API with a cache of its own may ignore part of the path in the cache's key. The code
		// is then that of the call that filled the cache, which may have named another customer. So
		// the path decides, if its customer and the whole list are known.
		another := said == check.CustomerNotAllowed
		if d.Customer != "" && !strings.HasSuffix(l.customers, cut) {
			another = !d.CustomerAllowed
		}

		switch {
		case said.Status() == 403 && said != check.CustomerNotAllowed && said != check.PermissionDenied:
			return said
		case another:
			return check.CustomerNotAllowed
		default:
			return check.PermissionDenied
		}

	case "INVALID_API_KEY": // how the authorizer expresses 429
		if said.Status() == 429 {
			return said
		}

		return check.RateLimited
	case "THROTTLED", "QUOTA_EXCEEDED": // API Gateway's own limits, which it reports in the same way
		return check.RateLimited
	default:
		return check.Allowed
	}
}

// all stands for the permissions of a key that holds all of them.
const all = "*"

// cut is at the end of a list that was too long for the authorizer's context.
const cut = "..."

// names splits a list of the authorizer's context.
func names(list string) []string {
	if list == "" {
		return nil
	}

	return strings.Split(list, ",")
}
