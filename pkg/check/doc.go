// Package check is the one check of a call: from the headers that were sent to a verdict, step by
// step.
//
// It promises the contract's order (well-formed, environment, known key and secret, status, source
// address, customer, permission, limits), that nothing is read for a malformed secret or one of
// another environment, that a key is read by exactly one strongly consistent read (by two where the
// old secret of a rotation comes that waits for the first use of the new one; by one for each
// environment and algorithm of imports where it may be an imported one), that the catalogue, what
// organizations set and whether keys were imported are at most ten seconds old and not read for
// each check, and that a failing dependency is Unavailable: never a refusal of the key, never an
// allow. Explaining a call takes the same steps. It does not speak HTTP and builds no policy.
package check
