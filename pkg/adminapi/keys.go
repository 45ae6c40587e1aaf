package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// keysPath and keyPath are where keys are.
const (
	keysPath = "/v1/organizations/{org}/keys"
	keyPath  = keysPath + "/{keyId}"
)

// shown is the output of an operation that shows one key.
type shown struct {
	ETag string `header:"ETag"`
	Body api.Key
}

func (a *API) registerKeys() {
	register(a, operation{
		id:      organization.CreateKey,
		group:   GroupKeys,
		method:  http.MethodPost,
		path:    keysPath,
		status:  http.StatusCreated,
		summary: "Create a key",
		about:   "The secret is in the answer, this once.",
	}, a.createKey)
	register(a, operation{
		id:      organization.ListKeys,
		group:   GroupKeys,
		method:  http.MethodGet,
		path:    keysPath,
		summary: "List keys",
		about: "Newest first; active keys unless status says otherwise. A page may be short, " +
			"with a cursor to go on, when few keys match.",
	}, a.listKeys)
	register(a, operation{
		id:      organization.GetKey,
		group:   GroupKeys,
		method:  http.MethodGet,
		path:    keyPath,
		summary: "Show a key",
	}, a.getKey)
	register(a, operation{
		id:      organization.UpdateKey,
		group:   GroupKeys,
		method:  http.MethodPatch,
		path:    keyPath,
		summary: "Change a key",
		about: "Fields that are absent stay; null empties a field. A change acts from the next " +
			"check on.",
	}, a.updateKey)
	register(a, operation{
		id:      organization.DeleteKey,
		group:   GroupKeys,
		method:  http.MethodDelete,
		path:    keyPath,
		status:  http.StatusNoContent,
		summary: "Delete a key",
		about: "The key stops at once. Its record stays readable, with its history and usage; " +
			"nothing brings it back.",
	}, a.deleteKey)
}

func (a *API) createKey(
	ctx context.Context, s *request, in *createKeyInput,
) (*posted[api.KeySecret], error) {
	first := s
	return idempotent(ctx, a, s, func(s *request) (attempt[posted[api.KeySecret]], error) {
		if s != first {
			if errs := in.make(ctx, a, s); len(errs) > 0 {
				return attempt[posted[api.KeySecret]]{}, problemOfInput(a.brand,
					http.StatusUnprocessableEntity, "validation failed", errs)
			}
		}

		k := in.key
		k.Owner = s.caller.Actor()

		k.CreatedBy = s.caller.Actor()
		if !s.caller.MayCreate(s.organization, k.Ownership) {
			return attempt[posted[api.KeySecret]]{}, &organization.ForbiddenError{
				Reason: "your role and the organization's settings do not let you create " +
					string(k.Ownership) + " keys",
			}
		}

		if err := a.within(s, nil, k, endField(in.Body.ExpiresIn)); err != nil {
			return attempt[posted[api.KeySecret]]{}, err
		}

		secret, writes, err := a.newKey(ctx, s, k)
		if err != nil {
			return attempt[posted[api.KeySecret]]{}, err
		}

		text := secret.Reveal()
		return attempt[posted[api.KeySecret]]{
			writes: writes,
			answer: posted[api.KeySecret]{
				Status:   http.StatusCreated,
				ETag:     etag(k.Version),
				Location: "/v1/organizations/" + k.OrganizationID + "/keys/" + k.ID,
				Body:     api.KeySecret{Key: viewKey(k, s.now), Secret: &text},
			},
		}, nil
	})
}

// newKey gives a key its id and its secret, and makes the writes of both it and its history.
func (a *API) newKey(
	ctx context.Context, s *request, k *apikey.Key,
) (apikey.Secret, []store.Write, error) {
	id, err := apikey.NewID(a.random)
	if err != nil {
		return apikey.Secret{}, nil, err
	}

	secret, fresh, err := a.mint(ctx, k.Environment, id)
	if err != nil {
		return apikey.Secret{}, nil, err
	}

	k.ID = id
	k.Secret = fresh.Verifier
	k.Hint = fresh.Hint

	entry, err := a.entry(s, "key.created", "", nil, k)
	if err != nil {
		return apikey.Secret{}, nil, err
	}

	return secret, a.keyWrites(ctx, nil, k, apikey.Ordinary, entry), nil
}

// within is the rule that nobody hands out more than they hold. The end is the field that says when
// the key ends.
func (a *API) within(s *request, before, after *apikey.Key, end string) error {
	excess := s.caller.Escalations(s.catalogue, s.organization, before, after)
	if len(excess) == 0 {
		return nil
	}

	for i := range excess {
		if excess[i].Field == "expiresAt" {
			excess[i].Field = end
		}
	}

	return beyond(excess)
}

// beyond makes the problem of asking for more than one holds.
func beyond(excess []organization.Escalation) error {
	p := escalation.with("This is more than you may hand out.")
	for _, e := range excess {
		p.Errors = append(p.Errors, api.FieldError{Location: "body." + e.Field, Message: e.Message})
	}

	return p
}

// KeyPath is the path of an operation on a key.
type KeyPath struct {
	Org   string `path:"org"`
	KeyID string `path:"keyId"`
}

func (a *API) getKey(ctx context.Context, s *request, _ *KeyPath) (*shown, error) {
	keys := []api.Key{viewKey(s.key, s.now)}
	if err := a.used(ctx, []*apikey.Key{s.key}, keys); err != nil {
		return nil, err
	}

	return &shown{ETag: etag(s.key.Version), Body: keys[0]}, nil
}

func (a *API) updateKey(ctx context.Context, s *request, in *updateKeyInput) (*shown, error) {
	k, err := change(ctx, a, s, func(s *request) (attempt[*apikey.Key], error) {
		return a.edit(ctx, s, in.MatchHeader, "key.updated", "", func(k *apikey.Key) error {
			if !k.DeletedAt.IsZero() {
				return apikey.ErrDeleted
			}

			before, f := k.Clone(), &validator{}
			in.apply(f, s, k)
			f.rules(s, before, k)

			if len(f.errors) > 0 { // Resolve told them, unless the key was changed since
				return problemOfInput(a.brand,
					http.StatusUnprocessableEntity, "validation failed", f.errors)
			}

			if err := exposed(s.catalogue, before, k); err != nil {
				return err
			}

			return a.within(s, before, k, endField(in.Body.ExpiresIn))
		})
	})
	if err != nil {
		return nil, err
	}

	return &shown{ETag: etag(k.Version), Body: viewKey(k, a.now())}, nil
}

type deleteKeyInput struct {
	KeyPath
	MatchHeader
}

func (a *API) deleteKey(ctx context.Context, s *request, in *deleteKeyInput) (*struct{}, error) {
	_, err := change(ctx, a, s, func(s *request) (attempt[*apikey.Key], error) {
		return a.edit(ctx, s, in.MatchHeader, "key.deleted", "", func(k *apikey.Key) error {
			k.Delete(s.now)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}

	return &struct{}{}, nil
}

type listKeysInput struct {
	Org         string `path:"org"`
	Status      string `query:"status" enum:"active,inactive,expired,all" doc:"active where it is absent"`
	Environment string `query:"environment" enum:"production,staging,development"`
	Ownership   string `query:"ownership" enum:"personal,organization"`
	Owner       string `query:"owner" maxLength:"200" doc:"The owner's id"`
	Customer    string `query:"customer" maxLength:"64"`
	Permission  string `query:"permission" maxLength:"65"`
	Tag         string `query:"tag" maxLength:"50"`
	Text        string `query:"q" maxLength:"100" doc:"Part of the name, the id, or the hint as it is shown, or its last four characters"`
	Sort        string `query:"sort" enum:"-createdAt,createdAt" doc:"Newest first (-createdAt), where it is absent, or oldest first (createdAt)"`
	UnusedSince string `query:"unusedSince" maxLength:"40" doc:"A time or a duration such as 90d: keys that were not used since, and those that never were"`
	Include     string `query:"include" enum:"usage" doc:"usage adds to each key its calls of the last 14 days, one number a day, today last"`
	Limit       int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor      string `query:"cursor" maxLength:"500" doc:"nextCursor of the page before"`

	unusedSince time.Time
}

// Resolve implements huma.Resolver.
func (in *listKeysInput) Resolve(ctx huma.Context) []error {
	f := &validator{}
	if in.UnusedSince != "" {
		in.unusedSince = f.since("query.unusedSince", in.UnusedSince, requestOf(ctx.Context()).now)
	}

	return append(f.errors, emptyCursor(ctx)...)
}

// emptyCursor is the fault of an empty cursor, which is a mistake of the caller's, not the first
// page.
func emptyCursor(ctx huma.Context) []error {
	u := ctx.URL()
	if query := u.Query(); query.Has("cursor") && query.Get("cursor") == "" {
		return []error{&huma.ErrorDetail{
			Location: "query.cursor",
			Message:  "expected the nextCursor of a page, or no cursor",
		}}
	}

	return nil
}

type keyPage api.Page[api.Key]

type listKeysOutput struct{ Body keyPage }

func (a *API) listKeys(
	ctx context.Context, s *request, in *listKeysInput,
) (*listKeysOutput, error) {
	f := store.Filter{
		Status:      listedStatus(in.Status),
		Environment: apikey.Environment(in.Environment),
		Ownership:   apikey.Ownership(in.Ownership),
		Owner:       in.Owner,
		Customer:    in.Customer,
		Permission:  in.Permission,
		Tag:         in.Tag,
		Text:        in.Text,
		OldestFirst: in.Sort == "createdAt",
	}

	f.Viewer = viewer(s)
	if in.UnusedSince != "" {
		f.PostFilter = a.usedBefore(in.unusedSince)
	}

	query := scope{
		List:         "keys",
		Organization: in.Org,
		Filter:       f,
		UnusedSince:  in.UnusedSince,
	}

	after, err := a.readCursor(ctx, query, in.Cursor)
	if err != nil {
		return nil, err
	}

	keys, next, err := a.store.Keys(ctx, in.Org, f, after, in.Limit, s.now)
	if err != nil {
		return nil, err
	}

	if err := a.observe(ctx, s.now, keys...); err != nil {
		return nil, err
	}

	page := keyPage{Items: make([]api.Key, 0, len(keys))}
	for _, k := range keys {
		page.Items = append(page.Items, viewKey(k, s.now))
	}

	if err := a.used(ctx, keys, page.Items); err != nil {
		return nil, err
	}

	if in.Include == "usage" {
		if err := a.withUsage(ctx, s, keys, page.Items); err != nil {
			return nil, err
		}
	}

	page.NextCursor, err = a.nextCursor(ctx, query, next)
	return &listKeysOutput{Body: page}, err
}

// listedStatus is the status that a filter asks for: active where it says nothing, any for all.
func listedStatus(asked string) apikey.Status {
	switch asked {
	case "":
		return apikey.Active
	case "all":
		return ""
	default:
		return apikey.Status(asked)
	}
}

// viewer is the person who sees no personal keys but their own in a list; "" for a caller who sees
// all.
func viewer(s *request) string {
	person := s.caller.Behind()
	if person == nil || person.Member.Has(organization.ManageOthersKeys) {
		return ""
	}

	return person.Person.ID
}

// effectiveBy is when a change that ends a key or a secret has reached every call, by the
// deployment's revocation profile.
func (a *API) effectiveBy(now time.Time) time.Time {
	if a.profile == "fast" {
		return now.Add(5 * time.Second)
	}

	return now.Add(a.cacheTime)
}
