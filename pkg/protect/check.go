package protect

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bitting-keys/bitting/pkg/permission"
)

// Finding is something that is wrong with how an API is protected.
type Finding struct {
	Line    int
	Code    string // one of the codes below, for programs
	Message string
	Mend    string
}

// The codes of findings.
const (
	CodeOpen        = "open-route"    // a route that anybody may call
	CodeDefault     = "open-default"  // likewise, the catch-all $default
	CodeUnread      = "unread"        // what cannot be read
	CodePreflight   = "preflight"     // preflights want a key
	CodeCache       = "cache"         // an answer is kept that is for one call only
	CodePayload     = "payload"       // the payload version is missing
	CodeToken       = "token"         // the authorizer does not see enough of a call
	CodeInvoke      = "invoke"        // API Gateway may not invoke the authorizer
	CodeName        = "name"          // the API does not say its name
	CodeNo429       = "no-429"        // nobody answers 429
	CodeKey         = "admit-key"     // a route wants a key that nobody supplies
	CodeResponses   = "responses"     // API Gateway's own refusals are not problems
	CodeNoPermisson = "no-permission" // a route that no permission opens
	CodeNoRoute     = "no-route"      // a permission's route that the API does not have
)

const protectMend = "run bitting protect on the file"

// Check returns what is wrong, by line, and what to tell somebody that is not wrong.
func (d *Document) Check(o Options) (findings []Finding, notes []string, err error) {
	d = d.as(o.Kind)
	if err := d.usable(o, d.selected(o)); err != nil {
		return nil, nil, err
	}

	notes = slices.Clone(d.notes)

	for _, a := range d.selected(o) {
		if a.elsewhere != "" {
			notes = append(notes, a.ID+": "+a.elsewhere)
		}

		for _, r := range a.Routes {
			switch {
			case r.guard == another:
				notes = append(notes, fmt.Sprintf("%s%s has another authorizer", at(r.Line), r))
			case r.guard == opened || o.keyless(r):
				notes = append(notes, fmt.Sprintf("%s%s needs no key, as the file or --keyless says",
					at(r.Line), r))
			}

			findings = append(findings, a.checkRoute(r, o)...)
		}

		findings = append(findings, a.check(o)...)
	}

	sortFindings(findings)
	return findings, notes, nil
}

func sortFindings(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int { return a.Line - b.Line })
}

// checkRoute returns what is wrong with a route.
func (a *API) checkRoute(r Route, o Options) (findings []Finding) {
	add := func(code, message, mend string) {
		findings = append(findings, Finding{r.Line, code, r.String() + " " + message, mend})
	}

	keyless := o.keyless(r) || r.Method == "OPTIONS"

	switch {
	case r.guard == unread:
		add(CodeUnread, "has an authorizer that an intrinsic function chooses",
			"name it, so that it can be checked")
	case r.guard == nobody && r.Path == defaultRoute && !keyless:
		add(CodeDefault, "is open: it takes every call that no other route takes, also /orders/ beside "+
			"/orders", protectMend)
	case r.guard == nobody && !keyless:
		add(CodeOpen, "is open: it has no authorizer", protectMend+
			fmt.Sprintf(", or say --keyless %q where it needs no key", r))
	case r.guard == ours && r.Method == "OPTIONS":
		add(CodePreflight, "is behind the authorizer: a browser's preflight carries no key", protectMend)
	case r.guard == ours && r.preflight != nil && a.preflightMissing(r):
		add(CodePreflight, "takes preflights too, which carry no key", protectMend)
	}

	if a.Kind != REST || !a.keySource {
		return findings
	}

	switch {
	case r.guard == ours && r.Method != "OPTIONS" && !r.keyRequired:
		add(CodeNo429, "does not want the admit key: a call over a limit passes", protectMend)
	case r.guard != ours && r.keyRequired:
		add(CodeKey, "wants an API Gateway key, which only Bitting's authorizer supplies: each call "+
			"gets 403", protectMend)
	}

	return findings
}

// check returns what is wrong with an API itself.
func (a *API) check(o Options) (findings []Finding) {
	add := func(line int, code, message, mend string) {
		findings = append(findings, Finding{line, code, a.label() + message, mend})
	}

	guarded := slices.ContainsFunc(a.Routes, func(r Route) bool { return r.guard == ours })
	if a.corsGuarded > 0 {
		add(a.corsGuarded, CodePreflight, "CORS is behind the authorizer, and a browser's preflight "+
			"carries no key", protectMend)
	}

	if !guarded {
		return findings
	}

	if name := a.name(o); a.variables && a.Name != name {
		add(a.Line, CodeName, "the stage variable "+stageVariable+" is not "+name+
			": the authorizer takes its routes for another API's", protectMend)
	}

	findings = append(findings, a.checkAuthorizer(o)...)

	if a.Kind == REST && len(a.responses) > 0 {
		add(a.Line, CodeResponses, "has no gateway responses "+strings.Join(a.responses, ", ")+
			": refusals are no problems, and a dependency's fault is 500", protectMend)
	}

	if !o.NoLimits && (!a.keySource || !a.plan) && a.Kind != WebSocket {
		findings = append(findings, a.unlimited(o)...)
	}

	return findings
}

// label names an API in a message.
func (a *API) label() string {
	if a.ID == "" {
		return ""
	}

	return a.ID + ": "
}

// unlimited finds the backends that must answer 429, since the gateway cannot, and do not.
func (a *API) unlimited(o Options) (findings []Finding) {
	why := "an HTTP API cannot answer 429 to a call over a limit"
	mend := "put a guard into the backend (pkg/guard, or examples/), or say --key-limits off where " +
		"the deployment has none"

	if a.Kind == REST {
		why = "without the admit key a REST API cannot answer 429 to a call over a limit"
		mend = protectMend
	}

	seen := map[string]bool{}
	for _, r := range a.Routes {
		if r.guard != ours || seen[r.codeURI] || o.Answers429 != nil && o.Answers429(r.codeURI) {
			continue
		}

		seen[r.codeURI] = true

		backend := "its backend"
		if r.codeURI != "" {
			backend = "the backend in " + r.codeURI
		}

		findings = append(findings, Finding{
			r.Line, CodeNo429, a.label() + why + ", and " + backend + " does not", mend,
		})
	}

	return findings
}

func (a *API) checkAuthorizer(o Options) (findings []Finding) {
	if a.authorizer == nil {
		return nil
	}

	add := func(code, message, mend string) {
		findings = append(findings, Finding{a.authorizer.line, code, a.label() + message, mend})
	}

	if a.authorizer.token {
		add(CodeToken, "the authorizer is of type TOKEN: it sees neither the API's name nor the "+
			"caller's address, and only one header", protectMend)
	}

	switch version := a.authorizer.payload; {
	case a.Kind != HTTP:
	case version == nil:
		add(CodePayload, "the authorizer has no payload format version", protectMend)
	case version.Kind == yaml.ScalarNode && version.Tag == "!!float":
		add(CodePayload, `the payload format version is a number: write "`+version.Value+`"`,
			protectMend)
	}

	if !a.authorizer.permitted {
		add(CodeInvoke, "API Gateway may not invoke the authorizer: each call gets 500", protectMend)
	}

	return append(findings, a.checkCache(o)...)
}

// checkCache finds answers that are kept though they are for one call only.
func (a *API) checkCache(o Options) []Finding {
	ttl := a.authorizer.ttl
	if ttl == unset && a.Kind == REST {
		ttl = restTTL
	}

	if a.Kind == WebSocket || ttl == unknowing || ttl == 0 {
		return nil
	}

	found := func(message string) []Finding {
		return []Finding{{a.authorizer.line, CodeCache, a.label() + message, protectMend}}
	}

	switch {
	case ttl == unset:
		return found("the authorizer does not say how long an answer is kept, and AWS does not either")
	case !o.Cached || a.Kind == HTTP:
		return found(fmt.Sprintf("the authorizer's answer is kept for %d seconds: limits and addresses "+
			"of keys do not hold, and a revoked key works on", ttl))
	case ttl > cachedTTL:
		return found(fmt.Sprintf("the authorizer's answer is kept for %d seconds, more than the "+
			"profile cached promises: %d", ttl, cachedTTL))
	}

	for _, name := range cachedContext() {
		if !slices.Contains(a.authorizer.sources, "context."+name) {
			return found("the cache is not keyed on " + name + ": one call's answer is given to another")
		}
	}

	return nil
}

// Compare returns the routes that no permission of a catalogue opens, and the catalogue's routes
// that no API has. Only routes behind the authorizer count.
func (d *Document) Compare(o Options, permissions []permission.Permission) (findings []Finding) {
	for _, a := range d.as(o.Kind).selected(o) {
		if a.elsewhere != "" {
			continue
		}

		name := a.name(o)

		var known []permission.Route
		for _, p := range permissions {
			for _, r := range p.Routes {
				if r.API == name || r.API == "*" {
					known = append(known, r)
				}
			}
		}

		for _, r := range a.Routes {
			if r.guard == ours && r.Method != "OPTIONS" && !slices.ContainsFunc(known, r.overlaps) {
				findings = append(findings, Finding{
					r.Line, CodeNoPermisson,
					fmt.Sprintf("%s of %s is in no permission: each call gets 403", r, name),
					"bitting permissions import --api " + name + " adds it, or give it to a permission",
				})
			}
		}

		for _, p := range permissions {
			for _, r := range p.Routes {
				if r.API == name && !slices.ContainsFunc(a.Routes, func(have Route) bool {
					return have.overlaps(r)
				}) {
					findings = append(findings, Finding{
						a.Line, CodeNoRoute,
						fmt.Sprintf("the permission %s opens %s %s, which %s does not have", p.Name,
							r.Method, r.Path, name),
						"take the route out of the permission, or add it to the API",
					})
				}
			}
		}
	}

	sortFindings(findings)
	return findings
}

// overlaps reports whether some call is one of both routes.
func (r Route) overlaps(other permission.Route) bool {
	if r.Method != other.Method && r.Method != anyMethod && other.Method != anyMethod {
		return false
	}

	return r.Path == defaultRoute || overlap(segments(r.Path), segments(other.Path))
}

func segments(path string) []string {
	if path == "/" {
		return nil
	}

	return strings.Split(strings.Trim(path, "/"), "/")
}

// overlap reports whether some path matches both templates.
func overlap(a, b []string) bool {
	for i := range min(len(a), len(b)) {
		switch {
		case strings.HasSuffix(a[i], "+}") || strings.HasSuffix(b[i], "+}"):
			return true
		case strings.HasPrefix(a[i], "{") || strings.HasPrefix(b[i], "{"):
		case a[i] != b[i]:
			return false
		}
	}

	return len(a) == len(b)
}
