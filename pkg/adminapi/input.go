package adminapi

import (
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
)

// describePatches makes the fields of changes what they are in JSON: a value of a type, or null.
// Those that may not be null have the tag nullable:"false".
func describePatches(r huma.Registry) {
	describePatch[string](r)
	describePatch[bool](r)
	describePatch[float64](r)
	describePatch[time.Time](r)
	describePatch[[]string](r)
	describePatch[map[string]string](r)
	describePatch[[]api.RateLimit](r)
	describePatch[api.Quota](r)
}

func describePatch[T any](r huma.Registry) {
	r.RegisterTypeAlias(reflect.TypeFor[api.Patch[T]](), reflect.TypeFor[nullable[T]]())
}

// nullable stands for an api.Patch in the registry.
type nullable[T any] struct{}

// Schema implements huma.SchemaProvider. An object is described in place: huma reports errors
// inside of it only where it is no alternative of others.
func (nullable[T]) Schema(r huma.Registry) *huma.Schema {
	s := huma.SchemaFromType(r, reflect.TypeFor[T]())
	s.Nullable = true
	return s
}

type createKeyBody struct {
	api.UpdateKey

	Environment api.Patch[string] `json:"environment" nullable:"false" enum:"production,staging,development"`
	Ownership   api.Patch[string] `json:"ownership,omitzero" enum:"personal,organization" doc:"Absent or null: organization where the caller may create such keys, personal otherwise"`
}

// TransformSchema implements huma.SchemaTransformer.
func (createKeyBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return describeNewKey(s, "the default permissions")
}

// describeNewKey says what is different from a change where a key is made: it needs a name, and
// null is the same as absent.
func describeNewKey(s *huma.Schema, permissions string) *huma.Schema {
	const end = "Absent or null: expires with the key that creates it or after the " +
		"organization's longest lifetime, whichever is earlier, otherwise never"
	s.Required = append(s.Required, "name")
	s.Properties["enabled"].Nullable = true
	s.Properties["enabled"].Description = "Absent or null: true"
	s.Properties["permissions"].Description = "Names from the catalogue; empty: none. Absent or " +
		"null: " + permissions
	s.Properties["expiresAt"].Description = end
	s.Properties["expiresIn"].Description = "Instead of expiresAt: a duration from now, such as 90d"
	return s
}

type createKeyInput struct {
	OrganizationPath
	IdempotencyHeader
	Body createKeyBody

	key admin.NewKey // made by Resolve
}

// Resolve implements huma.Resolver: the rules that a schema cannot say, so that all faults are told
// at once.
func (in *createKeyInput) Resolve(ctx huma.Context) []error {
	in.key.KeyFields = admin.KeyFields(in.Body)
	return resolved(ctx, apiOf(ctx.Context()).admin.CheckNewKey(ctx.Context(),
		requestOf(ctx.Context()), &in.key))
}

type updateKeyBody struct {
	api.UpdateKey

	Environment api.Patch[string] `json:"environment,omitzero" nullable:"false" doc:"Immutable: any other value is an error"`
	Ownership   api.Patch[string] `json:"ownership,omitzero" nullable:"false" doc:"Immutable: any other value is an error"`
}

type updateKeyInput struct {
	KeyPath
	MatchHeader
	Body updateKeyBody

	key admin.KeyFields // made by Resolve
}

// Resolve implements huma.Resolver.
func (in *updateKeyInput) Resolve(ctx huma.Context) []error {
	in.key = admin.KeyFields(in.Body)
	return resolved(ctx, apiOf(ctx.Context()).admin.CheckKey(ctx.Context(),
		requestOf(ctx.Context()), &in.key))
}
