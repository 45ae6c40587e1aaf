package admin

import (
	"context"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
)

// KeyFields is the input for a key: a new one, an imported one, or a change. In a new key, null is
// the same as absent; in a change it empties the field, except enabled, which cannot be empty.
type KeyFields struct {
	api.UpdateKey

	Environment, Ownership api.Patch[string] // cannot be changed
}

// NewKey is the input for a new key.
type NewKey struct {
	KeyFields

	key     *apikey.Key // made by CheckNewKey
	checked *Request    // the request whose rules were applied
}

// CheckNewKey makes the key that the input describes, by the rules of a request. Error:
// *InvalidError.
func (s *KeyService) CheckNewKey(ctx context.Context, r *Request, in *NewKey) error {
	// the caller may have checked it with this request; a later attempt has another one
	if in.checked == r {
		return nil
	}

	f := &validator{}
	k := &apikey.Key{
		OrganizationID: r.organization.ID,
		Environment:    apikey.Environment(in.Environment.Value),
		Ownership:      ownership(r, in.Ownership.Value),
		Enabled:        true,
		CreatedAt:      r.now,
		UpdatedAt:      r.now,
		Version:        1,
	}

	in.name(f, k)

	if r.caller.Key != nil && k.Ownership == apikey.Personal {
		f.add("body.ownership", "a key cannot create a personal key: a signed-in member can",
			in.Ownership.Value)
	}

	in.apply(f, r, k)

	if !given(in.Permissions) {
		k.Permissions = defaults(r)
	}

	if k.ExpiresAt.IsZero() {
		k.ExpiresAt = defaultEnd(r, k)
	}

	f.rules(r, nil, k)
	f.knownCustomers(ctx, s.core, r, nil, k)

	if err := f.err(); err != nil {
		return err
	}

	in.key = k
	in.checked = r
	return nil
}

// given reports whether a field has a value.
func given[T any](p api.Patch[T]) bool { return p.Sent && !p.Null }

// setGiven sets a field that cannot be empty, and leaves it if p is absent or null.
func setGiven[T any](field *T, p api.Patch[T]) {
	if given(p) {
		*field = p.Value
	}
}

// CheckKey checks a change of the key of the request. Errors: *InvalidError; *Error for a field
// that cannot be changed.
func (s *KeyService) CheckKey(ctx context.Context, r *Request, in *KeyFields) error {
	for _, fixed := range []struct {
		name  string
		asked api.Patch[string]
		is    string
	}{
		{"environment", in.Environment, string(r.key.Environment)},
		{"ownership", in.Ownership, string(r.key.Ownership)},
	} {
		if fixed.asked.Sent && (fixed.asked.Null || fixed.asked.Value != fixed.is) {
			return Refuse(api.CodeImmutable,
				"A key keeps its "+fixed.name+" for life: create a new key.", api.FieldError{
					Location: "body." + fixed.name,
					Message:  "cannot be changed",
				})
		}
	}

	f, changed := &validator{}, r.key.Clone()
	in.change(f, r, r.key, changed)
	f.knownCustomers(ctx, s.core, r, r.key, changed)
	return f.err()
}

// change changes a key as requested.
func (in *KeyFields) change(f *validator, r *Request, before, k *apikey.Key) {
	in.name(f, k)

	if in.Enabled.Null {
		f.add("body.enabled", "expected true or false", nil)
	}

	in.apply(f, r, k)
	k.Legacy = k.Legacy && k.AllPermissions // a legacy key that is narrowed is an ordinary one
	f.rules(r, before, k)
}

func (in *KeyFields) name(f *validator, k *apikey.Key) {
	if in.Name.Sent { // null, which no schema refuses, is invalid, too
		k.Name = f.name("body.name", in.Name.Value)
	}
}

// apply sets the fields of a key, except its name.
func (in *KeyFields) apply(f *validator, r *Request, k *apikey.Key) {
	if in.Description.Sent {
		k.Description = in.Description.Value
	}

	setGiven(&k.Enabled, in.Enabled)

	if in.Permissions.Sent {
		k.Permissions = f.permissions(r.catalogue, in.Permissions.Value)
	}

	if in.AllPermissions.Sent {
		k.AllPermissions = in.AllPermissions.Value
	}

	if in.Grantable.Sent {
		k.Grantable = apikey.Grantable(in.Grantable.Value)
	}

	if in.Customers.Sent {
		k.Customers = f.customers(in.Customers.Value)
	}

	if in.RateLimits.Sent {
		k.RateLimits = f.rateLimits(in.RateLimits.Value)
	}

	if in.Quota.Sent {
		k.Quota = f.quota(in.Quota)
	}

	if in.AllowedAddresses.Sent {
		k.AllowedAddresses = f.networks("body.allowedAddresses", in.AllowedAddresses.Value)
	}

	if in.NotBefore.Sent {
		k.NotBefore = moment(in.NotBefore)
	}

	if in.ExpiresAt.Sent || in.ExpiresIn.Sent {
		f.end = in.endField()
		k.EndAt(f.expiry(r.now, in.ExpiresAt, in.ExpiresIn))
	}

	if in.Metadata.Sent {
		k.Metadata = f.metadata(in.Metadata.Value)
	}

	if in.Tags.Sent {
		k.Tags = f.tags(in.Tags.Value)
	}
}

// endField returns the name of the field that sets the key's end.
func (in *KeyFields) endField() string { return endField(in.ExpiresIn) }

func endField(expiresIn api.Patch[string]) string {
	if given(expiresIn) {
		return "expiresIn"
	}

	return "expiresAt"
}

// defaultEnd returns the end of a key if the input sets none: that of its maker, which it must not
// outlive, or after the organization's longest life, whichever comes first; the zero time if there
// is neither.
func defaultEnd(r *Request, k *apikey.Key) time.Time {
	var end time.Time
	if r.caller.Key != nil {
		end = r.caller.Key.ExpiresAt
	}

	if longest, limited := r.organization.Settings.LongestLife[k.Environment]; limited {
		if last := k.CreatedAt.Add(longest); end.IsZero() || last.Before(end) {
			end = last
		}
	}

	return end
}

// ownership returns the requested ownership, or the widest that the caller may create.
func ownership(r *Request, asked string) apikey.Ownership {
	switch {
	case asked != "":
		return apikey.Ownership(asked)
	case r.caller.Person != nil && !r.caller.MayCreate(r.organization, apikey.Organization):
		return apikey.Personal
	default:
		return apikey.Organization
	}
}

// defaults returns the permissions of a key if the input names none.
func defaults(r *Request) []string {
	if set := r.organization.Settings.DefaultPermissions; set != nil {
		return set
	}

	return r.catalogue.Defaults()
}

// moment returns a time with the precision that is stored, milliseconds; the zero time for null.
func moment(t api.Patch[time.Time]) time.Time {
	if !given(t) {
		return time.Time{}
	}

	return t.Value.UTC().Truncate(time.Millisecond)
}
