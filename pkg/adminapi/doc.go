// Package adminapi is the HTTP side of managing keys: the operations of /v1, each a function of a
// checked input to an output.
//
// It promises one gate before every operation (who calls, what they may see, what they may do, in
// this order), one table from errors to problems, one way to change a key (read, change, write on
// its version with its history entry and its receipt in one transaction), every wrong field of an
// input named at once, and a secret in no answer but the one that shows it. The OpenAPI document is
// made of the same declarations. It does not store, hash or decide who may.
package adminapi
