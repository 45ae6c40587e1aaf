// Package usage counts what keys do, and records some of their calls.
//
// It promises:
//
//   - it never delays an answer;
//   - no count is ever too high, even if writes are repeated, late or out of order;
//   - a clean stop loses nothing, and a kill at most what was pending (see Recorder);
//   - calls that are reported at least once are counted once (see Deduplicator);
//   - its memory is bounded, regardless of what is sent;
//   - it gets no secret, no body, and no header but the user agent.
//
// It does not check keys, and does not know where its rows are stored.
package usage
