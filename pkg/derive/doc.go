// Package derive proposes permissions for what an API offers, and compares a proposal with the
// catalogue that there is.
//
// [ReadOpenAPI] reads the operations of an OpenAPI document. [Propose] makes permissions of
// operations, and [Merge] the catalogue with them in it. It promises that a proposal opens no
// operation by a permission that its document does not name, except where the document names none:
// then by the operation's tag and method, which is for somebody to edit. What the catalogue cannot
// say is left out and told.
package derive

// Operation is something that an API offers.
type Operation struct {
	Method string // upper case, or ANY
	Path   string
	Tag    string   // the first one; "" for none
	Open   bool     // it needs no key
	Named  []string // the permissions that it names by x-permission, any of which opens it
	// Scopes are alternatives. Each is what a caller needs together.
	Scopes [][]string
	Line   int // in the document; 0 where it is not known
}

// Document is what is known of an API.
type Document struct {
	Operations []Operation
	Tags       map[string]string // descriptions, by tag
	Scopes     map[string]string // descriptions, by scope
}
