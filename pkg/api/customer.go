package api

// Customer is a customer as the admin API shows them.
type Customer struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Metadata  map[string]string `json:"metadata"`
	CreatedAt Time              `json:"createdAt" format:"date-time"`
}

// CustomerAnswer is a customer in the answer of a POST.
type CustomerAnswer struct {
	Customer
	Replayed bool `json:"replayed,omitempty" doc:"This is the stored response to an earlier call with this Idempotency-Key"`
}

// Replay returns the answer to a call that is repeated with its Idempotency-Key.
func (c CustomerAnswer) Replay() CustomerAnswer {
	c.Replayed = true
	return c
}
