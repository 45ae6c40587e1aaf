package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// What one partition of DynamoDB takes in a second.
const (
	partitionReads  = 3000
	partitionWrites = 1000
)

// errThrottled is what a partition answers that had enough.
var errThrottled = errors.New("throttled")

// partitions is a usage.Writer that counts the writes of each partition and second, as the table
// hot has them, and takes no more than DynamoDB.
type partitions struct {
	mu      sync.Mutex
	second  int64
	now     map[string]int // written in this second
	most    map[string]int // in the worst second, by kind of partition
	written int
	refused int
	counted map[usage.Scope]map[string]int64 // the last row of each writer: its calls
	late    time.Duration                    // the longest time from a refused row to its writing
	waiting map[string]int64                 // when a writer's row was first refused
}

func newPartitions() *partitions {
	return &partitions{
		now: map[string]int{}, most: map[string]int{}, waiting: map[string]int64{},
		counted: map[usage.Scope]map[string]int64{},
	}
}

// at moves on to a time.
func (p *partitions) at(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if now.Unix() != p.second {
		p.second = now.Unix()
		clear(p.now)
	}
}

// take writes to a partition, unless it had enough in this second. The caller holds the lock.
func (p *partitions) take(kind, partition string) error {
	if p.now[kind+partition] >= partitionWrites {
		p.refused++
		return errThrottled
	}

	p.now[kind+partition]++
	p.written++
	p.most[kind] = max(p.most[kind], p.now[kind+partition])

	return nil
}

func (p *partitions) PutUsage(_ context.Context, row usage.Row) error {
	p.mu.Lock()
	defer p.mu.Unlock()

	kind := "key"
	if row.Scope.Organization {
		kind = "organization"
	}

	name := fmt.Sprint(row.Scope, row.Writer)
	if err := p.take(kind, fmt.Sprint(row.Scope)); err != nil {
		if p.waiting[name] == 0 {
			p.waiting[name] = p.second
		}

		return err
	}

	if since := p.waiting[name]; since > 0 {
		p.late = max(p.late, time.Duration(p.second-since)*time.Second)
		delete(p.waiting, name)
	}

	if p.counted[row.Scope] == nil {
		p.counted[row.Scope] = map[string]int64{}
	}

	var calls int64
	for _, n := range row.Counts.Cells {
		calls += n
	}

	p.counted[row.Scope][row.Writer] = calls

	return nil
}

func (p *partitions) PutJournal(_ context.Context, j usage.Journal) error {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.take("journal", j.Hour.String())
}

func (p *partitions) PutLastUse(_ context.Context, use usage.LastUse) error {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.take("key", fmt.Sprint(usage.KeyScope(use.Environment, use.KeyID)))
}

// PutRequest is two writes: the list of the key, and the request's own partition.
func (p *partitions) PutRequest(_ context.Context, r usage.Request) error {
	p.mu.Lock()
	defer p.mu.Unlock()

	if err := p.take("key", fmt.Sprint(usage.KeyScope(r.Environment, r.KeyID))); err != nil {
		return err
	}

	return p.take("request", r.ID)
}

func (p *partitions) PutSecretUse(_ context.Context, row usage.SecretUse) error {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.take("key", row.KeyID)
}

// calls returns how many calls of a scope are counted.
func (p *partitions) calls(s usage.Scope) (sum int64) {
	for _, n := range p.counted[s] {
		sum += n
	}

	return sum
}

// traffic is calls of an organization's keys, in turn, at instances, in turn.
type traffic struct {
	keys, instances int
	rate            int // calls a second, together
	lasts           time.Duration
}

// count lets instances count the traffic, and returns what they wrote.
func (f traffic) count(t *testing.T) *partitions {
	t.Helper()

	now := time.Date(2026, 11, 24, 9, 59, 40, 0, time.UTC) // an hour ends meanwhile
	table := newPartitions()
	fleet := make([]*usage.Recorder, 0, f.instances)

	for n := range f.instances {
		fleet = append(fleet, usage.NewRecorder(table, fmt.Sprint("i", n),
			func() time.Time { return now }, slog.New(slog.DiscardHandler)))
	}

	random := rand.New(rand.NewPCG(5, 5))

	calls := f.rate * int(f.lasts.Seconds())
	for n := range calls {
		now = now.Add(time.Second / time.Duration(f.rate))
		table.at(now)

		r := fleet[n%len(fleet)]
		r.Record(usage.Call{
			At:             now,
			Environment:    apikey.Production,
			OrganizationID: "acme",
			KeyID:          fmt.Sprint("key", n*7919%f.keys),
			KeyVersion:     1,
			Outcome:        check.Allowed,
			Permission:     "messages:read",
			Secret:         apikey.Current,
			RequestID:      strconv.FormatUint(random.Uint64(), 36),
			API:            "demo",
			Method:         "GET",
			Route:          "/messages",
			Path:           "/messages",
			SampleRate:     usage.DefaultSampleRate,
		})

		_ = r.FlushDue(t.Context())
	}

	// it ends in good order, however long that takes
	for _, r := range fleet {
		for r.Flush(t.Context()) != nil {
			now = now.Add(time.Second)
			table.at(now)
		}
	}

	return table
}

// One key, or all keys of one organization, at 10,000 calls a second: what each partition is asked
// for in its worst second. Where that is more than it takes, counts are late, and none is lost.
func TestOneKeyAtTenThousandCalls(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		traffic

		late    time.Duration // at most
		refused int           // at most
	}{
		{traffic{1, 50, 10_000, time.Minute}, 0, 0},
		{traffic{1, 100, 10_000, time.Minute}, 0, 500},
		// at first all log ten calls each, and if they came back together they would never stop
		{traffic{1, 400, 10_000, time.Minute}, 40 * time.Second, 20_000},
		{traffic{100, 100, 10_000, time.Minute}, 20 * time.Second, 1000},
		// a call a minute of each key, which is written at once, with one row of the organization
		{traffic{120_000, 40, 2000, time.Minute}, time.Minute, 20_000},
	} {
		t.Run(fmt.Sprintf("%d keys at %d instances", test.keys, test.instances), func(t *testing.T) {
			t.Parallel()

			got := test.count(t)
			calls := int64(test.rate) * int64(test.lasts.Seconds())
			t.Logf("%.3f writes a call; in the worst second %v; %d refused, at most %v late",
				float64(got.written)/float64(calls), got.most, got.refused, got.late)

			if counted := got.calls(usage.OrganizationScope(apikey.Production, "acme")); counted != calls {
				t.Errorf("%d calls are counted, of %d", counted, calls)
			}

			if got.late > test.late || got.refused > test.refused {
				t.Errorf("counts are %v late, and %d writes were refused", got.late, got.refused)
			}
		})
	}
}
