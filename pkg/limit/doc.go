// Package limit enforces rate limits and quotas across all instances together.
//
// It promises:
//
//   - in every window W, at most burst + rate × (W + lease + 2 × clock skew + store latency) calls
//     are admitted, regardless of order, delay or loss between the instances and the table;
//   - a call is charged to all limits of a key, or to none;
//   - a quota is never exceeded;
//   - nothing is admitted while the table is unavailable.
//
// It does not promise that all of a limit can be used: calls that an instance leased and did not
// spend may be lost when it ends. It does not check keys, and does not know where its state is
// stored.
package limit
