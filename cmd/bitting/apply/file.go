package apply

import (
	"github.com/bitting-keys/bitting/pkg/api"
)

// File is what should be, of one organization and of the catalogue that all organizations share.
// What is left out is left alone: a section, an object, or a field of an object. null, or an empty
// list, empties a field. In a new object, a field that is left out gets the API's default.
type File struct {
	Organization Organization `json:"organization,omitzero" doc:"The organization's name and settings"`
	Permissions  []Permission `json:"permissions,omitzero" doc:"The permission catalogue, which all organizations share. Changing it takes an operator key"`
	Customers    []Customer   `json:"customers,omitzero" doc:"The organization's customers"`
	Members      []Member     `json:"members,omitzero" doc:"The organization's members"`
	Keys         []Key        `json:"keys,omitzero" doc:"The organization's own keys; personal keys are their owners' business"`
}

// Organization is what should be of an organization.
type Organization struct {
	ID string `json:"id,omitempty" doc:"The organization that the file is for: applying it to another one is an error"`
	api.UpdateOrganization
}

// Permission is an entry of the catalogue, known by its name.
type Permission struct {
	Name        string                 `json:"name" doc:"resource:action, such as messages:read"`
	Title       api.Patch[string]      `json:"title,omitzero" nullable:"false"`
	Description api.Patch[string]      `json:"description,omitzero"`
	Default     api.Patch[bool]        `json:"default,omitzero" doc:"A new key gets it if nothing else is said"`
	Publishable api.Patch[bool]        `json:"publishable,omitzero" doc:"A key with it may be public"`
	Routes      api.Patch[[]api.Route] `json:"routes,omitzero" doc:"The routes that it opens; empty: none"`
}

// Customer is a customer, known by its id.
type Customer struct {
	ID string `json:"id"`
	api.UpdateCustomer
}

// Member is a member, known by the e-mail address.
type Member struct {
	Email  string              `json:"email"`
	Role   api.Patch[string]   `json:"role,omitzero" nullable:"false" enum:"admin,member,viewer" doc:"A new member needs one"`
	Grants api.Patch[[]string] `json:"grants,omitzero" doc:"manage_organization_keys, manage_others_keys; empty: none"`
}

// Key is a key of the organization, known by its name and environment, or by its id where several
// have the same.
type Key struct {
	Name        string  `json:"name" minLength:"1" maxLength:"100" doc:"Only one key of the environment may have it, unless id says which is meant"`
	Environment string  `json:"environment" enum:"production,staging,development"`
	ID          string  `json:"id,omitempty" doc:"Says which key is meant where several have the name, or where the name changes"`
	Secret      *Secret `json:"secret,omitempty" doc:"Where the secret of a new key goes"`
	Revoked     *bool   `json:"revoked,omitempty" doc:"true: revoke the key. false: restore it. Left out: a revocation by others stays"`
	api.UpdateKey
}

// Secret is a place for the secret of a new key: exactly one of them.
type Secret struct {
	File           string `json:"file,omitempty" doc:"A new file, which only you can read, relative to the folder of this file"`
	SSM            string `json:"ssm,omitempty" doc:"The name of a new parameter of SSM, which becomes a SecureString"`
	SecretsManager string `json:"secretsManager,omitempty" doc:"The name of a new secret of Secrets Manager"`
}

// String returns the place as people read it.
func (s *Secret) String() string {
	switch {
	case s == nil:
		return ""
	case s.File != "":
		return "file " + s.File
	case s.SSM != "":
		return "SSM " + s.SSM
	default:
		return "Secrets Manager " + s.SecretsManager
	}
}
