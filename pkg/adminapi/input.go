package adminapi

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
)

// KeyFields are the fields that creating and changing a key have in common. Null is the same as
// absent when a key is created; in a change it empties the field, but for enabled, which has no
// empty value.
type KeyFields struct {
	Description      *string           `json:"description" required:"false" maxLength:"1000"`
	Enabled          *bool             `json:"enabled" required:"false"`
	Permissions      []string          `json:"permissions" required:"false" maxItems:"200" doc:"Names from the catalogue; empty: none. Absent: a new key gets the default permissions, an imported one all, and a changed one keeps its own"`
	AllPermissions   *bool             `json:"allPermissions" required:"false" doc:"Every data-plane permission, including those added later"`
	Grantable        *string           `json:"grantable" required:"false" enum:"own,catalogue" doc:"What an admin key may grant"`
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

	key admin.NewKey // made by Resolve
}

// Resolve implements huma.Resolver: the rules that a schema cannot say, so that all faults are told
// at once.
func (in *createKeyInput) Resolve(ctx huma.Context) []error {
	present := fieldsOf(in.RawBody)
	in.key.KeyFields = in.Body.fields(present)
	in.key.Name = patch(present["name"], &in.Body.Name)
	in.key.Environment = api.Set(in.Body.Environment)
	in.key.Ownership = api.Set(in.Body.Ownership)
	return resolved(ctx, apiOf(ctx.Context()).admin.CheckNewKey(ctx.Context(),
		requestOf(ctx.Context()), &in.key))
}

type updateKeyBody struct {
	Name        *string `json:"name" required:"false" nullable:"false" maxLength:"100"`
	Environment *string `json:"environment" required:"false" doc:"Immutable: any other value is an error"`
	Ownership   *string `json:"ownership" required:"false" doc:"Immutable: any other value is an error"`
	KeyFields
}

type updateKeyInput struct {
	Org   string `path:"org"`
	KeyID string `path:"keyId"`
	MatchHeader
	Body    updateKeyBody
	RawBody []byte

	key admin.KeyFields // made by Resolve
}

// Resolve implements huma.Resolver.
func (in *updateKeyInput) Resolve(ctx huma.Context) []error {
	present := fieldsOf(in.RawBody)
	in.key = in.Body.fields(present)
	in.key.Name = patch(present["name"], in.Body.Name)
	in.key.Environment = patch(present["environment"], in.Body.Environment)
	in.key.Ownership = patch(present["ownership"], in.Body.Ownership)
	return resolved(ctx, apiOf(ctx.Context()).admin.CheckKey(ctx.Context(),
		requestOf(ctx.Context()), &in.key))
}

// fields are the fields of a body, as far as they are present.
func (b *KeyFields) fields(present map[string]bool) admin.KeyFields {
	return admin.KeyFields{UpdateKey: api.UpdateKey{
		Description:      patch(present["description"], b.Description),
		Enabled:          patch(present["enabled"], b.Enabled),
		Permissions:      patchList(present["permissions"], b.Permissions),
		AllPermissions:   patch(present["allPermissions"], b.AllPermissions),
		Grantable:        patch(present["grantable"], b.Grantable),
		Customers:        patchList(present["customers"], b.Customers),
		RateLimits:       patchList(present["rateLimits"], b.RateLimits),
		Quota:            patch(present["quota"], (*api.Quota)(b.Quota)),
		AllowedAddresses: patchList(present["allowedAddresses"], b.AllowedAddresses),
		NotBefore:        patch(present["notBefore"], b.NotBefore),
		ExpiresAt:        patch(present["expiresAt"], b.ExpiresAt),
		ExpiresIn:        patch(present["expiresIn"], b.ExpiresIn),
		Metadata:         patchMap(present["metadata"], b.Metadata),
		Tags:             patchList(present["tags"], b.Tags),
	}}
}

// patch makes a field of a change: absent, null, or a value.
func patch[T any](present bool, v *T) api.Patch[T] {
	switch {
	case !present:
		return api.Patch[T]{}
	case v == nil:
		return api.Null[T]()
	default:
		return api.Set(*v)
	}
}

func patchList[T any](present bool, v []T) api.Patch[[]T] {
	return api.Patch[[]T]{Sent: present, Null: present && v == nil, Value: v}
}

func patchMap(present bool, v map[string]string) api.Patch[map[string]string] {
	return api.Patch[map[string]string]{Sent: present, Null: present && v == nil, Value: v}
}

// optional makes a field of which null is the same as absent.
func optional[T any](v *T) api.Patch[T] { return patch(v != nil, v) }

// value returns what a pointer points to; the zero value for nil.
func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}

	return *p
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
