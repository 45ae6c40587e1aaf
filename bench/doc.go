// Package bench measures the authorizer as it is deployed beside what its users could write
// themselves. `make bench` runs it.
//
// Each contender is a real bootstrap, started by a Lambda Runtime API on this machine, with one
// DynamoDB stand-in for all. It promises that contenders take turns, so that what else the machine
// does strikes all alike; that every answer is checked; and that processor time is the process's
// own, by the kernel. What it prints are ratios: times depend on the machine.
//
// Command bench/load is for whole deployments on this machine: it calls a running `bitting local`.
//
// It does not measure TLS, a network, Firecracker or AWS.
package bench
