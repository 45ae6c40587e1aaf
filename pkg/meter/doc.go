// Package meter limits and counts what keys do.
//
// Of limits it promises that over all instances together, in every window W, no more is admitted
// than burst + rate × (W + lease + 2 × clock skew + store latency), whatever order, delay or loss
// there is between the instances and the table; that several limits of a key are taken all or none;
// that a quota is never exceeded; and that where the table cannot be asked, nothing is admitted. It
// does not promise that what is left is always found: what an instance took and did not spend may
// be lost when the instance ends.
//
// Of counting it promises that no answer waits for it; that no count is ever too high, whatever is
// written twice, late or in another order; that a clean stop loses nothing and a kill at most what
// was pending (see Recorder); that calls which are told of at least once are counted once (see
// Once); that its memory is bounded whatever is sent; and that no secret or body comes near it, and
// no header but the user agent.
//
// It does not check keys, and does not know where its rows are kept.
package meter
