package adminapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store"
)

// request is what the gate established before an operation runs.
type request struct {
	caller       *organization.Caller
	catalogue    *permission.Catalogue
	version      int64                      // of the catalogue
	organization *organization.Organization // of the path; nil where there is none
	key          *apikey.Key                // of the path; nil where there is none
	now          time.Time
	limitsOff    bool // the deployment enforces no limits of keys

	operation      organization.Operation
	organizationID string         // of the path; "" where there is none
	keyID          string         // of the path; "" where there is none
	receipt        *store.Receipt // of a call with an Idempotency-Key
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	s, _ := ctx.Value(requestKey{}).(*request)
	return s
}

// gate is what every operation but the open ones goes through: who calls, then what they may see,
// then what they may do, and only then what they sent. What may not be seen is 404 before any other
// answer.
func (a *API) gate(op organization.Operation) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		s, err := a.open(ctx.Context(), op, ctx.Param("org"), ctx.Param("keyId"))
		if err == nil {
			err = a.kept(ctx.Context(), s)
		}

		if err == nil && s.receipt != nil && idempotentCallOf(ctx.Context()).kept != nil {
			return // serveIdempotent tells it again
		}

		if err != nil {
			a.refuse(ctx, a.problem(ctx.Context(), err))
			return
		}

		next(huma.WithValue(ctx, requestKey{}, s))
	}
}

// refuse answers a problem before an operation runs.
func (a *API) refuse(ctx huma.Context, p *Problem) {
	p.finish(a.docs, gatewayContextOf(ctx.Context()).requestID)

	for name, values := range p.GetHeaders() {
		ctx.SetHeader(name, values[0])
	}

	ctx.SetHeader("Content-Type", p.ContentType(""))
	ctx.SetStatus(p.Status)
	// the status is written: there is no other answer left
	_ = a.huma.Marshal(ctx.BodyWriter(), "application/json", p)
}

func (a *API) open(
	ctx context.Context, op organization.Operation, org, keyID string,
) (*request, error) {
	if limit := gatewayContextOf(ctx).limit; limit != nil {
		answer := *limit // it is completed for this call
		return nil, &answer
	}

	s := &request{
		now:            a.now(),
		limitsOff:      a.limitsOff,
		operation:      op,
		organizationID: org,
		keyID:          keyID,
	}

	ctx, err := a.readAhead(ctx, org, keyID)
	if err != nil {
		return nil, err
	}

	s.catalogue, s.version, err = a.catalogue(ctx)
	if err != nil {
		return nil, err
	}

	if s.caller, err = a.caller(ctx, s); err != nil {
		return nil, err
	}

	if org != "" {
		err := a.enter(ctx, s, org)
		if errors.Is(err, organization.ErrHidden) {
			return s, a.enterDeleted(ctx, op, s, org, keyID)
		}

		if err != nil {
			return nil, err
		}
	}

	if keyID != "" {
		if s.key, err = a.visibleKey(ctx, org, keyID); err != nil {
			return nil, err
		}

		if err := a.observe(ctx, s.now, s.key); err != nil {
			return nil, err
		}
	}

	if err := s.caller.May(op, s.organization, s.key); err != nil {
		return nil, err
	}

	if org == apikey.OperatorOrganization && needsRow(op) {
		return nil, denied.with("The operators' organization has keys, and no settings, members " +
			"or customers.")
	}

	return s, nil
}

// readAhead reads at once what open needs: the catalogue, the caller, the organization, what a
// person is in it, and the key.
func (a *API) readAhead(ctx context.Context, org, keyID string) (context.Context, error) {
	rows := store.Ahead{Catalogue: true}

	by := gatewayContextOf(ctx)
	if by.keyID != "" && by.environment.Valid() {
		rows.Environment, rows.Key = by.environment, by.keyID
	}

	if organization.ValidID(org) {
		rows.Organization = org
	}

	if by.keyID == "" {
		rows.Member = by.person.Email
	}

	if apikey.ValidID(keyID) {
		rows.FindKey = keyID
	}

	return a.store.ReadAhead(ctx, rows)
}

// catalogue reads the catalogue and its version: not the cached one, since a permission that was
// just added must be known.
func (a *API) catalogue(ctx context.Context) (c *permission.Catalogue, version int64, err error) {
	permissions, version, err := a.store.Catalogue(ctx, apikey.Production)
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
func (a *API) enter(ctx context.Context, s *request, org string) (err error) {
	if s.caller.Person != nil {
		s.caller.Member, err = a.membership(ctx, s, org)
		if err != nil {
			return err
		}
	}

	if !s.caller.Sees(org) {
		return organization.ErrHidden
	}

	s.organization, err = a.organization(ctx, org)
	if err == nil && !s.organization.DeletedAt.IsZero() {
		err = organization.ErrHidden
	}

	return err
}

// enterDeleted lets those into a deleted organization who may still do the operation there. To
// everybody else it is not there.
func (a *API) enterDeleted(
	ctx context.Context, op organization.Operation, s *request, org, keyID string,
) error {
	o, err := a.organization(ctx, org)
	if err != nil || o.DeletedAt.IsZero() {
		// whoever may not know of it is not told that it cannot be read
		return organization.ErrHidden
	}

	if err := s.caller.MayAfterDeletion(op, o); err != nil {
		return err
	}

	if s.organization = o; keyID != "" {
		s.key, err = a.visibleKey(ctx, org, keyID)
	}

	return err
}

// caller is who the authorizer let in. A key is read once more: between the authorizer's check and
// now it may have been revoked, and what it holds is read from the table and not from the event.
func (a *API) caller(ctx context.Context, s *request) (*organization.Caller, error) {
	o := gatewayContextOf(ctx)

	c := &organization.Caller{
		SourceIP:  o.sourceIP,
		UserAgent: a.brand.Redact(o.userAgent),
		RequestID: a.brand.Redact(o.requestID),
	}
	if o.person.ID != "" && o.keyID == "" {
		c.Person = &o.person
		return c, nil
	}

	if o.keyID == "" || !o.environment.Valid() {
		return nil, errNobody()
	}

	of, err := a.keyCaller(ctx, s, o.environment, o.keyID)
	if err != nil {
		return nil, err
	}

	c.Key = of.Key
	c.Owner = of.Owner
	return c, nil
}

func errNobody() *Problem {
	return unauthenticated.with("Sign in, or send an admin key in X-Api-Key or as a bearer token.")
}

// keyCaller is a key that calls, as it is now. Errors: a problem, where it may not call; those of
// the store.
func (a *API) keyCaller(
	ctx context.Context, s *request, env apikey.Environment, id string,
) (*organization.Caller, error) {
	k, err := a.store.Key(ctx, env, id)
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return nil, errNobody()
	case err != nil:
		return nil, err
	case k.Status(s.now) != apikey.Active:
		return nil, errNobody()
	case !slices.ContainsFunc(k.Permissions, s.catalogue.IsAdmin):
		return nil, denied.with("The key holds no permission of the admin API.")
	}

	c := &organization.Caller{Key: k}
	if k.Ownership == apikey.Personal {
		c.Owner, err = a.owner(ctx, k)
	}

	return c, err
}

// owner is the person whose personal key calls, as they are now: a demotion bounds the key, a
// removal ends it.
func (a *API) owner(ctx context.Context, k *apikey.Key) (*organization.Caller, error) {
	m, err := a.store.Member(ctx, k.OrganizationID, k.Owner.Email)

	gone := errors.Is(err, organization.ErrNoMember)
	if err != nil && !gone {
		return nil, err
	}

	if gone || m.ID != k.Owner.ID || !m.LeavingAt.IsZero() {
		return nil, denied.with("The owner of this personal key is no member of its organization.")
	}

	return &organization.Caller{
		Person: &organization.Person{ID: m.ID, Email: m.Email},
		Member: m,
	}, nil
}

// organization reads the organization of the path. The operators' has no row.
func (a *API) organization(ctx context.Context, id string) (*organization.Organization, error) {
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

	return a.store.Organization(ctx, id)
}

// visibleKey reads the key of the path, which must be one of the organization's.
func (a *API) visibleKey(ctx context.Context, org, id string) (*apikey.Key, error) {
	if !apikey.ValidID(id) {
		return nil, apikey.ErrNotFound
	}

	k, err := a.store.FindKey(ctx, id)
	if err != nil {
		return nil, err
	}

	if k.OrganizationID != org {
		return nil, apikey.ErrNotFound
	}

	return k, nil
}

// observe tells keys when the new secrets of their rotations were first used. Authorizers see that
// and may not write a key's row, so they record it apart.
func (a *API) observe(ctx context.Context, now time.Time, keys ...*apikey.Key) error {
	var awaiting []*apikey.Key
	for _, k := range keys {
		if k.AwaitsFirstUse(now) {
			awaiting = append(awaiting, k)
		}
	}

	return a.hot.ObserveFirstUses(ctx, awaiting)
}

// GetHeaders implements huma.HeadersError: what goes with the status.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	p.headers(h.Set)
	return h
}
