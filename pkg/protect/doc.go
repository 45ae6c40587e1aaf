// Package protect puts Bitting's authorizer on somebody's own API, and finds what is missing where
// it already is.
//
// It reads what describes an API: a SAM or CloudFormation template, also one that `cdk synth`
// wrote, or an OpenAPI document, each as YAML or JSON. It promises:
//
//   - [Document.Protect] only inserts and replaces: every other byte of the file, comments and
//     formatting included, stays as it is.
//   - What Protect returns has no finding of [Document.Check] that the file itself can mend.
//   - A route that somebody opened in so many words, or that another authorizer guards, stays so.
//
// It reads structure, not values: conditions are taken as true, and an intrinsic function where a
// plain value is expected is what the package says it cannot read. pkg/localgateway/template, which
// resolves them, refuses what it does not understand; a file that is to be changed must be read
// whatever else is in it.
package protect
