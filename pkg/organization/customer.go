package organization

import (
	"errors"
	"time"
)

// Why a customer cannot be had or changed.
var (
	ErrNoCustomer     = errors.New("organization: no such customer")
	ErrCustomerExists = errors.New("organization: the customer exists already")
	ErrCustomerStale  = errors.New("organization: the customer was changed meanwhile")
)

// Customer is a customer of an organization; a key can be scoped to some of them.
type Customer struct {
	OrganizationID string            `json:"organizationId"`
	ID             string            `json:"id"`
	Name           string            `json:"name"`
	Metadata       map[string]string `json:"metadata"`
	CreatedAt      time.Time         `json:"createdAt"`
	Leaving        bool              `json:"leaving"`    // it is being deleted: no key is scoped to it any more
	LeavingJob     string            `json:"leavingJob"` // the job that deletes it; "" before there is one
	Version        int64             `json:"version"`
}
