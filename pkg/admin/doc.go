// Package admin is what the admins of keys do: whom the gate lets through, the changes of keys,
// members, customers, organizations and settings, the jobs that go on with the large ones, and what
// is shown of all that.
//
// It promises one gate before everything (who calls, what they may see, what they may do, in this
// order), one way to change something (read, change, write on its version with its history entry
// and its receipt in one transaction, and ask who may again at each attempt), every wrong field of
// an input named at once, and a secret in no answer but the one that shows it. It takes and returns
// the types of package api, and knows nothing of HTTP: how a call comes and how an answer goes is
// package adminapi's. It does not decide who may, which is package organization's.
package admin
