package admin

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store"
)

// Origin is who calls, and from where, as reported by the authorizer.
type Origin struct {
	RequestID string
	SourceIP  string
	UserAgent string
	// the key that was let in; "" for a person, and where nobody looked
	KeyID       string
	Environment apikey.Environment // the key's
	Person      organization.Person
}

// Call is what somebody wants to do.
type Call struct {
	Origin

	Operation    organization.Operation
	Organization string // that it is about; "" for none
	KeyID        string // likewise
}

// Request is a call that the gate let through: what it established of who calls and what they want.
type Request struct {
	call         Call
	caller       *organization.Caller
	catalogue    *permission.Catalogue
	version      int64                      // of the catalogue
	organization *organization.Organization // of the call; nil where there is none
	key          *apikey.Key                // of the call; nil where there is none
	now          time.Time
	limitsOff    bool // the deployment enforces no limits of keys
	busy         bool // others are changing what the request changes, at this moment

	receipt  *store.Receipt // of a call with an Idempotency-Key
	describe func(answer any, to *store.Receipt)
}

// Open is the gate that every call goes through but those that anybody may make: who calls, then
// what they may see, then what they may do. What may not be seen is not found before any other
// answer.
func (s *core) Open(ctx context.Context, c Call) (*Request, error) {
	r := &Request{
		call:      c,
		now:       s.now(),
		limitsOff: s.limitsOff,
		describe:  func(any, *store.Receipt) {},
	}

	ctx, err := s.readAhead(ctx, c)
	if err != nil {
		return nil, err
	}

	r.catalogue, r.version, err = s.catalogue(ctx)
	if err != nil {
		return nil, err
	}

	if r.caller, err = s.caller(ctx, r); err != nil {
		return nil, err
	}

	if c.Organization != "" {
		err := s.enter(ctx, r, c.Organization)
		if errors.Is(err, organization.ErrHidden) {
			return r, s.enterDeleted(ctx, r)
		}

		if err != nil {
			return nil, err
		}
	}

	if c.KeyID != "" {
		if r.key, err = s.visibleKey(ctx, c.Organization, c.KeyID); err != nil {
			return nil, err
		}

		if err := s.observe(ctx, r.now, r.key); err != nil {
			return nil, err
		}
	}

	if err := r.caller.May(c.Operation, r.organization, r.key); err != nil {
		return nil, err
	}

	if c.Organization == apikey.OperatorOrganization && needsRow(c.Operation) {
		return nil, Refuse(api.CodePermissionDenied,
			"The operators' organization has only keys: no "+
				"settings, members or customers.")
	}

	return r, nil
}

// readAhead reads at once what open needs: the catalogue, the caller, the organization, what a
// person is in it, and the key.
func (s *core) readAhead(ctx context.Context, c Call) (context.Context, error) {
	rows := store.Ahead{Catalogue: true}

	by := c.Origin
	if by.KeyID != "" && by.Environment.Valid() {
		rows.Environment, rows.Key = by.Environment, by.KeyID
	}

	if organization.ValidID(c.Organization) {
		rows.Organization = c.Organization
	}

	if by.KeyID == "" {
		rows.Member = by.Person.Email
	}

	if apikey.ValidID(c.KeyID) {
		rows.FindKey = c.KeyID
	}

	return s.store.ReadAhead(ctx, rows)
}

// catalogue reads the catalogue and its version: not the cached one, since a permission that was
// just added must be known.
func (s *core) catalogue(
	ctx context.Context) (c *permission.Catalogue, version int64, err error,
) {
	permissions, version, err := s.store.Catalogue(ctx, apikey.Production)
	if err != nil {
		return nil, 0, err
	}

	c, err = permission.NewCatalogue(permissions)
	return c, version, err
}

// needsRow reports whether an operation changes what belongs to an organization's row, which the
// operators' does not have: it would make rows that nothing reads.
func needsRow(op organization.Operation) bool {
	switch op {
	case organization.UpdateOrganization, organization.DeleteOrganization, organization.PutMember,
		organization.DeleteMember, organization.CreateCustomer, organization.UpdateCustomer,
		organization.DeleteCustomer:
		return true
	default:
		return false
	}
}

// enter reads the organization of the path, and what a person is in it, at each call: a demotion or
// a removal works at the next one.
func (s *core) enter(ctx context.Context, r *Request, org string) (err error) {
	if r.caller.Person != nil {
		r.caller.Member, err = s.membership(ctx, r, org)
		if err != nil {
			return err
		}
	}

	if !r.caller.Sees(org) {
		return organization.ErrHidden
	}

	r.organization, err = s.organization(ctx, org)
	if err == nil && !r.organization.DeletedAt.IsZero() {
		err = organization.ErrHidden
	}

	return err
}

// enterDeleted lets those into a deleted organization who may still do the operation there. To
// everybody else it is not there.
func (s *core) enterDeleted(ctx context.Context, r *Request) error {
	o, err := s.organization(ctx, r.call.Organization)
	if err != nil || o.DeletedAt.IsZero() {
		// callers who may not see it must not learn that it cannot be read
		return organization.ErrHidden
	}

	if err := r.caller.MayAfterDeletion(r.call.Operation, o); err != nil {
		return err
	}

	if r.organization = o; r.call.KeyID != "" {
		r.key, err = s.visibleKey(ctx, o.ID, r.call.KeyID)
	}

	return err
}

// caller is who the authorizer let in. A key is read once more: between the authorizer's check and
// now it may have been revoked, and what it holds is read from the table and not from the event.
func (s *core) caller(ctx context.Context, r *Request) (*organization.Caller, error) {
	by := r.call.Origin

	c := &organization.Caller{
		SourceIP:  by.SourceIP,
		UserAgent: s.brand.Redact(by.UserAgent),
		RequestID: s.brand.Redact(by.RequestID),
	}
	if by.Person.ID != "" && by.KeyID == "" {
		c.Person = &by.Person
		return c, nil
	}

	if by.KeyID == "" || !by.Environment.Valid() {
		return nil, errNobody()
	}

	of, err := s.keyCaller(ctx, r, by.Environment, by.KeyID)
	if err != nil {
		return nil, err
	}

	c.Key = of.Key
	c.Owner = of.Owner
	return c, nil
}

func errNobody() *Error {
	return Refuse(api.CodeUnauthenticated,
		"Sign in, or send an admin key in X-Api-Key or as a bearer token.")
}

// keyCaller is a key that calls, as it is now. Errors: *Error, where it may not call; those
// of the store.
func (s *core) keyCaller(
	ctx context.Context, r *Request, env apikey.Environment, id string,
) (*organization.Caller, error) {
	k, err := s.store.Key(ctx, env, id)
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return nil, errNobody()
	case err != nil:
		return nil, err
	case k.Status(r.now) != apikey.Active:
		return nil, errNobody()
	case !slices.ContainsFunc(k.Permissions, r.catalogue.IsAdmin):
		return nil, Refuse(api.CodePermissionDenied,
			"The key has no permission of the admin API.")
	}

	c := &organization.Caller{Key: k}
	if k.Ownership == apikey.Personal {
		c.Owner, err = s.owner(ctx, k)
	}

	return c, err
}

// owner is the person whose personal key calls, as they are now: a demotion bounds the key, a
// removal ends it.
func (s *core) owner(ctx context.Context, k *apikey.Key) (*organization.Caller, error) {
	m, err := s.store.Member(ctx, k.OrganizationID, k.Owner.Email)

	gone := errors.Is(err, organization.ErrNoMember)
	if err != nil && !gone {
		return nil, err
	}

	if gone || m.ID != k.Owner.ID || !m.LeavingAt.IsZero() {
		return nil, Refuse(api.CodePermissionDenied,
			"The owner of this personal key is not a member of its organization.")
	}

	return &organization.Caller{
		Person: &organization.Person{ID: m.ID, Email: m.Email},
		Member: m,
	}, nil
}

// organization reads the organization of the path. The operators' has no row.
func (s *core) organization(ctx context.Context, id string) (*organization.Organization, error) {
	if id == apikey.OperatorOrganization {
		return &organization.Organization{
			ID:       id,
			Name:     "Operators",
			Settings: organization.DefaultSettings(),
		}, nil
	}

	if !organization.ValidID(id) {
		return nil, organization.ErrNotFound
	}

	return s.store.Organization(ctx, id)
}

// visibleKey reads the key of the path, which must be one of the organization's.
func (s *core) visibleKey(ctx context.Context, org, id string) (*apikey.Key, error) {
	if !apikey.ValidID(id) {
		return nil, apikey.ErrNotFound
	}

	k, err := s.store.FindKey(ctx, id)
	if err != nil {
		return nil, err
	}

	if k.OrganizationID != org {
		return nil, apikey.ErrNotFound
	}

	return k, nil
}

// observe sets on keys when the new secrets of their rotations were first used. Authorizers see
// that and may not write a key's row, so they record it apart.
func (s *core) observe(ctx context.Context, now time.Time, keys ...*apikey.Key) error {
	var awaiting []*apikey.Key
	for _, k := range keys {
		if k.AwaitsFirstUse(now) {
			awaiting = append(awaiting, k)
		}
	}

	return s.hot.ObserveFirstUses(ctx, awaiting)
}
