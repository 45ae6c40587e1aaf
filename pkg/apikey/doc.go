// Package apikey is the domain of Bitting: a key, its secret, its status and the rules of its life.
//
// It promises that a secret never prints itself, that a malformed secret is recognised without a
// network, that status is one function of a key and a moment, and that every change of a key
// (regenerate, rotate, revoke, restore, delete) either obeys the rules or changes nothing. It does
// not store, hash or authorize: it is pure, takes time and randomness from its caller and imports
// the standard library only.
package apikey
