// Package permission is the catalogue of permissions: which ones exist, which routes each of them
// opens, and whether a grant allows a call.
//
// It promises one answer to "which route is this call, and may this grant make it?" for the check
// of a call, its explanation, and the policy document that API Gateway evaluates.
// [Catalogue.Match] finds the route as an API Gateway REST API would, and [Decide] applies a
// [Grant] to it.
//
// It does not authenticate, and knows neither keys nor time nor storage. Paths are compared byte
// by byte as they were sent and never decoded: a path that means one thing here and another behind
// the gateway is a vulnerability.
package permission

// Route is an operation of an API that a permission opens.
type Route struct {
	// API is the name of one API, or "*" for every API.
	API string `json:"api"`
	// Method is an upper-case HTTP method, or "ANY" for all those that no other route of the path
	// names.
	Method string `json:"method"`
	// Path is a template such as /customers/{customerId} or /metrics/{proxy+}.
	Path string `json:"path"`
}

// Permission is an entry of the catalogue.
type Permission struct {
	// Name is resource:action, or the older spelling resource_action.
	Name        string `json:"name"`
	Title       string `json:"title"`
	Description string `json:"description"`
	// Default means that a new key gets the permission by default.
	Default bool `json:"default"`
	// Publishable means that a key with the permission may be public: a key that holds only
	// publishable permissions is flagged when it leaks, not revoked.
	Publishable bool `json:"publishable"`
	// BuiltIn marks the permissions of the admin API, which every catalogue has and which cannot
	// be redefined.
	BuiltIn bool    `json:"builtIn"`
	Routes  []Route `json:"routes"`
}

// methods are those that ANY stands for. A request with any other method has no route.
var methods = [...]string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}

// Methods returns the HTTP methods that a route may name, which are also those
// that ANY stands for.
func Methods() []string {
	all := methods
	return all[:]
}

const (
	anyMethod = "ANY"
	anyAPI    = "*"
)

// methodIndex returns the index of method in methods, or -1.
func methodIndex(method string) int {
	for i, m := range methods {
		if m == method {
			return i
		}
	}

	return -1
}
