// Package admin implements what admins do, without HTTP: the gate, the changes of keys, members,
// customers, organizations and settings, the jobs that continue large changes, and what is shown.
//
// It promises:
//
//   - one gate before everything: who calls, what they may see, what they may do, in this order;
//   - one way to change something: read, change and write on the version that was read, with the
//     history entry and the receipt in one transaction. Each attempt checks again what the caller
//     may do;
//   - all invalid fields of an input are reported at once;
//   - a secret appears only in the answer that shows it.
//
// It takes and returns the types of package api. Package adminapi maps calls and answers to HTTP,
// and package organization decides who may do what.
package admin
