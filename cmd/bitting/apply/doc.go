// Package apply makes an organization, and the permission catalogue, what a YAML file says.
//
//   - [Read] reads a [File] strictly: what it does not know is an error with its line.
//   - [ReadState] reads what exists, in pages.
//   - [New] compares both, and returns a [Plan]: what people look at, and the steps in their order. It
//     calls nobody. [Plan.Preview] adds what the changes would have refused of the recorded calls, and
//     [Plan.Blame] which differences somebody else made.
//   - [Plan.Apply] takes the steps.
//   - [Export] returns the file of what exists.
//
// It promises that no state between two steps admits a call that neither the state before nor the
// state after all steps admits. A file that was applied and is applied again has no steps. No secret is
// in a plan, in an error or in what is shown of either.
package apply
