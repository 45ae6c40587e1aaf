package organization

// Operation is something that a caller of the admin API does; it is the operationId in the OpenAPI document.
type Operation string

// The operations.
const (
	CreateOrganization Operation = "createOrganization"
	GetOrganization    Operation = "getOrganization"
	GetPermissions     Operation = "getPermissions"
	PutPermissions     Operation = "putPermissions"
	CreateKey          Operation = "createKey"
	ListKeys           Operation = "listKeys"
	GetKey             Operation = "getKey"
	UpdateKey          Operation = "updateKey"
	DeleteKey          Operation = "deleteKey"
	RegenerateKey      Operation = "regenerateKey"
	RotateKey          Operation = "rotateKey"
	GetRotation        Operation = "getRotation"
	FinishRotation     Operation = "finishRotation"
	RevokeKey          Operation = "revokeKey"
	RestoreKey         Operation = "restoreKey"
)

// Rule says what an operation asks of its caller. A caller who may not see the organization is ErrHidden before any rule.
type Rule struct {
	Permission   string // the admin permission that an admin key needs; "" for any admin key
	OperatorOnly bool
}

// Rules is the table of who may. The operator may everything.
func Rules() map[Operation]Rule {
	return map[Operation]Rule{
		CreateOrganization: {OperatorOnly: true},
		GetOrganization:    {},
		GetPermissions:     {},
		PutPermissions:     {Permission: "permissions:write"},
		CreateKey:          {Permission: "keys:write"},
		ListKeys:           {Permission: "keys:read"},
		GetKey:             {Permission: "keys:read"},
		UpdateKey:          {Permission: "keys:write"},
		DeleteKey:          {Permission: "keys:write"},
		RegenerateKey:      {Permission: "keys:rotate"},
		RotateKey:          {Permission: "keys:rotate"},
		GetRotation:        {Permission: "keys:read"},
		FinishRotation:     {Permission: "keys:rotate"},
		RevokeKey:          {Permission: "keys:revoke"},
		RestoreKey:         {Permission: "keys:revoke"},
	}
}
