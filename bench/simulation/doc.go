// Package simulation lets Bitting's own code meet what only a large deployment meets: a storm of
// cold starts, one key that is called all the time, a table that throttles, a leaked key in full
// use. docs/scale.md has what it found. Time is a clock that is set, so it says how often something
// is called, and not how fast it is. It has tests only.
package simulation
