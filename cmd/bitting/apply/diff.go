package apply

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
)

// Change is a field that differs from the file.
type Change struct {
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
	Drift  *Drift `json:"drift,omitempty"`
}

// Drift is who changed a field away from what the file says, and when.
type Drift struct {
	By api.Actor `json:"by"`
	At api.Time  `json:"at"`
}

// values returns the fields of an object that has them, by name. Those of an organization's settings
// are fields of their own.
func values(object any) (map[string]any, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}

	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}

	flat := map[string]any{}
	flatten(flat, "", fields)
	return flat, nil
}

func flatten(into map[string]any, prefix string, fields map[string]any) {
	for name, value := range fields {
		inner, nested := value.(map[string]any)
		if nested && (name == "settings" || name == "longestLife") {
			flatten(into, prefix+name+".", inner)
		} else {
			into[prefix+name] = value
		}
	}
}

// nest is the opposite of flatten.
func nest(flat map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range flat {
		at, parts := out, strings.Split(name, ".")
		for _, part := range parts[:len(parts)-1] {
			inner, ok := at[part].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[part] = inner
			}

			at = inner
		}

		at[parts[len(parts)-1]] = value
	}

	return out
}

// decode makes an object of its fields.
func decode[T any](fields map[string]any) (out T, err error) {
	text, err := json.Marshal(nest(fields))
	if err == nil {
		err = json.Unmarshal(text, &out)
	}

	return out, err
}

// differences returns the fields of want that have differs in, by name.
func differences(have, want any) (out []Change, err error) {
	before, err := values(have)
	if err != nil {
		return nil, err
	}

	after, err := values(want)
	if err != nil {
		return nil, err
	}

	for _, name := range slices.Sorted(maps.Keys(after)) {
		if after[name] == nil && slices.Contains(kept(), name) {
			continue
		}

		if !same(name, before[name], after[name]) {
			out = append(out, Change{Field: name, Before: before[name], After: after[name]})
		}
	}

	return out, nil
}

// kept are the fields that null does not empty: there it is the same as nothing.
func kept() []string {
	return []string{
		"name", "title", "role", "enabled", "settings.organizationKeysBy", "settings.personalKeysBy",
		"settings.legacyKeysAccepted", "settings.sampleRequests",
	}
}

// body returns the body of a change to what the fields shall be.
func body[T any](changes []Change) (T, error) {
	fields := map[string]any{}
	for _, c := range changes {
		fields[c.Field] = c.After
	}

	return decode[T](fields)
}

// changed returns an object with changes.
func changed[T any](object T, changes []Change) (out T, err error) {
	fields, err := values(object)
	if err != nil {
		return out, err
	}

	for _, c := range changes {
		fields[c.Field] = normal(c.Field, c.After)
	}

	return decode[T](fields)
}

// same reports whether two values of a field mean the same to the API.
func same(field string, a, b any) bool {
	return reflect.DeepEqual(normal(field, a), normal(field, b))
}

// normal returns a value of a field as the API would show it, with lists whose order means nothing
// in order.
func normal(field string, value any) any {
	name := field[strings.LastIndex(field, ".")+1:]
	if strings.HasPrefix(field, "settings.longestLife.") {
		name = "window"
	}

	switch name {
	case "memberPermissions", "defaultPermissions": // null is another thing than none
		if value == nil {
			return nil
		}

		return set(value, strings.Clone)
	case "permissions", "customers", "grants", "tags":
		return set(value, strings.Clone)
	case "allowedAddresses":
		return set(value, network)
	case "rateLimits", "routes":
		return objects(value)
	case "metadata":
		if value == nil {
			return map[string]any{}
		}
	case "description":
		if value == nil {
			return ""
		}
	case "grantable":
		if value == nil || value == "" {
			return "own"
		}
	case "allPermissions", "default", "publishable":
		if value == nil {
			return false
		}
	case "notBefore", "expiresAt":
		return moment(value)
	case "window":
		if text, ok := value.(string); ok {
			return duration(text).String()
		}
	}

	return value
}

// set returns a list of texts, each once, in order.
func set(value any, normal func(string) string) any {
	out := []any{}
	list, _ := value.([]any)

	for _, item := range list {
		if text, ok := item.(string); ok {
			out = append(out, normal(text))
		}
	}

	slices.SortFunc(out, func(a, b any) int { return cmp.Compare(a.(string), b.(string)) })
	return slices.Compact(out)
}

// network returns a network, or an address as the network of it alone.
func network(text string) string {
	if p, ok := prefix(text); ok {
		return p.String()
	}

	return text
}

func prefix(text string) (netip.Prefix, bool) {
	if address, err := netip.ParseAddr(text); err == nil {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), true
	}

	p, err := netip.ParsePrefix(text)
	return p, err == nil
}

// objects returns limits or routes, in order.
func objects(value any) any {
	out := []any{}
	list, _ := value.([]any)

	for _, item := range list {
		fields, ok := item.(map[string]any)
		if !ok {
			continue
		}

		fields = maps.Clone(fields)
		if window, limits := fields["window"]; limits {
			fields["window"] = normal("window", window)
			if burst, given := fields["burst"]; !given || burst == 0.0 {
				fields["burst"] = fields["limit"]
			}
		}

		out = append(out, fields)
	}

	slices.SortFunc(out, func(a, b any) int { return cmp.Compare(compact(a), compact(b)) })
	return out
}

// compact returns a value as JSON. Its fields are in order.
func compact(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}

	return string(text)
}

func moment(value any) any {
	text, ok := value.(string)
	if !ok {
		return value
	}

	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return value
	}

	return at.UTC().Truncate(time.Millisecond).Format(api.TimeLayout)
}

// seconds are the units of the API's durations.
func seconds() map[byte]int64 {
	return map[byte]int64{'s': 1, 'm': 60, 'h': 3600, 'd': 86_400, 'w': 7 * 86_400, 'y': 365 * 86_400}
}

// length is a duration of the API: a whole number of seconds.
type length int64

// duration reads a duration such as 90d; -1 where it is none.
func duration(text string) length {
	if text == "" {
		return -1
	}

	unit, ok := seconds()[text[len(text)-1]]
	number, err := strconv.ParseInt(text[:len(text)-1], 10, 64)

	const most = 1 << 40
	if !ok || err != nil || number < 0 || number > most/unit {
		return -1
	}

	return length(number * unit)
}

// String returns a duration as the API takes it.
func (l length) String() string { return strconv.FormatInt(int64(l), 10) + "s" }
