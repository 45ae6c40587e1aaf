// Package usage counts what keys do, and logs some of their calls.
//
// It promises that no answer waits for it; that no count is ever too high, whatever is written
// twice, late or in another order; that a clean stop loses nothing and a kill at most what was
// pending (see Recorder); that calls which are reported at least once are counted once (see
// Deduplicator); that its memory is bounded whatever is sent; and that no secret or body comes near
// it, and no header but the user agent.
//
// It does not check keys, and does not know where its rows are kept.
package usage
