package api

// Me is who is signed in.
type Me struct {
	ID            string         `json:"id"`
	Email         string         `json:"email"`
	Name          string         `json:"name"`
	Operator      bool           `json:"operator"`
	Organizations []MyMembership `json:"organizations" nullable:"false"`
}

// MyMembership is what the person is, and may hand out, in an organization.
type MyMembership struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Role      string    `json:"role"`
	Grants    []string  `json:"grants" nullable:"false"`
	MayGrant  []string  `json:"mayGrant" nullable:"false" doc:"Permissions that they may grant to a key"`
	MayCreate MayCreate `json:"mayCreate"`
}

// MayCreate says which keys a person may create.
type MayCreate struct {
	Organization bool `json:"organization"`
	Personal     bool `json:"personal"`
}
