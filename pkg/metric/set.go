package metric

import (
	"encoding/json"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// When a set is written.
const (
	every        = time.Minute
	afterFailure = 10 * time.Second
)

// Config configures a Set.
type Config struct {
	Stack    string // the stack's name
	Function string // the function's name
	// Level is what Lambda takes for the level of a line, and leaves it out if it is less than the
	// function's: the function's own.
	Level string
	Now   func() time.Time
	Out   io.Writer // takes a line by each call of Write
}

// Set is the metrics of one instance. A nil Set records nothing. It is safe for concurrent use.
type Set struct {
	config Config

	numbers       [number]atomic.Int64
	distributions [number]*histogram
	recorded      atomic.Bool // something is to be written
	failed        atomic.Bool // a failure is

	minute atomic.Int64 // of the numbers, since 1970, if Turn is called

	writing sync.Mutex
	written time.Time
}

// New returns an empty set.
func New(c Config) *Set {
	s := &Set{config: c}
	for _, f := range table {
		if f.Kind == Distribution {
			s.distributions[f.Metric] = new(histogram)
		}
	}

	return s
}

// Add counts n more of a metric whose kind is Sum.
func (s *Set) Add(m Metric, n int64) {
	if s == nil || n == 0 {
		return
	}

	s.numbers[m].Add(n)
	s.note(m)
}

// Raise records a value of a metric whose kind is Highest. Zero is none.
func (s *Set) Raise(m Metric, value int64) {
	if s == nil || value <= 0 {
		return
	}

	for {
		was := s.numbers[m].Load()
		if value <= was || s.numbers[m].CompareAndSwap(was, value) {
			break
		}
	}

	s.note(m)
}

// Observe records a duration of a metric whose kind is Distribution.
func (s *Set) Observe(m Metric, d time.Duration) {
	if s == nil {
		return
	}

	s.distributions[m].add(d.Milliseconds())
	s.note(m)
}

// note remembers that there is something to write. The loads keep instances' cores from taking a
// line of memory from each other at each call.
func (s *Set) note(m Metric) {
	if !s.recorded.Load() {
		s.recorded.Store(true)
	}

	if table[m].Failure && !s.failed.Load() {
		s.failed.Store(true)
	}
}

// Turn is called before something is recorded whose minute matters: what was recorded in an earlier
// minute is written as of that one. Else an alarm that takes one metric from another, by the minute,
// would miss it there.
func (s *Set) Turn() {
	if s == nil {
		return
	}

	minute := s.config.Now().Unix() / 60
	if s.minute.Load() == minute {
		return
	}

	s.writing.Lock()
	defer s.writing.Unlock()

	if was := s.minute.Swap(minute); was != 0 && was < minute && s.recorded.Load() {
		s.flush(time.Unix(was*60+59, 0))
	}
}

// FlushDue writes what was recorded, if it is time.
func (s *Set) FlushDue() {
	if s == nil || !s.recorded.Load() {
		return
	}

	s.writing.Lock()
	defer s.writing.Unlock()

	wait := every
	if s.failed.Load() {
		wait = afterFailure
	}

	if now := s.config.Now(); now.Before(s.written) || now.Sub(s.written) >= wait {
		s.flush(now)
	}
}

// FlushSoon writes at once if something failed, else as FlushDue: for whoever may have no other
// chance for long.
func (s *Set) FlushSoon() {
	if s != nil && s.failed.Load() {
		s.Flush()
		return
	}

	s.FlushDue()
}

// Flush writes what was recorded.
func (s *Set) Flush() {
	if s == nil {
		return
	}

	s.writing.Lock()
	defer s.writing.Unlock()
	s.flush(s.config.Now())
}

func (s *Set) flush(now time.Time) {
	// Before the numbers are taken: what is recorded meanwhile is in this line or in the next one.
	s.recorded.Store(false)
	s.failed.Store(false)

	line, ok := s.line(now)
	if !ok {
		return
	}

	s.written = now
	// There is nowhere to tell of an error: standard output is where logs go, too.
	_, _ = s.config.Out.Write(append(line, '\n'))
}

// directive tells CloudWatch what of a line are metrics.
type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

type definition struct {
	Name string
	Unit Unit
}

// line takes all numbers, and formats them. ok is false if there are none.
func (s *Set) line(now time.Time) (line []byte, ok bool) {
	ofFunction := directive{Namespace, [][]string{{Stack, FunctionName}}, nil}
	ofStack := directive{Namespace, [][]string{{Stack}}, nil}
	members := map[string]any{
		Stack:        s.config.Stack,
		FunctionName: s.config.Function,
		// without a valid time and a level that is kept, Lambda may leave the line out
		"level":     s.config.Level,
		"timestamp": now.UTC().Format("2006-01-02T15:04:05.000Z"),
	}

	for _, f := range table {
		var value any
		if h := s.distributions[f.Metric]; h != nil {
			d, some := h.take()
			if !some {
				continue
			}

			value = d
		} else {
			n := s.numbers[f.Metric].Swap(0)
			// A sum that alarms take from another must not be missing where the other is not.
			if n == 0 && (f.Metric != Unauthorized || members[table[Checks].Name] == nil) {
				continue
			}

			value = n
		}

		members[f.Name] = value

		of := &ofStack
		if f.PerFunction {
			of = &ofFunction
		}

		of.Metrics = append(of.Metrics, definition{f.Name, f.Unit})
	}

	var directives []directive
	for _, d := range []directive{ofFunction, ofStack} {
		if d.Metrics != nil {
			directives = append(directives, d)
		}
	}

	if directives == nil {
		return nil, false
	}

	members["_aws"] = map[string]any{
		"Timestamp":         now.UnixMilli(),
		"CloudWatchMetrics": directives,
	}

	line, err := json.Marshal(members)
	return line, err == nil // numbers and texts always marshal
}
