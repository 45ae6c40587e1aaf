// Package check decides calls: from the headers that were sent to a verdict, step by step. The
// authorizer, guard and explanations take the same steps.
//
// It promises:
//
//   - the contract's order: well-formed, environment, known key and secret, status, source address,
//     route, customer, permission, policy, limits;
//   - no read for a secret that is malformed or of another environment;
//   - one strongly consistent read of the key, unless a Memory has its row: see there. There are two
//     for the old secret of a rotation that waits for the first use of the new one, and one for each
//     environment and algorithm of imports for a secret that may be imported;
//   - a catalogue, runtime settings and records of imports that are at most ten seconds old, and
//     not read for each check;
//   - Unavailable when a dependency fails: never a refusal of the key, never an allow.
//
// It does not speak HTTP.
package check
