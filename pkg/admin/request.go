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

// Origin identifies the caller and their address, as reported by the authorizer.
type Origin struct {
	RequestID string
	SourceIP  string
	UserAgent string
	// the key that was accepted; "" for a person, and on routes without an authorizer
	KeyID       string
	Environment apikey.Environment // the key's
	Person      organization.Person
}

// Call is an operation that a caller requests.
type Call struct {
	Origin

	Operation    organization.Operation
	Organization string // the organization it is about; "" for none
	KeyID        string // the key it is about; "" for none
}

// Request is a call that passed the gate, with what the gate read about it.
type Request struct {
	call         Call
	caller       *organization.Caller
	catalogue    *permission.Catalogue
	version      int64                      // of the catalogue
	organization *organization.Organization // of the call; nil if there is none
	key          *apikey.Key                // of the call; nil if there is none
	now          time.Time
	limitsOff    bool // the deployment does not enforce limits of keys
	busy         bool // others are changing the same objects at this moment

	receipt  *store.Receipt // of a call with an Idempotency-Key
	describe func(answer any, to *store.Receipt)
}

// Open is the gate that every call passes, except those that are open to anybody: who calls, what
// they may see, what they may do. What they may not see is reported as not found before any other
// error.
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
		// it may be deleted: some operations still work there
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

// readAhead reads in one batch what Open needs: the catalogue, the caller, the organization, the
// person's membership, and the key.
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

// catalogue reads the catalogue and its version: not a cached one, since a permission that was just
// added must be known.
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

// needsRow reports whether an operation changes what belongs to an organization's row. The
// operators' organization has none, so the operation would write rows that nothing reads.
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

// enter reads the organization of the path, and the person's membership in it, at each call: so a
// demotion or removal takes effect at the next one.
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

// enterDeleted admits callers to a deleted organization who may still do the operation there. For
// others it does not exist.
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

// caller returns who the authorizer admitted. A key is read again: it may have been revoked since
// the authorizer's check, and what it holds comes from the table and not from the event.
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

// keyCaller returns a key that calls, as it is now. Errors: *Error if it may not call; those of the
// store.
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

// owner returns the person whose personal key calls, as they are now: a demotion restricts the key,
// a removal ends it.
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

// visibleKey reads the key of the path, which must belong to the organization.
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

// observe sets when the new secrets of keys in rotation were first used. Authorizers see that use
// and must not write a key's row, so it is recorded separately.
func (s *core) observe(ctx context.Context, now time.Time, keys ...*apikey.Key) error {
	var awaiting []*apikey.Key
	for _, k := range keys {
		if k.AwaitsFirstUse(now) {
			awaiting = append(awaiting, k)
		}
	}

	return s.hot.ObserveFirstUses(ctx, awaiting)
}
