package accesslog

import (
	"strings"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// call is what a line says of its call. The route and the permission are found as the check finds
// them, by the catalogue as it is now. What the caller chose is kept without secrets of the brand.
func (l line) call(catalogue *permission.Catalogue, api string, brand apikey.Brand) usage.Call {
	d := l.decide(catalogue, api)

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
		API:            api,
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
	switch {
	case l.ended(): // by the clock, before anything of the call was looked at
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

// template is API Gateway's own template of the route.
func (l line) template() string {
	if _, path, ok := strings.Cut(l.resource, " "); ok {
		return path // an HTTP API's route key
	}

	return l.resource
}

// decide asks for the route of the call, and what the key as the authorizer's context tells of it
// could do there. Where the path leads to another route than API Gateway's, which may be because of
// a base path of its own, API Gateway's decides.
func (l line) decide(catalogue *permission.Catalogue, api string) permission.Decision {
	grant := permission.Grant{
		All:         l.permissions == all,
		Permissions: names(l.permissions),
		Customers:   names(l.customers),
	}

	d := permission.Decide(catalogue, api, grant, l.method, l.apiPath())
	if check.SameRoute(l.template(), d.Match.Route.Path) && d.Known {
		return d
	}

	if d.Ambiguity != permission.Unambiguous && l.responseType == accessDenied {
		return d // no permission would have helped
	}

	d = permission.Decide(catalogue, api, permission.Grant{
		All:         grant.All,
		Permissions: grant.Permissions,
	}, l.method, l.template())
	d.Customer = "" // the template names none
	return d
}

// apiPath is the path without the stage, as the check sees it.
func (l line) apiPath() string {
	path, _, _ := strings.Cut(l.path, "?")
	if rest, ok := strings.CutPrefix(path, "/"+l.stage); ok && strings.HasPrefix(rest, "/") {
		return rest
	}

	return path
}

// accessDenied is the response type of a refusal by the authorizer's policy.
const accessDenied = "ACCESS_DENIED"

// ended reports whether the clock ended the secret while API Gateway kept the answer that had
// allowed the call.
func (l line) ended() bool {
	return l.responseType == accessDenied && l.denialCode == check.Expired.Code()
}

// outcome is what became of a call. Where API Gateway answered by itself, its response type tells
// by whom the call was refused; everything else is the backend's own affair, a 403 of it included.
// A call whose key was not recognized has no outcome to count for a key.
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

		// An API of somebody's own may cache by less than the path: then the code is that of the
		// call that filled the cache, which may have named another customer. The path tells, where
		// it can be read.
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

	case "INVALID_API_KEY": // the authorizer's way to say 429
		if said.Status() == 429 {
			return said
		}

		return check.RateLimited
	case "THROTTLED", "QUOTA_EXCEEDED": // API Gateway's own limits, which it says in the same words
		return check.RateLimited
	default:
		return check.Allowed
	}
}

// all stands for the permissions of a key that holds all of them.
const all = "*"

// cut is at the end of a list that was too long for the authorizer's context.
const cut = "..."

// names takes a list of the authorizer's context apart.
func names(list string) []string {
	if list == "" {
		return nil
	}

	return strings.Split(list, ",")
}
