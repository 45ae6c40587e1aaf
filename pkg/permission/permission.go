// Package permission is the catalogue of permissions: which there are, which
// routes each of them opens, and whether a grant opens a call.
//
// It promises one answer to "which route is this call, and may this grant make
// it?" for everybody who asks: the check of a call, its explanation, and the
// policy document that API Gateway evaluates. [Catalogue.Match] finds the route
// as an API Gateway REST API would, and [Decide] weighs a [Grant] against it.
//
// It does not authenticate, and knows neither keys nor time nor storage. Paths
// are compared byte by byte as they were sent: nothing is ever decoded, because
// a path that means one thing here and another behind the gateway is a way in.
package permission

// Route is an operation of an API that a permission opens.
type Route struct {
	// API is the name of one API, or "*" for every API.
	API string `json:"api"`
	// Method is an upper-case HTTP method, or "ANY" for those that the path
	// does not name by themselves.
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
	// Default marks what a new key holds when its maker names no permissions.
	Default bool `json:"default"`
	// Publishable marks what may be in the open: a key that holds only
	// publishable permissions is flagged when it leaks, not revoked.
	Publishable bool `json:"publishable"`
	// BuiltIn marks the permissions of the admin API, which every catalogue has
	// and nobody can redefine.
	BuiltIn bool    `json:"builtIn"`
	Routes  []Route `json:"routes"`
}

// methods are what ANY stands for. A request with any other method has no route.
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

// methodIndex returns the place of method in methods, or -1.
func methodIndex(method string) int {
	for i, m := range methods {
		if m == method {
			return i
		}
	}

	return -1
}
