// Package check is the one check of a call: from the headers that were sent to a verdict, step by step.
//
// It promises the contract's order (well-formed, environment, known key and secret, status, source address, customer, permission, limits), that nothing is
// read for a malformed secret or one of another environment, that a key is read by exactly one strongly consistent read, that the catalogue
// and what organizations set are at most ten seconds old and not read for each check, and that a failing
// dependency is Unavailable: never a refusal of the key, never an allow. It does not speak HTTP and builds no policy.
package check
