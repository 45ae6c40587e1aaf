// Package limit holds rate limits and quotas over all instances together.
//
// It promises that in every window W no more is admitted than burst + rate × (W + lease + 2 × clock
// skew + store latency), whatever order, delay or loss there is between the instances and the
// table; that several limits of a key are taken all or none; that a quota is never exceeded; and
// that where the table cannot be asked, nothing is admitted. It does not promise that what is left
// is always found: what an instance took and did not spend may be lost when the instance ends.
//
// It does not check keys, and does not know where its state is kept.
package limit
