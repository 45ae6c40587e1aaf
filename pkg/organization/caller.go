package organization

import (
	"errors"
	"fmt"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// ErrHidden says that the caller may not know whether the thing exists; it is answered as if it did not.
var ErrHidden = errors.New("organization: not visible to the caller")

// ForbiddenError says that the caller may see the thing but lacks the permission to do this to it.
type ForbiddenError struct{ Required string }

// Error implements error.
func (e *ForbiddenError) Error() string {
	if e.Required == "" {
		return "organization: only an operator may do this"
	}
	return fmt.Sprintf("organization: this needs the permission %s", e.Required)
}

// Caller is who calls the admin API, as its authorizer established.
type Caller struct {
	Key       *apikey.Key // the admin or operator key that was sent
	SourceIP  string
	UserAgent string
	RequestID string
}

// Operator tells whether the caller stands above all organizations.
func (c *Caller) Operator() bool { return c.Key.Operator() }

// Actor is the caller as history and ownership name it.
func (c *Caller) Actor() apikey.Actor {
	kind := apikey.ActorKey
	if c.Operator() {
		kind = apikey.ActorOperator
	}
	return apikey.Actor{Type: kind, ID: c.Key.ID, KeyName: c.Key.Name}
}

// ID names the caller among all callers, for what is remembered per caller.
func (c *Caller) ID() string { return "key:" + c.Key.ID }

// Owns tells whether the key is the caller's own: the very key that was sent, or one that it made and owns.
func (c *Caller) Owns(k *apikey.Key) bool { return k.ID == c.Key.ID || k.Owner.ID == c.Key.ID }

// Sees tells whether the caller may know of the organization.
func (c *Caller) Sees(org string) bool { return c.Operator() || c.Key.OrganizationID == org }

// May decides an operation on an organization; org is "" for what belongs to none. Errors: ErrHidden, *ForbiddenError.
func (c *Caller) May(op Operation, org string) error {
	rule, ok := Rules()[op]
	switch {
	case !ok:
		return fmt.Errorf("organization: operation %q has no rule", op)
	case org != "" && !c.Sees(org):
		return ErrHidden
	case c.Operator():
		return nil
	case rule.OperatorOnly:
		return &ForbiddenError{}
	case rule.Permission != "" && !holds(c.Key, rule.Permission):
		return &ForbiddenError{Required: rule.Permission}
	}
	return nil
}

func holds(k *apikey.Key, permission string) bool {
	for _, p := range k.Permissions {
		if p == permission {
			return true
		}
	}
	return false
}
