package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bitting-keys/bitting/pkg/api"
)

// keyFlags are the flags that say what a key is, named as the fields of the API.
type keyFlags struct {
	name             string
	description      string
	enabled          bool
	permissions      []string
	allPermissions   bool
	grantable        string
	customers        []string
	rateLimits       []string
	quota            string
	allowedAddresses []string
	notBefore        string
	expiresAt        string
	expiresIn        string
	metadata         map[string]string
	tags             []string
	clear            []string
}

func (k *keyFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&k.description, "description", "", "what the key is for")
	f.BoolVar(&k.enabled, "enabled", true, "whether the key works; --enabled=false disables it")
	f.StringSliceVar(&k.permissions, "permission", nil,
		"permission, such as messages:read; may be repeated. A new key without any gets the catalogue's "+
			"default")
	f.BoolVar(&k.allPermissions, "all-permissions", false, "every permission, including later ones")
	f.StringVar(&k.grantable, "grantable", "", "what an admin key may grant: own or catalogue")
	f.StringSliceVar(&k.customers, "customer", nil, "customer that the key is scoped to; may be repeated")
	f.StringArrayVar(&k.rateLimits, "rate-limit", nil,
		"calls per window, such as 100/1m, or name=100/1m,burst=20; may be repeated")
	f.StringVar(&k.quota, "quota", "", "calls per day or month, such as 10000/month")
	f.StringSliceVar(&k.allowedAddresses, "allowed-address", nil,
		"network that calls may come from, such as 192.0.2.0/24; may be repeated")
	f.StringVar(&k.notBefore, "not-before", "", "time from which the key is valid (RFC 3339)")
	f.StringVar(&k.expiresAt, "expires-at", "", "time at which the key expires (RFC 3339)")
	f.StringVar(&k.expiresIn, "expires-in", "", "how long until the key expires, such as 90d")
	f.StringToStringVar(&k.metadata, "metadata", nil, "name=value; may be repeated")
	f.StringSliceVar(&k.tags, "tag", nil, "tag; may be repeated")
	c.MarkFlagsMutuallyExclusive("expires-at", "expires-in")
}

// clearable are the fields that --clear empties.
func clearable() map[string]func(*api.UpdateKey) {
	return map[string]func(*api.UpdateKey){
		"allowedAddresses": func(u *api.UpdateKey) { u.AllowedAddresses = api.Null[[]string]() },
		"customers":        func(u *api.UpdateKey) { u.Customers = api.Null[[]string]() },
		"description":      func(u *api.UpdateKey) { u.Description = api.Null[string]() },
		"expiresAt":        func(u *api.UpdateKey) { u.ExpiresAt = api.Null[time.Time]() },
		"metadata":         func(u *api.UpdateKey) { u.Metadata = api.Null[map[string]string]() },
		"notBefore":        func(u *api.UpdateKey) { u.NotBefore = api.Null[time.Time]() },
		"permissions":      func(u *api.UpdateKey) { u.Permissions = api.Null[[]string]() },
		"quota":            func(u *api.UpdateKey) { u.Quota = api.Null[api.Quota]() },
		"rateLimits":       func(u *api.UpdateKey) { u.RateLimits = api.Null[[]api.RateLimit]() },
		"tags":             func(u *api.UpdateKey) { u.Tags = api.Null[[]string]() },
	}
}

// change returns the change that the given flags are: what was not given stays.
func (k *keyFlags) change(given *pflag.FlagSet) (api.UpdateKey, error) {
	var u api.UpdateKey
	var wrong []error

	set := func(flag string, take func() error) {
		if !given.Changed(flag) {
			return
		}

		if err := take(); err != nil {
			wrong = append(wrong, fmt.Errorf("--%s: %w", flag, err))
		}
	}

	set("name", value(&u.Name, k.name))
	set("description", value(&u.Description, k.description))
	set("enabled", value(&u.Enabled, k.enabled))
	set("permission", value(&u.Permissions, k.permissions))
	set("all-permissions", value(&u.AllPermissions, k.allPermissions))
	set("grantable", value(&u.Grantable, k.grantable))
	set("customer", value(&u.Customers, k.customers))
	set("allowed-address", value(&u.AllowedAddresses, k.allowedAddresses))
	set("expires-in", value(&u.ExpiresIn, k.expiresIn))
	set("metadata", value(&u.Metadata, k.metadata))
	set("tag", value(&u.Tags, k.tags))
	set("rate-limit", func() error { return parsed(&u.RateLimits, k.rateLimits, rateLimitsOf) })
	set("quota", func() error { return parsed(&u.Quota, k.quota, quotaOf) })
	set("not-before", func() error { return parsed(&u.NotBefore, k.notBefore, timeOf) })
	set("expires-at", func() error { return parsed(&u.ExpiresAt, k.expiresAt, timeOf) })

	fields := clearable()
	for _, field := range k.clear {
		empty, ok := fields[field]
		if !ok {
			wrong = append(wrong, fmt.Errorf("--clear %s: expected one of %s", field,
				strings.Join(slices.Sorted(maps.Keys(fields)), ", ")))
			continue
		}

		empty(&u)
	}

	if err := errors.Join(wrong...); err != nil {
		return u, usage(err)
	}

	return u, nil
}

func value[T any](field *api.Patch[T], v T) func() error {
	return func() error {
		*field = api.Set(v)
		return nil
	}
}

func parsed[T, F any](field *api.Patch[T], text F, parse func(F) (T, error)) error {
	v, err := parse(text)
	*field = api.Set(v)
	return err
}

// settings returns the settings of a new key that the given flags are.
func (k *keyFlags) settings(given *pflag.FlagSet) (api.KeySettings, error) {
	u, err := k.change(given)
	if err != nil {
		return api.KeySettings{}, err
	}

	out := api.KeySettings{
		Description:      u.Description.Value,
		Permissions:      u.Permissions.Value,
		AllPermissions:   u.AllPermissions.Value,
		Grantable:        u.Grantable.Value,
		Customers:        u.Customers.Value,
		RateLimits:       u.RateLimits.Value,
		AllowedAddresses: u.AllowedAddresses.Value,
		NotBefore:        u.NotBefore.Value,
		ExpiresAt:        u.ExpiresAt.Value,
		ExpiresIn:        u.ExpiresIn.Value,
		Metadata:         u.Metadata.Value,
		Tags:             u.Tags.Value,
	}
	if u.Enabled.Sent {
		out.Enabled = &u.Enabled.Value
	}

	if u.Quota.Sent {
		out.Quota = &u.Quota.Value
	}

	return out, nil
}

func rateLimitsOf(texts []string) (out []api.RateLimit, err error) {
	for _, text := range texts {
		l, err := rateLimitOf(text)
		if err != nil {
			return nil, err
		}

		out = append(out, l)
	}

	return out, nil
}

// rateLimitOf reads [name=]LIMIT/WINDOW[,burst=N]. The name is by default that of the window.
func rateLimitOf(text string) (l api.RateLimit, err error) {
	wrong := fmt.Errorf("%q: expected calls per window, such as 100/1m or burst=20", text)

	rate, burst, limited := strings.Cut(text, ",burst=")
	if limited {
		if l.Burst, err = strconv.ParseInt(burst, 10, 64); err != nil {
			return l, wrong
		}
	}

	name, of, named := strings.Cut(rate, "=")
	if !named {
		name, of = "", rate
	}

	number, window, ok := strings.Cut(of, "/")
	if l.Limit, err = strconv.ParseInt(number, 10, 64); err != nil || !ok || window == "" {
		return l, wrong
	}

	l.Name, l.Window = name, window
	if !named {
		l.Name = "per-" + window
	}

	return l, nil
}

func quotaOf(text string) (q api.Quota, err error) {
	number, period, ok := strings.Cut(text, "/")

	q.Period = period
	if q.Limit, err = strconv.ParseInt(number, 10, 64); err != nil || !ok {
		return q, fmt.Errorf("%q: expected calls per day or month, such as 10000/month", text)
	}

	return q, nil
}

func timeOf(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%q: expected a time such as 2027-01-31T12:00:00Z", text)
	}

	return at, nil
}
