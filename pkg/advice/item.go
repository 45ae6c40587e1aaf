package advice

import "time"

// Code says what a piece of advice is about.
type Code string

// The codes.
const (
	// the key holds a permission that it does not use
	UnusedPermission Code = "unused_permission"
	NeverUsed        Code = "never_used" // nobody ever used the key
	Idle             Code = "idle"       // the key is not used any more
	// the key holds all permissions, also those added later
	AllPermissions Code = "all_permissions"
	// so does a key that was brought from another system
	Legacy            Code = "legacy"
	NoExpiry          Code = "no_expiry"           // the key lives for ever
	NoLimit           Code = "no_limit"            // the key may be used as often as anybody likes
	RotationOverdue   Code = "rotation_overdue"    // the secret is older than MaxSecretAge
	RetiredSecretUsed Code = "retired_secret_used" // somebody still sends a secret that has ended
)

// Severity says how much a piece of advice matters.
type Severity string

// The severities.
const (
	Low    Severity = "low"    // a habit worth having
	Medium Severity = "medium" // a way in that nobody needs
	High   Severity = "high"   // a key that opens far more than it is for
)

// Item is a piece of advice on a key.
type Item struct {
	Code     Code
	Severity Severity
	Detail   string // in sentences, what was found and what the change does
	Evidence Evidence
	Change   Change
}

// Evidence is what an item rests on; what is zero does not matter for it.
type Evidence struct {
	ObservedSince time.Time     // from when on all is known that the item says of use
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
	// GET of the calls with a retired secret: nothing about the key has to change, whoever sends
	// that secret has to
	Look Action = "look"
)

// Change is what mends what an item is about. Body is the call's, in the words of the admin API.
type Change struct {
	Action Action
	Body   map[string]any
}
