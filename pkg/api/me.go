package api

// Me is the person who is signed in.
type Me struct {
	ID            string         `json:"id"`
	Email         string         `json:"email"`
	Name          string         `json:"name"`
	Operator      bool           `json:"operator"`
	Organizations []MyMembership `json:"organizations" nullable:"false"`
}

// MyMembership is the person's role in an organization, and what they may grant there.
type MyMembership struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Role       string    `json:"role"`
	Grants     []string  `json:"grants" nullable:"false"`
	MayGrant   []string  `json:"mayGrant" nullable:"false" doc:"Permissions that they may grant to a key"`
	MayCreate  MayCreate `json:"mayCreate"`
	Operations []string  `json:"operations" nullable:"false" doc:"The operations that they may perform in the organization, but for those that depend on the key, which a shown key lists"`
}

// MayCreate tells which keys a person may create.
type MayCreate struct {
	Organization bool `json:"organization"`
	Personal     bool `json:"personal"`
}
