package advice

import "time"

// Code identifies what a piece of advice is about.
type Code string

// The codes.
const (
	// the key holds a permission that it does not use
	UnusedPermission Code = "unused_permission"
	NeverUsed        Code = "never_used" // the key was never used
	Idle             Code = "idle"       // the key is no longer used
	// the key holds all permissions, also those added later
	AllPermissions Code = "all_permissions"
	// likewise, and the key was imported
	Legacy            Code = "legacy"
	NoExpiry          Code = "no_expiry"           // the key never expires
	NoLimit           Code = "no_limit"            // the key may be used without limit
	RotationOverdue   Code = "rotation_overdue"    // the secret is older than MaxSecretAge
	RetiredSecretUsed Code = "retired_secret_used" // a secret that has ended is still sent
)

// Severity is how much a piece of advice matters.
type Severity string

// The severities.
const (
	Low    Severity = "low"    // good practice
	Medium Severity = "medium" // access that nobody needs
	High   Severity = "high"   // a key that opens far more than it should
)

// Item is a piece of advice on a key.
type Item struct {
	Code     Code
	Severity Severity
	Detail   string // in sentences: what was found, and what the change does
	Evidence Evidence
	Change   Change
}

// Evidence holds the facts behind an item; zero fields do not apply.
type Evidence struct {
	ObservedSince time.Time     // since when the use in the item is known
	Window        time.Duration // how long something was not used
	Permission    string
	Used          []string // the permissions that were used in the window
	LastUsed      time.Time
	Calls         int64     // in the window, or in the busiest hour
	Since         time.Time // of the secret
}

// Action is a call of the admin API on a key.
type Action string

// The actions.
const (
	Update Action = "update" // PATCH of the key
	Rotate Action = "rotate" // POST of rotate
	// GET of the calls with a retired secret: the key needs no change, but the sender of that
	// secret does
	Look Action = "look"
)

// Change is the call that implements an item. Body is its body in the admin API.
type Change struct {
	Action Action
	Body   map[string]any
}
