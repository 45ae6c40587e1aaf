package api

// Member is a member as the admin API shows them.
type Member struct {
	ID       string       `json:"id" doc:"The identity provider's id; empty until the first sign-in"`
	Email    string       `json:"email"`
	Role     string       `json:"role" enum:"admin,member,viewer"`
	Grants   []string     `json:"grants" nullable:"false"`
	Status   string       `json:"status" enum:"active,invited"`
	JoinedAt *Time        `json:"joinedAt" format:"date-time"`
	Bounded  []BoundedKey `json:"boundedKeys,omitempty" doc:"Of a demotion: the member's personal keys that hold permissions of the admin API, at most 100. From now on they can do no more than the member may"`
}

// BoundedKey is a personal key that its owner's role restricts to less than it holds.
type BoundedKey struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}
