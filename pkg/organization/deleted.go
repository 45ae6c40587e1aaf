package organization

import "github.com/bitting-keys/bitting/pkg/apikey"

// MayAfterDeletion decides an operation in a deleted organization. For its people and its keys it
// no longer exists. Operators can still read what happened, and the caller who deleted it can
// follow the deletion. Errors: ErrHidden, *ForbiddenError.
func (c *Caller) MayAfterDeletion(op Operation, o *Organization) error {
	watches := op == GetJob || op == DeleteOrganization
	switch {
	case watches && c.is(o.DeletedBy):
		return nil
	case c.Operator() && (watches || op == ListJobs || op == ListHistory || op == KeyHistory):
		return c.May(op, o, nil)
	}

	return ErrHidden
}

// is reports whether the caller is an earlier actor.
func (c *Caller) is(a apikey.Actor) bool {
	self := c.Actor()
	return a.ID != "" && self.Type == a.Type && self.ID == a.ID
}
