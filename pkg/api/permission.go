package api

// Catalogue is the permission catalogue.
type Catalogue struct {
	Permissions []Permission `json:"permissions" nullable:"false"`
}

// Permission is an entry of the catalogue.
type Permission struct {
	Name        string  `json:"name"`
	Title       string  `json:"title"`
	Description string  `json:"description"`
	Default     bool    `json:"default"`
	Publishable bool    `json:"publishable"`
	BuiltIn     bool    `json:"builtIn"`
	Routes      []Route `json:"routes"`
}

// Route is an operation of an API that a permission opens. API is "*" for every API, and Method is
// "ANY" for all methods that have no route of their own with this path.
type Route struct {
	API    string `json:"api"`
	Method string `json:"method"`
	Path   string `json:"path"`
}
