package adminapi

// For tests: what the document is completed with.
var (
	ClosedSets  = closedSets
	Patterns    = patterns
	SchemaNames = schemaNames
)
