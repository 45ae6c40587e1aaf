// Package api has the Go types of the admin API's input and output: keys, people, organizations,
// jobs, usage, problems and their codes.
//
// It promises that each type is one JSON schema of the OpenAPI document. It imports only Go's
// standard library, so that a program that calls the API depends on nothing else. Tags other than
// json (doc, enum, minLength) are for the document. Packages client and adminapi make and serve the
// calls.
package api
