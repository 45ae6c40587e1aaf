package organization

import "github.com/bitting-keys/bitting/pkg/apikey"

// Reach says on which keys of an organization a caller may do an operation.
type Reach struct {
	Organization bool // on the organization's keys
	Others       bool // on everybody's personal keys
	// whose own personal keys they may do it on; "" for a caller who is no person
	Person string
}

// MayEach decides an operation on a key for all keys of an organization at once: the rule on one
// key, asked of one key of each sort. The error is that of May where there is no key on which the
// caller may. Errors: ErrHidden, *ForbiddenError.
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
		return Reach{}, err // who may not change their own may change no other
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

// ActingAs is a caller by whose decision something goes on that was decided as a whole, such as the
// end of a removal. It names the actor for the history, and may nothing.
func ActingAs(a apikey.Actor, org string) *Caller {
	switch a.Type {
	case apikey.ActorUser:
		return &Caller{Person: &Person{ID: a.ID, Email: a.Email}}
	case apikey.ActorOperator:
		org = apikey.OperatorOrganization
	}

	return &Caller{Key: &apikey.Key{ID: a.ID, Name: a.KeyName, OrganizationID: org}}
}
