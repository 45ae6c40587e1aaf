package apply

// Record is record, for tests that ask the check.
var Record = record
