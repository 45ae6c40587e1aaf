// Package adminapi is the HTTP side of managing keys: the operations of /v1, each read from a call,
// done by package admin and told as an answer.
//
// It promises that a call is read strictly and its faults are named at once, that nothing is judged
// before the gate let its caller in, one table from errors to problems, and that an answer is told
// again as it was to whoever repeats a call with its Idempotency-Key. The OpenAPI document is made of
// the same declarations. It decides nothing and keeps nothing: that is package admin's.
package adminapi
