package organization

import "slices"

// Operation is an operation of the admin API, by its operationId in the OpenAPI document.
type Operation string

// The operations.
const (
	GetMe              Operation = "getMe"
	CreateOrganization Operation = "createOrganization"
	GetOrganization    Operation = "getOrganization"
	UpdateOrganization Operation = "updateOrganization"
	DeleteOrganization Operation = "deleteOrganization"
	ListMembers        Operation = "listMembers"
	GetMember          Operation = "getMember"
	PutMember          Operation = "putMember"
	DeleteMember       Operation = "deleteMember"
	CreateCustomer     Operation = "createCustomer"
	ListCustomers      Operation = "listCustomers"
	GetCustomer        Operation = "getCustomer"
	UpdateCustomer     Operation = "updateCustomer"
	DeleteCustomer     Operation = "deleteCustomer"
	GetPermissions     Operation = "getPermissions"
	PutPermissions     Operation = "putPermissions"
	CreateKey          Operation = "createKey"
	ImportKeys         Operation = "importKeys"
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
	BulkKeys           Operation = "bulkKeys"
	ListJobs           Operation = "listJobs"
	GetJob             Operation = "getJob"
	ExplainKey         Operation = "explainKey"
	KeyAdvice          Operation = "keyAdvice"
	ListAdvice         Operation = "listAdvice"
	KeyHistory         Operation = "keyHistory"
	ListHistory        Operation = "listHistory"
	KeyUsage           Operation = "keyUsage"
	GetUsage           Operation = "getUsage"
	KeyRequests        Operation = "keyRequests"
	GetRequest         Operation = "getRequest"
)

// People is a group of people who may perform an operation.
type People int

// The groups of people.
const (
	Nobody    People = iota // no person, in any role
	Anyone                  // everyone who is signed in
	Members                 // every member of the organization
	Creators                // those who may create keys of some ownership, by role, grants and settings
	Importers               // those who may create keys of the organization
	// those who may change some keys, at least their own: every member except viewers
	Changers
	// those who may change the key: admins, its owner, and others by grants and settings
	Managers
	Admins // the organization's admins
)

// needs describes what is required.
func (p People) needs() string {
	switch p {
	case Creators:
		return "your role and the organization's settings do not let you create keys"
	case Importers:
		return "your role and the organization's settings do not let you create keys of the " +
			"organization"
	case Changers:
		return "your role does not let you change keys"
	case Managers:
		return "your role and the organization's settings do not let you change this key"
	case Admins:
		return "only an admin of the organization may do this"
	default:
		return "only an operator may do this"
	}
}

// owner describes what the owner of a personal key lacks.
func (p People) owner() string {
	if p == Admins {
		return "its owner is not an admin of the organization"
	}

	return "the role of its owner and the organization's settings do not let them do this"
}

// AnyPermission stands for any permission of the admin API.
const AnyPermission = ""

// NoPermission stands for a permission that no key has.
const NoPermission = "-"

// Rule is who may perform an operation. If the caller may not see the organization or the key, the
// error is ErrHidden before any rule is applied.
type Rule struct {
	// Key is the permission that a key needs. Operators' keys need it too: being an operator
	// widens where a key may act, not what it may do. Of several, separated by spaces, one is
	// enough.
	Key       string
	Operators bool // among keys, only operators' may
	People    People
}

// Rules returns the rule of every operation.
func Rules() map[Operation]Rule {
	return map[Operation]Rule{
		GetMe:              {NoPermission, false, Anyone},
		CreateOrganization: {"organization:write", true, Anyone},
		GetOrganization:    {AnyPermission, false, Members},
		UpdateOrganization: {"organization:write", false, Admins},
		DeleteOrganization: {"organization:write", false, Admins},
		ListMembers:        {"members:write", false, Members},
		GetMember:          {"members:write", false, Members},
		PutMember:          {"members:write", false, Admins},
		DeleteMember:       {"members:write", false, Admins},
		CreateCustomer:     {"organization:write", false, Admins},
		ListCustomers:      {AnyPermission, false, Members},
		GetCustomer:        {AnyPermission, false, Members},
		UpdateCustomer:     {"organization:write", false, Admins},
		DeleteCustomer:     {"organization:write", false, Admins},
		GetPermissions:     {AnyPermission, false, Anyone},
		PutPermissions:     {PermissionsWrite, true, Nobody},
		CreateKey:          {"keys:write", false, Creators},
		ImportKeys:         {"keys:write", false, Importers},
		ListKeys:           {"keys:read", false, Members},
		GetKey:             {"keys:read", false, Members},
		UpdateKey:          {"keys:write", false, Managers},
		DeleteKey:          {"keys:write", false, Managers},
		RegenerateKey:      {"keys:rotate", false, Managers},
		RotateKey:          {"keys:rotate", false, Managers},
		GetRotation:        {"keys:read", false, Members},
		FinishRotation:     {"keys:rotate", false, Managers},
		RevokeKey:          {"keys:revoke", false, Managers},
		RestoreKey:         {"keys:revoke", false, Managers},
		// each action and key also needs one of these: see Caller.MayEach
		BulkKeys:    {"keys:revoke keys:write", false, Changers},
		ListJobs:    {"keys:read", false, Members},
		GetJob:      {"keys:read", false, Members},
		ExplainKey:  {"keys:read", false, Members},
		KeyAdvice:   {"usage:read", false, Members},
		ListAdvice:  {"usage:read", false, Members},
		KeyHistory:  {"history:read", false, Members},
		ListHistory: {"history:read", false, Admins},
		KeyUsage:    {"usage:read", false, Members},
		GetUsage:    {"usage:read", false, Members},
		KeyRequests: {"usage:read", false, Members},
		GetRequest:  {"usage:read", false, Members},
	}
}

// Wide returns the operations in an organization whose rules need no key to be decided, by name.
func Wide() (out []Operation) {
	for op, rule := range Rules() {
		if rule.People != Managers && rule.People != Anyone && rule.People != Nobody {
			out = append(out, op)
		}
	}

	slices.Sort(out)

	return out
}
