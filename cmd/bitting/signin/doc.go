// Package signin signs a person in at an OpenID Connect issuer from a terminal, and keeps their
// tokens.
//
// It promises:
//
//   - A person signs in by the authorization code flow with PKCE, in a browser on this machine that
//     is sent back to a port of 127.0.0.1, or by the device flow on any other machine.
//   - Tokens are kept in the system's keyring, or where there is none in a file that only its owner
//     can read. Of several programs that find the ID token expired, one refreshes it.
//   - No error contains a token or a code.
//
// It does not decide whether the person may do anything: the admin API verifies each ID token.
package signin
