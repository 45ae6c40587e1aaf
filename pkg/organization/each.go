package organization

import "github.com/bitting-keys/bitting/pkg/apikey"

// Reach is the set of keys of an organization on which a caller may perform an operation.
type Reach struct {
	Organization bool // on the organization's keys
	Others       bool // on everybody's personal keys
	// Person is the person on whose own personal keys it may be performed; "" for a caller who is
	// not a person.
	Person string
}

// MayEach decides an operation on a key for all keys of an organization at once: it applies the
// rule for one key to one key of each sort. If there is no key on which the caller may perform it,
// the error is that of May. Errors: ErrHidden, *ForbiddenError.
func (c *Caller) MayEach(op Operation, o *Organization) (Reach, error) {
	person := c.Behind()
	if person == nil {
		if err := c.May(op, o, nil); err != nil {
			return Reach{}, err
		}

		return Reach{Organization: true, Others: true}, nil
	}

	own := &apikey.Key{OrganizationID: o.ID, Ownership: apikey.Personal, Owner: person.Actor()}
	if err := c.May(op, o, own); err != nil {
		return Reach{}, err // a caller who may not change their own keys may not change others
	}

	may := func(ownership apikey.Ownership) bool {
		return c.May(op, o, &apikey.Key{OrganizationID: o.ID, Ownership: ownership}) == nil
	}
	return Reach{
		Organization: may(apikey.Organization),
		Others:       may(apikey.Personal),
		Person:       person.Person.ID,
	}, nil
}

// ActingAs returns a caller for the remaining steps of something that was decided as a whole, such
// as the end of a removal. It names the actor in the history, and has no rights.
func ActingAs(a apikey.Actor, org string) *Caller {
	switch a.Type {
	case apikey.ActorUser:
		return &Caller{Person: &Person{ID: a.ID, Email: a.Email}}
	case apikey.ActorOperator:
		org = apikey.OperatorOrganization
	}

	return &Caller{Key: &apikey.Key{
		ID:             a.ID,
		OrganizationID: org,
		Profile:        apikey.Profile{Name: a.KeyName},
	}}
}
