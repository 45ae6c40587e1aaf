// Package output writes what commands find: for people on a terminal, for programs elsewhere.
//
// Its rules:
//
//   - Standard output has the data that was asked for and nothing else. Progress, warnings, questions
//     and errors are on standard error.
//   - A table fits the terminal that it is for. Elsewhere nothing is cut off.
//   - The formats json, jsonl and csv have the API's own field names and values.
//   - Times are relative on a terminal, unless they are asked for in full; elsewhere they are RFC 3339.
//   - Colour is only for terminals, never where NO_COLOR is set, and never the only thing that says
//     something.
//   - What others wrote cannot steer the terminal: control and invisible characters are shown as such.
//   - A list is written as it arrives, in memory that does not grow with it.
package output
