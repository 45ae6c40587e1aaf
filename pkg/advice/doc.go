// Package advice finds how a key could be narrower, from what is known of its use.
//
// It promises that nothing is called unused for longer than it was observed: it takes into account
// when a permission was granted, when a key was last disabled, and from when on use is known. Every
// piece of advice comes with the change that implements it, as a call of the admin API. It reads
// nothing and decides no call: the caller gathers the facts, and previews a change with the check
// itself.
package advice
