// Package metric counts what a deployment does, for those who run it.
//
// It promises:
//
//   - To record costs no memory and waits for nobody: numbers are added up in place.
//   - An instance writes one line for all of its numbers, at most once a minute; within ten seconds
//     if something failed. Nothing is lost at a write: what is not in a line is in the next one.
//   - A line names the stack and the function, and never a key, an organization or a caller.
//
// Lines are in CloudWatch's embedded metric format, which CloudWatch Logs turns into metrics:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
//
// It does not write by itself: whoever knows when nobody waits calls FlushDue. Only a line of the
// minute before is written while a caller waits, by Turn, once a minute.
package metric

import "slices"

// Namespace is the namespace of the metrics in CloudWatch.
const Namespace = "Bitting"

// Metric is one metric, by its place in the table.
type Metric int

// The metrics. The table below describes them.
const (
	Checks Metric = iota
	Unauthorized

	Allowed
	PermissionDenied
	RateLimited
	QuotaExceeded
	Inactive
	Expired
	NotYetValid
	AddressNotAllowed
	CustomerNotAllowed
	PathNotSupported
	WrongSecret
	RetiredSecret
	Unavailable
	NoKey
	Malformed
	WrongEnvironment
	UnknownKey
	AmbiguousKey
	SignedIn
	InvalidToken

	CheckLatency
	ReadLatency

	LimitLeases
	LimitConflicts
	LimitFailures

	RefreshFailures
	Unwraps
	UnwrapFailures

	UsageFailures
	UsageBehind

	UpkeepRuns
	UpkeepFailures
	UpkeepDuration
	JobsDone
	JobsFailed
	JobsOpen
	JobAge
	JobStalled

	number // of metrics
)

// Unit is a unit of CloudWatch's.
type Unit string

// The units.
const (
	Count        Unit = "Count"
	Seconds      Unit = "Seconds"
	Milliseconds Unit = "Milliseconds"
)

// Kind is how the values of a metric become one line's.
type Kind int

// The kinds.
const (
	Sum          Kind = iota // added up
	Highest                  // the highest one
	Distribution             // how often each value was, in steps
)

// Facts is a row of the table of metrics.
type Facts struct {
	Metric Metric
	Name   string
	Unit   Unit
	Kind   Kind
	// PerFunction is whether functions are told apart. The others are of the whole stack, so that
	// one alarm sees all functions.
	PerFunction bool
	// Failure is whether the metric is written within seconds.
	Failure bool
}

// table has a row for each metric, in their order.
var table = [number]Facts{
	{Checks, "Checks", Count, Sum, true, false},
	{Unauthorized, "Unauthorized", Count, Sum, true, false},

	{Allowed, "Allowed", Count, Sum, true, false},
	{PermissionDenied, "PermissionDenied", Count, Sum, true, false},
	{RateLimited, "RateLimited", Count, Sum, true, false},
	{QuotaExceeded, "QuotaExceeded", Count, Sum, true, false},
	{Inactive, "Inactive", Count, Sum, true, false},
	{Expired, "Expired", Count, Sum, true, false},
	{NotYetValid, "NotYetValid", Count, Sum, true, false},
	{AddressNotAllowed, "AddressNotAllowed", Count, Sum, true, false},
	{CustomerNotAllowed, "CustomerNotAllowed", Count, Sum, true, false},
	{PathNotSupported, "PathNotSupported", Count, Sum, true, false},
	{WrongSecret, "WrongSecret", Count, Sum, true, false},
	{RetiredSecret, "RetiredSecret", Count, Sum, true, false},
	{Unavailable, "Unavailable", Count, Sum, true, true},
	{NoKey, "NoKey", Count, Sum, true, false},
	{Malformed, "Malformed", Count, Sum, true, false},
	{WrongEnvironment, "WrongEnvironment", Count, Sum, true, false},
	{UnknownKey, "UnknownKey", Count, Sum, true, false},
	{AmbiguousKey, "AmbiguousKey", Count, Sum, true, false},
	{SignedIn, "SignedIn", Count, Sum, true, false},
	{InvalidToken, "InvalidToken", Count, Sum, true, false},

	{CheckLatency, "CheckLatency", Milliseconds, Distribution, true, false},
	{ReadLatency, "ReadLatency", Milliseconds, Distribution, true, false},

	{LimitLeases, "LimitLeases", Count, Sum, true, false},
	{LimitConflicts, "LimitConflicts", Count, Sum, true, false},
	{LimitFailures, "LimitFailures", Count, Sum, true, true},

	{RefreshFailures, "RefreshFailures", Count, Sum, false, true},
	{Unwraps, "Unwraps", Count, Sum, false, false},
	{UnwrapFailures, "UnwrapFailures", Count, Sum, false, true},

	{UsageFailures, "UsageFailures", Count, Sum, false, true},
	{UsageBehind, "UsageBehind", Seconds, Highest, false, false},

	{UpkeepRuns, "UpkeepRuns", Count, Sum, false, false},
	{UpkeepFailures, "UpkeepFailures", Count, Sum, false, true},
	{UpkeepDuration, "UpkeepDuration", Milliseconds, Highest, false, false},
	{JobsDone, "JobsDone", Count, Sum, false, false},
	{JobsFailed, "JobsFailed", Count, Sum, false, true},
	{JobsOpen, "JobsOpen", Count, Highest, false, false},
	{JobAge, "JobAge", Seconds, Highest, false, false},
	{JobStalled, "JobStalled", Seconds, Highest, false, false},
}

// Table returns the table of all metrics.
func Table() []Facts { return slices.Clone(table[:]) }

// Dimensions of the metrics in CloudWatch. Those of the whole stack have the first only.
const (
	Stack        = "Stack"
	FunctionName = "FunctionName" // as in Lambda's own metrics
)
