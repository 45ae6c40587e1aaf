// Package apikey is the domain of Bitting: a key, its secret, its status and its life cycle.
//
// It promises:
//
//   - A secret never prints itself.
//   - A malformed secret is recognised without a network.
//   - Status is one function of a key and a time.
//   - Every change of a key (regenerate, rotate, revoke, restore, delete) either obeys the rules
//     or changes nothing.
//
// It does not store, hash or authorize: it is pure, takes time and randomness from its caller and
// imports the standard library only.
package apikey
