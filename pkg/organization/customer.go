package organization

import (
	"errors"
	"fmt"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Errors about a customer.
var (
	ErrNoCustomer     = errors.New("organization: no such customer")
	ErrCustomerExists = errors.New("organization: the customer exists already")
	ErrCustomerStale  = fmt.Errorf("organization: the customer: %w", apikey.ErrStale)
)

// Customer is a customer of an organization; a key can be scoped to some of them.
type Customer struct {
	OrganizationID string            `json:"organizationId"`
	ID             string            `json:"id"`
	Name           string            `json:"name"`
	Metadata       map[string]string `json:"metadata"`
	CreatedAt      time.Time         `json:"createdAt"`
	// Leaving means that it is being deleted: no key can be scoped to it any more.
	Leaving bool `json:"leaving"`
	// LeavingJob is the job that deletes it; "" before there is one.
	LeavingJob string      `json:"leavingJob"`
	Version    int64       `json:"version"`
	Pace       apikey.Pace `json:"pace"` // the rate at which the row is changed
}
