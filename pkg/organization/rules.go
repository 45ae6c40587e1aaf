package organization

// Operation is something that a caller of the admin API does; it is the operationId in the OpenAPI
// document.
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

// People says which people may do an operation.
type People int

// The groups of people.
const (
	Nobody    People = iota // no person, whatever their role
	Anyone                  // whoever is signed in
	Members                 // whoever is in the organization
	Creators                // who may create keys of some ownership, by role, grants and settings
	Importers               // who may create keys of the organization
	// who may change some keys, their own at least: every member but viewers
	Changers
	// who may change the key: admins, its owner, and by grants and settings others
	Managers
	Admins // the organization's admins
)

// needs says in words what it takes.
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

// owner says in words what the owner of a personal key lacks.
func (p People) owner() string {
	if p == Admins {
		return "its owner is not an admin of the organization"
	}

	return "the role of its owner and the organization's settings do not let them do this"
}

// AnyPermission stands for whichever permission of the admin API.
const AnyPermission = ""

// NoPermission stands for a permission that no key has.
const NoPermission = "-"

// Rule says who may do an operation. Whoever may not see the organization or the key is ErrHidden
// before any rule.
type Rule struct {
	// the permission that a key needs, an operator's too: being one widens where it may, not what.
	// Of several, parted by spaces, one is enough
	Key       string
	Operators bool // of keys, only operators' may
	People    People
}

// Rules is the table of who may.
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
		// and for each action and key what one of it needs: see Caller.MayEach
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
