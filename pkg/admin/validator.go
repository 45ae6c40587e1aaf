package admin

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// InvalidError lists what is wrong with an input, field by field.
type InvalidError struct{ Fields []api.FieldError }

// Error implements error.
func (e *InvalidError) Error() string {
	return fmt.Sprintf("%d fields are not valid, first %s: %s", len(e.Fields),
		e.Fields[0].Location, e.Fields[0].Message)
}

// validator collects what is wrong with an input.
type validator struct {
	fields []api.FieldError
	failed error  // why the input could not be checked
	end    string // the field that sets the key's end; "" means expiresAt
}

func (f *validator) add(location, message string, value any) {
	f.fields = append(f.fields, api.FieldError{
		Location: location,
		Message:  message,
		Value:    value,
	})
}

// err returns the error of the input; nil if it is valid.
func (f *validator) err() error {
	switch {
	case f.failed != nil:
		return f.failed
	case len(f.fields) > 0:
		return &InvalidError{f.fields}
	default:
		return nil
	}
}

// name checks a name: visible text on one line.
func (f *validator) name(location, name string) string {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		f.add(location, "expected a name of 1 to 100 characters", nil)
	case strings.ContainsFunc(name, permission.Invisible):
		f.add(location, "expected a name without control or format characters", nil)
	}

	return name
}

func (f *validator) permissions(catalogue *permission.Catalogue, names []string) []string {
	var out []string
	for i, name := range names {
		if _, ok := catalogue.Lookup(name); !ok {
			f.add(fmt.Sprintf("body.permissions[%d]", i),
				"this permission does not exist: see GET /v1/permissions", name)
		} else if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}

	return out
}

func (f *validator) customers(ids []string) []string {
	var out []string
	for i, id := range ids {
		if !permission.ValidCustomer(id) {
			f.add(fmt.Sprintf("body.customers[%d]", i),
				"expected a customer's id: 1 to 64 letters, digits, dots, hyphens and underscores",
				id)
		} else if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}

	return out
}

// Bounds of a rate limit's window.
const (
	shortestWindow = time.Second
	maxWindow      = 30 * day
)

func (f *validator) rateLimits(limits []api.RateLimit) []apikey.RateLimit {
	var out []apikey.RateLimit
	for i, l := range limits {
		at := fmt.Sprintf("body.rateLimits[%d]", i)
		told := len(f.fields)

		window := f.duration(at+".window", l.Window, shortestWindow, maxWindow)
		if len(f.fields) == told {
			f.keepable(at, apikey.RateLimit{
				Name:   l.Name,
				Limit:  l.Limit,
				Window: window,
				Burst:  l.Burst,
			})
		}

		if slices.ContainsFunc(out, func(o apikey.RateLimit) bool { return o.Name == l.Name }) {
			f.add(at+".name", "another limit already has this name", l.Name)
		}

		out = append(out, apikey.RateLimit{
			Name:   l.Name,
			Limit:  l.Limit,
			Window: window,
			Burst:  l.Burst,
		})
	}

	return out
}

// keepable checks that a limit can be enforced.
func (f *validator) keepable(at string, l apikey.RateLimit) {
	switch field, message := limit.Unkeepable(l); field {
	case "limit":
		f.add(at+".limit", message, l.Limit)
	case "burst":
		f.add(at+".burst", message, l.Burst)
	}
}

// quota checks what the schema does not: it allows null for the object, and so for its fields.
func (f *validator) quota(asked api.Patch[api.Quota]) *apikey.Quota {
	if asked.Null {
		return nil
	}

	if asked.Value.Limit < 1 {
		f.add("body.quota.limit", "expected a number of at least 1", nil)
	}

	if asked.Value.Period != "day" && asked.Value.Period != "month" {
		f.add("body.quota.period", "expected day or month", nil)
	}

	return (*apikey.Quota)(&asked.Value)
}

func (f *validator) networks(location string, networks []string) []netip.Prefix {
	var out []netip.Prefix
	for i, text := range networks {
		prefix, message := network(text)
		if message != "" {
			f.add(fmt.Sprintf("%s[%d]", location, i), message, text)
		} else if !slices.Contains(out, prefix) {
			out = append(out, prefix)
		}
	}

	return out
}

// network parses a CIDR, or a single address as the network of that address.
func network(text string) (p netip.Prefix, message string) {
	const expected = "expected a network such as 192.0.2.0/24 or 2001:db8::/32, or an address"

	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), ""
	}

	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || p.Addr().Is4In6():
		return p, expected
	case p != p.Masked():
		return p, "the address has bits outside of its network: did you mean " +
			p.Masked().String() + "?"
	}

	return p, ""
}

func (f *validator) expiry(
	now time.Time, at api.Patch[time.Time], in api.Patch[string],
) time.Time {
	switch {
	case given(at) && given(in):
		f.add("body.expiresIn", "give expiresAt or expiresIn, not both", nil)
	case given(in):
		return now.Add(f.duration("body.expiresIn", in.Value, time.Second, maxDuration))
	case given(at) && !at.Value.After(now):
		f.add("body.expiresAt", "expected a time in the future", apikey.FormatTime(at.Value))
	case given(at) && at.Value.After(now.AddDate(100, 0, 0)):
		f.add("body.expiresAt", "expected a time within 100 years", apikey.FormatTime(at.Value))
	}

	return moment(at)
}

func (f *validator) metadata(m map[string]string) map[string]string {
	if len(m) > 50 {
		f.add("body.metadata", "expected at most 50 entries", nil)
	}

	for name, value := range m {
		if name == "" || len(name) > 40 || len(value) > 500 {
			f.add("body.metadata", "expected names of 1 to 40 and values of at most 500 bytes", nil)
			break
		}

		if strings.ContainsFunc(name, permission.Invisible) {
			f.add("body.metadata", "expected names without control or format characters", nil)
			break
		}
	}

	if len(m) == 0 {
		return nil
	}

	return m
}

// maxTag is the maximum length of a tag, in characters.
const maxTag = 50

func (f *validator) tags(tags []string) []string {
	var out []string
	for i, tag := range tags {
		n := utf8.RuneCountInString(tag)
		if n < 1 || n > maxTag || strings.ContainsAny(tag, " ,") ||
			strings.ContainsFunc(tag, permission.Invisible) {
			f.add(fmt.Sprintf("body.tags[%d]", i), fmt.Sprintf(
				"expected 1 to %d visible characters, without spaces or commas", maxTag), tag)
		} else if !slices.Contains(out, tag) {
			out = append(out, tag)
		}
	}

	return out
}

// rules checks the rules that involve several fields of a key; before is nil for a new one.
func (f *validator) rules(r *Request, before, k *apikey.Key) {
	if !k.ExpiresAt.IsZero() && !k.NotBefore.Before(k.ExpiresAt) {
		f.add("body.notBefore", "expected a time before the key expires", nil)
	}

	if slices.ContainsFunc(k.Permissions, r.catalogue.IsAdmin) && k.Environment.Valid() &&
		k.Environment != apikey.Production {
		f.add("body.permissions",
			"a key with permissions of the admin API must be a production key", nil)
	}

	if r.limitsOff {
		f.noLimits(before, k)
	}

	longest, limited := r.organization.Settings.LongestLife[k.Environment]
	end := k.CreatedAt.Add(longest)

	unchanged := before != nil && before.ExpiresAt.Equal(k.ExpiresAt)
	if limited && !unchanged && (k.ExpiresAt.IsZero() || k.ExpiresAt.After(end)) {
		f.add("body."+cmp.Or(f.end, "expiresAt"),
			"the organization lets keys of this environment live at most "+formatDuration(longest),
			nil)
	}
}

// noLimits refuses new limits if the deployment would not enforce them: a limit without effect
// gives false confidence. Those that a key already has may stay or be removed.
func (f *validator) noLimits(before, k *apikey.Key) {
	const message = "this deployment does not enforce limits of keys (KeyLimits=off, which the " +
		"profile cached needs): API Gateway answers from its cache without invoking the authorizer"

	if before == nil {
		before = &apikey.Key{}
	}

	if len(k.RateLimits) > 0 && !slices.Equal(k.RateLimits, before.RateLimits) {
		f.add("body.rateLimits", message, nil)
	}

	if k.Quota != nil && (before.Quota == nil || *k.Quota != *before.Quota) {
		f.add("body.quota", message, nil)
	}
}

// HoldsSecret returns a function that reports whether a text holds a secret, or what may be the
// secret part of one. For the key of the request the secret part is proved; for others it goes by
// its form.
func (s *core) HoldsSecret(r *Request) func(text string) bool {
	return func(text string) bool {
		return s.brand.Holds(text) || apikey.LooksLikeTail(text) || r != nil && r.key != nil &&
			s.brand.HoldsTailOf(text, r.key.Environment, r.key.ID)
	}
}
