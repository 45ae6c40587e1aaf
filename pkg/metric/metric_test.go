package metric_test

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/metric"
)

// clock is a time that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// made returns an empty set, its clock, and what it writes.
func made() (*metric.Set, *clock, *bytes.Buffer) {
	c := &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	out := &bytes.Buffer{}
	return metric.New(metric.Config{
		Stack:    "bitting",
		Function: "bitting-ProductionAuthorizer-x",
		Level:    "WARN",
		Now:      c.now,
		Out:      out,
	}), c, out
}

// decoded returns the members of a line.
func decoded(t *testing.T, line string) map[string]any {
	t.Helper()

	var members map[string]any
	if err := json.Unmarshal([]byte(line), &members); err != nil {
		t.Fatalf("%v: %s", err, line)
	}

	return members
}

// A line is what CloudWatch documents of the format, and what Lambda's filter of log lines lets
// pass.
func TestLineIsInTheEmbeddedMetricFormat(t *testing.T) {
	t.Parallel()
	s, _, out := made()
	s.Add(metric.Checks, 3)
	s.Add(metric.Allowed, 2)
	s.Add(metric.Unwraps, 1)
	s.Raise(metric.UsageBehind, 9)
	s.Raise(metric.UsageBehind, 4)

	for _, d := range []time.Duration{
		0, 3 * time.Millisecond, 3 * time.Millisecond, 40 * time.Millisecond, time.Minute,
	} {
		s.Observe(metric.CheckLatency, d)
	}

	s.FlushDue()

	want := `{
		"_aws": {
			"Timestamp": 1772366400000,
			"CloudWatchMetrics": [
				{
					"Namespace": "Bitting", "Dimensions": [["Stack", "FunctionName"]],
					"Metrics": [
						{"Name": "Checks", "Unit": "Count"}, {"Name": "Unauthorized", "Unit": "Count"},
						{"Name": "Allowed", "Unit": "Count"},
						{"Name": "CheckLatency", "Unit": "Milliseconds"}
					]
				},
				{
					"Namespace": "Bitting", "Dimensions": [["Stack"]],
					"Metrics": [
						{"Name": "Unwraps", "Unit": "Count"}, {"Name": "UsageBehind", "Unit": "Seconds"}
					]
				}
			]
		},
		"Stack": "bitting", "FunctionName": "bitting-ProductionAuthorizer-x",
		"level": "WARN", "timestamp": "2026-03-01T12:00:00.000Z",
		"Checks": 3, "Unauthorized": 0, "Allowed": 2, "Unwraps": 1, "UsageBehind": 9,
		"CheckLatency": {
			"Values": [0, 3, 43, 8192], "Counts": [1, 2, 1, 1],
			"Min": 0, "Max": 8192, "Sum": 8241, "Count": 5
		}
	}`
	if diff := cmp.Diff(decoded(t, want), decoded(t, out.String())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	if strings.Count(out.String(), "\n") != 1 || !strings.HasSuffix(out.String(), "\n") {
		t.Errorf("it is not one line: %q", out)
	}
}

// However much is recorded, a line keeps to CloudWatch's limits: 100 metrics in a directive, 100
// values, and one line in Lambda, of 256 KB.
func TestFullLineIsWithinLimits(t *testing.T) {
	t.Parallel()
	s, _, out := made()

	for _, f := range metric.Table() {
		switch f.Kind {
		case metric.Sum:
			s.Add(f.Metric, math.MaxInt32)
		case metric.Highest:
			s.Raise(f.Metric, math.MaxInt32)
		case metric.Distribution:
			for ms := range 20_000 {
				s.Observe(f.Metric, time.Duration(ms)*time.Millisecond)
			}
		}
	}

	s.Flush()

	members := decoded(t, out.String())
	for _, f := range metric.Table() {
		switch value := members[f.Name].(type) {
		case float64:
			if f.Kind == metric.Distribution || value != math.MaxInt32 {
				t.Errorf("%s is %v", f.Name, value)
			}
		case map[string]any:
			values, _ := value["Values"].([]any)
			if f.Kind != metric.Distribution || len(values) > 100 || value["Count"] != 20_000.0 {
				t.Errorf("%s has %d values of %v", f.Name, len(values), value["Count"])
			}
		default:
			t.Errorf("%s is not in the line", f.Name)
		}
	}

	if len(metric.Table()) > 100 || out.Len() > 256<<10 {
		t.Errorf("%d metrics, %d bytes", len(metric.Table()), out.Len())
	}
}

// A latency is told as no less than it was, and as at most an eighth more.
func TestLatencyIsToldWithinAnEighth(t *testing.T) {
	t.Parallel()
	s, _, out := made()

	var before float64
	for ms := range int64(8192) {
		out.Reset()
		s.Observe(metric.ReadLatency, time.Duration(ms)*time.Millisecond)
		s.Flush()

		latency, _ := decoded(t, out.String())["ReadLatency"].(map[string]any)

		told, _ := latency["Max"].(float64)
		if told < float64(ms) || told > float64(ms)*9/8 || told < before {
			t.Fatalf("%d ms is told as %v, after %v", ms, told, before)
		}

		before = told
	}
}

// An instance writes a line a minute, and sooner only after a failure; what nobody recorded is not
// written.
func TestLinesAreRare(t *testing.T) {
	t.Parallel()
	s, clock, out := made()

	lines := func() int { return strings.Count(out.String(), "\n") }
	s.FlushDue()

	if lines() != 0 {
		t.Error("it wrote nothing recorded")
	}

	for range 600 { // ten minutes of calls
		s.Add(metric.Checks, 1)
		s.Observe(metric.CheckLatency, time.Millisecond)
		s.FlushDue()
		clock.at = clock.at.Add(time.Second)
	}

	if lines() != 10 {
		t.Errorf("%d lines in ten minutes", lines())
	}

	s.Flush()
	out.Reset()

	for range 60 { // a minute of failures
		s.Add(metric.Unavailable, 1)
		s.FlushDue()
		clock.at = clock.at.Add(time.Second)
	}

	if lines() != 5 { // the first is ten seconds after the line before
		t.Errorf("%d lines in a minute of failures", lines())
	}

	var sum float64

	s.Flush()

	for line := range strings.Lines(out.String()) {
		n, _ := decoded(t, line)["Unavailable"].(float64)
		sum += n
	}

	if sum != 60 {
		t.Errorf("the lines have %v of 60 failures", sum)
	}

	out.Reset()
	clock.at = clock.at.Add(-time.Hour) // the clock was set back
	s.Add(metric.Checks, 1)
	s.FlushDue()

	if lines() != 1 {
		t.Error("it waits for the clock to catch up")
	}
}

// What is recorded after Turn is told in its own minute, however the lines fall.
func TestMinutesAreKeptApart(t *testing.T) {
	t.Parallel()
	s, clock, out := made()
	begin := clock.at
	want, got := map[int64]float64{}, map[int64]float64{}

	for range 40 { // a call every 55 seconds
		s.Turn()
		s.Add(metric.Checks, 1)
		s.FlushDue()

		want[clock.at.Unix()/60]++
		clock.at = clock.at.Add(55 * time.Second)
	}

	s.Turn()
	s.Flush()

	for line := range strings.Lines(out.String()) {
		members := decoded(t, line)
		at, _ := members["_aws"].(map[string]any)["Timestamp"].(float64)
		n, _ := members["Checks"].(float64)
		got[int64(at)/60_000] += n
	}

	if diff := cmp.Diff(want, got); diff != "" || begin.Equal(clock.at) {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A failure is written at once by FlushSoon, and nothing else is.
func TestFailuresAreWrittenSoon(t *testing.T) {
	t.Parallel()
	s, _, out := made()
	s.Add(metric.JobsDone, 1)
	s.FlushSoon() // the first line
	s.Add(metric.JobsDone, 1)
	s.FlushSoon()
	s.Add(metric.JobsFailed, 1)
	s.FlushSoon()

	if lines := strings.Count(out.String(), "\n"); lines != 2 {
		t.Errorf("%d lines: %s", lines, out)
	}
}

// Nothing is lost at a write, and nothing counts twice.
func TestNothingIsLostBetweenLines(t *testing.T) {
	t.Parallel()
	s, _, out := made()

	const workers, each = 4, 20_000

	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range each {
				s.Add(metric.Checks, 1)
				s.Observe(metric.CheckLatency, time.Millisecond)
			}
		})
	}

	ended := make(chan struct{})
	go func() {
		all.Wait()
		close(ended)
	}()

	for running := true; running; {
		select {
		case <-ended:
			running = false
		default:
		}

		s.Flush()
	}

	var checks, latencies float64
	for line := range strings.Lines(out.String()) {
		members := decoded(t, line)
		n, _ := members["Checks"].(float64)
		checks += n

		if latency, ok := members["CheckLatency"].(map[string]any); ok {
			latencies += latency["Count"].(float64)
		}
	}

	if checks != workers*each || latencies != workers*each {
		t.Errorf("%v checks, %v latencies of %d", checks, latencies, workers*each)
	}
}

// To record takes no memory, so that it is no work for a check.
func TestRecordingAllocatesNothing(t *testing.T) {
	s, _, _ := made()

	for name, of := range map[string]*metric.Set{"a set": s, "none": nil} {
		if n := testing.AllocsPerRun(1000, func() {
			of.Add(metric.Checks, 1)
			of.Add(metric.Unavailable, 1)
			of.Raise(metric.UsageBehind, 5)
			of.Observe(metric.CheckLatency, 7*time.Millisecond)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}

	var none *metric.Set
	none.FlushDue()
	none.Flush()
}

// Each metric has a row at its place, and a name of its own.
func TestTableIsWhole(t *testing.T) {
	t.Parallel()

	var names []string
	for i, f := range metric.Table() {
		if int(f.Metric) != i || f.Name == "" || f.Unit == "" {
			t.Errorf("row %d: %+v", i, f)
		}

		names = append(names, f.Name)
	}

	slices.Sort(names)

	if n := len(names); len(slices.Compact(names)) != n {
		t.Errorf("names are not unique: %v", names)
	}
}

func BenchmarkCheck(b *testing.B) {
	s, _, _ := made()
	b.ReportAllocs()

	for b.Loop() { // what a check records
		s.Add(metric.Checks, 1)
		s.Add(metric.Allowed, 1)
		s.Observe(metric.CheckLatency, 7*time.Millisecond)
		s.Observe(metric.ReadLatency, 3*time.Millisecond)
	}
}
