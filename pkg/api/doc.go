// Package api is what the admin API says and is told, as Go types: keys, people, organizations, jobs,
// usage, problems and their codes.
//
// It promises that each type is one JSON shape of the OpenAPI document, and it is a leaf: it imports
// Go's standard library and nothing else, so that a program that calls the API depends on no more.
// The tags that JSON does not know (doc, enum, minLength) are the document's. It neither calls nor
// serves; that is done by packages client and adminapi.
package api
