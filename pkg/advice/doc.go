// Package advice says how a key could be narrower than it is, from what is known of its use.
//
// It promises that nothing is called unused for longer than it was observed: a permission that was
// granted yesterday, a key that was disabled until yesterday and use that was forgotten are each a
// reason to say nothing. Every piece of advice comes with a change that mends it, as a call of the
// admin API. It reads nothing and decides no call: whoever asks gathers the facts, and foresees a
// change by the check itself.
package advice
