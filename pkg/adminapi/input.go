package adminapi

import (
	"context"
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
)

// KeyFields are the fields that creating and changing a key have in common. Null is the same as
// absent when a key is created; in a change it empties the field, but for enabled, which has no
// empty value.
type KeyFields struct {
	Description      *string           `json:"description" required:"false" maxLength:"1000"`
	Enabled          *bool             `json:"enabled" required:"false"`
	Permissions      []string          `json:"permissions" required:"false" maxItems:"200" doc:"Names of the catalogue; empty: none. Absent: a new key gets the default permissions, an imported one all, and a changed one keeps its own"`
	AllPermissions   *bool             `json:"allPermissions" required:"false" doc:"Every data-plane permission, also those added later"`
	Grantable        *string           `json:"grantable" required:"false" enum:"own,catalogue" doc:"What an admin key may hand out"`
	Customers        []string          `json:"customers" required:"false" maxItems:"30" doc:"Empty: every customer"`
	RateLimits       []api.RateLimit   `json:"rateLimits" required:"false" maxItems:"5"`
	Quota            *quotaInput       `json:"quota" required:"false"`
	AllowedAddresses []string          `json:"allowedAddresses" required:"false" maxItems:"50" doc:"Networks such as 192.0.2.0/24 or 2001:db8::/32, or single addresses"`
	NotBefore        *time.Time        `json:"notBefore" required:"false"`
	ExpiresAt        *time.Time        `json:"expiresAt" required:"false"`
	ExpiresIn        *string           `json:"expiresIn" required:"false" doc:"Instead of expiresAt: a duration from now, such as 90d"`
	Metadata         map[string]string `json:"metadata" required:"false"`
	Tags             []string          `json:"tags" required:"false" maxItems:"20"`
}

// quotaInput is a quota that may be null, which takes it away.
type quotaInput apikey.Quota

// Schema implements huma.SchemaProvider: an object that may be null, which huma does not say of a
// named struct.
func (quotaInput) Schema(huma.Registry) *huma.Schema {
	least, most := 1.0, 1e12
	s := &huma.Schema{
		Type:                 huma.TypeObject,
		Nullable:             true,
		AdditionalProperties: false,
		Required:             []string{"limit", "period"},
		Properties: map[string]*huma.Schema{
			"limit":  {Type: huma.TypeInteger, Minimum: &least, Maximum: &most},
			"period": {Type: huma.TypeString, Enum: []any{"day", "month"}},
		},
	}
	s.PrecomputeMessages()
	return s
}

type createKeyBody struct {
	Name        string `json:"name" maxLength:"100"`
	Environment string `json:"environment" enum:"production,staging,development"`
	Ownership   string `json:"ownership,omitempty" enum:"personal,organization"`
	KeyFields
}

type createKeyInput struct {
	Org string `path:"org"`
	IdempotencyHeader
	Body    createKeyBody
	RawBody []byte

	key *apikey.Key // what the body asks for, made by Resolve
}

// Resolve implements huma.Resolver: the rules that a schema cannot say, so that all faults are told
// at once.
func (in *createKeyInput) Resolve(ctx huma.Context) []error {
	return in.make(ctx.Context(), apiOf(ctx.Context()), requestOf(ctx.Context()))
}

// make makes the key that the body asks for, by the rules of a request, and returns what is wrong
// with it.
func (in *createKeyInput) make(ctx context.Context, a *API, s *request) []error {
	f := &validator{}
	in.key = &apikey.Key{
		OrganizationID: s.organization.ID,
		Environment:    apikey.Environment(in.Body.Environment),
		Ownership:      ownership(s, in.Body.Ownership),
		Enabled:        true,
		CreatedAt:      s.now,
		UpdatedAt:      s.now,
		Version:        1,
	}

	present := fieldsOf(in.RawBody)
	if present["name"] {
		in.key.Name = f.name("body.name", in.Body.Name)
	}

	if s.caller.Key != nil && in.key.Ownership == apikey.Personal {
		f.add("body.ownership", "a key cannot make a personal key: a signed-in member can",
			in.Body.Ownership)
	}

	in.Body.apply(f, s, in.key, present)

	if !present["permissions"] || in.Body.Permissions == nil {
		in.key.Permissions = defaults(s)
	}

	if in.key.ExpiresAt.IsZero() {
		in.key.ExpiresAt = defaultEnd(s, in.key)
	}

	f.rules(s, nil, in.key)
	f.knownCustomers(ctx, a, s, nil, in.key)
	return f.errors
}

// defaultEnd is when a key ends whose maker does not say: with its maker's own, which it never
// outlives, or after the organization's longest life, whichever comes first; never where there is
// neither.
func defaultEnd(s *request, k *apikey.Key) time.Time {
	var end time.Time
	if s.caller.Key != nil {
		end = s.caller.Key.ExpiresAt
	}

	if longest, limited := s.organization.Settings.LongestLife[k.Environment]; limited {
		if last := k.CreatedAt.Add(longest); end.IsZero() || last.Before(end) {
			end = last
		}
	}

	return end
}

// ownership is what is asked for, or the widest that the caller may create.
func ownership(s *request, asked string) apikey.Ownership {
	switch {
	case asked != "":
		return apikey.Ownership(asked)
	case s.caller.Person != nil && !s.caller.MayCreate(s.organization, apikey.Organization):
		return apikey.Personal
	default:
		return apikey.Organization
	}
}

// defaults are the permissions of a key whose maker names none.
func defaults(s *request) []string {
	if set := s.organization.Settings.DefaultPermissions; set != nil {
		return set
	}

	return s.catalogue.Defaults()
}

type updateKeyBody struct {
	Name        *string `json:"name" required:"false" nullable:"false" maxLength:"100"`
	Environment *string `json:"environment" required:"false" doc:"Immutable: only here to say so"`
	Ownership   *string `json:"ownership" required:"false" doc:"Immutable: only here to say so"`
	KeyFields
}

type updateKeyInput struct {
	Org   string `path:"org"`
	KeyID string `path:"keyId"`
	MatchHeader
	Body    updateKeyBody
	RawBody []byte
}

// Resolve implements huma.Resolver.
func (in *updateKeyInput) Resolve(ctx huma.Context) []error {
	s := requestOf(ctx.Context())

	f, present := &validator{}, fieldsOf(in.RawBody)
	for name, value := range map[string]*string{
		"environment": in.Body.Environment,
		"ownership":   in.Body.Ownership,
	} {
		was := map[string]string{
			"environment": string(s.key.Environment),
			"ownership":   string(s.key.Ownership),
		}[name]
		if present[name] && (value == nil || *value != was) {
			return []error{immutable.with("A key keeps its "+name+" for life: make a new key.",
				api.FieldError{
					Location: "body." + name,
					Message:  "cannot be changed",
				})}
		}
	}

	changed := s.key.Clone()
	in.apply(f, s, changed)
	f.rules(s, s.key, changed)
	f.knownCustomers(ctx.Context(), apiOf(ctx.Context()), s, s.key, changed)
	return f.errors
}

// apply changes k as the body says.
func (in *updateKeyInput) apply(f *validator, s *request, k *apikey.Key) {
	present := fieldsOf(in.RawBody)
	if present["name"] { // null, which huma lets pass, is no name either
		k.Name = f.name("body.name", value(in.Body.Name))
	}

	if present["enabled"] && in.Body.Enabled == nil {
		f.add("body.enabled", "expected true or false", nil)
	}

	in.Body.apply(f, s, k, present)
	k.Legacy = k.Legacy && k.AllPermissions // a legacy key that is narrowed is one like the others
}

// apply sets what is present on k.
func (b *KeyFields) apply(f *validator, s *request, k *apikey.Key, present map[string]bool) {
	if present["description"] {
		k.Description = value(b.Description)
	}

	if b.Enabled != nil {
		k.Enabled = *b.Enabled
	}

	if present["permissions"] {
		k.Permissions = f.permissions(s.catalogue, b.Permissions)
	}

	if present["allPermissions"] {
		k.AllPermissions = value(b.AllPermissions)
	}

	if present["grantable"] {
		k.Grantable = apikey.Grantable(value(b.Grantable))
	}

	if present["customers"] {
		k.Customers = f.customers(b.Customers)
	}

	if present["rateLimits"] {
		k.RateLimits = f.rateLimits(b.RateLimits)
	}

	if present["quota"] {
		k.Quota = (*apikey.Quota)(b.Quota)
	}

	if present["allowedAddresses"] {
		k.AllowedAddresses = f.networks("body.allowedAddresses", b.AllowedAddresses)
	}

	if present["notBefore"] {
		k.NotBefore = moment(b.NotBefore)
	}

	if present["expiresAt"] || present["expiresIn"] {
		f.end = endField(b.ExpiresIn)
		k.EndAt(f.expiry(s.now, b.ExpiresAt, b.ExpiresIn))
	}

	if present["metadata"] {
		k.Metadata = f.metadata(b.Metadata)
	}

	if present["tags"] {
		k.Tags = f.tags(b.Tags)
	}
}

// endField names the field of a body that says when a key ends.
func endField(expiresIn *string) string {
	if expiresIn != nil {
		return "expiresIn"
	}

	return "expiresAt"
}

func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}

	return *p
}

// moment is a time in the milliseconds that are kept; the zero time for null.
func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}

	return t.UTC().Truncate(time.Millisecond)
}

// fieldsOf tells which fields a body has, null ones included. A body that is no object has none;
// its schema says so.
func fieldsOf(body []byte) map[string]bool {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(body, &fields)

	present := make(map[string]bool, len(fields))
	for name := range fields {
		present[name] = true
	}

	return present
}

// fieldOf returns one field of a body, as it was sent.
func fieldOf(body []byte, name string) []byte {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(body, &fields)
	return fields[name]
}
