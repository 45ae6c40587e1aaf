package hot_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/hot"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/usage"
)

var (
	hour9 = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	site  = usage.KeyScope(apikey.Production, "site")
)

// row is what a writer counted: calls allowed by messages:read, and half of them for the customer
// 42.
func row(writer string, sequence, calls int64) usage.Row {
	return usage.Row{
		Scope:    site,
		Hour:     hour9,
		Writer:   writer,
		Sequence: sequence,
		Counts: usage.Counts{
			Cells: map[usage.Cell]int64{
				{Outcome: check.Allowed, Permission: "messages:read"}: calls,
			},
			Customers: map[string]int64{"42": calls / 2},
			APIs:      map[string]int64{"shop": calls},
		},
	}
}

func putRows(t *testing.T, s *hot.Table, rows ...usage.Row) {
	t.Helper()

	for _, r := range rows {
		if err := s.PutUsage(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// calls is how many calls the key has in the hour.
func calls(t *testing.T, s *hot.Table) int64 {
	t.Helper()

	hours, err := s.Usage(t.Context(), site, hour9, hour9.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}

	c := hours[hour9]
	return c.Totals().Allowed
}

func TestUsageRowsReplaceOlderOnesOnly(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	putRows(t, kit.Hot, row("a-1", 2, 20), row("a-1", 1, 10), row("a-1", 2, 20), row("b-1", 1, 5),
		row("a-1", 3, 21))
	other := row("a-1", 1, 99)
	other.Hour = hour9.Add(time.Hour)
	apart := row("a-1", 1, 99)
	apart.Scope.Organization = true
	putRows(t, kit.Hot, other, apart)

	hours, err := kit.Hot.Usage(t.Context(), site, hour9.Add(-time.Hour), hour9.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}

	want := map[time.Time]usage.Counts{
		hour9: {
			Cells: map[usage.Cell]int64{
				{Outcome: check.Allowed, Permission: "messages:read"}: 26,
			},
			Customers: map[string]int64{"42": 12},
			APIs:      map[string]int64{"shop": 26},
		},
	}
	if diff := cmp.Diff(want, hours); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Putting an hour together is cut off at each of its writes, in each way that a write can fail, and
// done again: the sum is the same all the time. Rows that come late, doubled or out of order still
// count, and count once; those of an hour that was folded don't.
func TestCompactUsage(t *testing.T) {
	t.Parallel()

	for name, fault := range map[string]storetest.Fault{
		"not carried out": storetest.Refused,
		"answer lost":     storetest.DropAnswer,
	} {
		for _, fold := range []bool{false, true} {
			for n := 1; n <= 5; n++ {
				t.Run(fmt.Sprintf("%s, fold %v, write %d", name, fold, n), func(t *testing.T) {
					t.Parallel()
					compactCutOff(t, fault, fold, n)
				})
			}
		}
	}
}

func compactCutOff(t *testing.T, fault storetest.Fault, fold bool, n int) {
	kit := storetest.New(t)
	putRows(t, kit.Hot, row("a-1", 3, 30), row("b-1", 1, 8), row("c-1", 7, 4))
	kit.Traffic.Reset()
	writes := 0
	kit.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation != "UpdateItem" && r.Operation != "DeleteItem" {
			return storetest.None
		}

		if writes++; writes > (n-1)+storetest.Attempts || writes < n {
			return storetest.None // the attempts of one write
		}

		return fault
	})
	_ = kit.Hot.CompactUsage(t.Context(), site, hour9, fold) // cut off, or not
	kit.Traffic.Inject(nil)

	if got := calls(t, kit.Hot); got != 42 {
		t.Errorf("cut off: %d calls", got)
	}

	if !fold {
		// an old one that took long, and a late one
		putRows(t, kit.Hot, row("a-1", 2, 29), row("b-1", 2, 9))

		if got := calls(t, kit.Hot); got != 43 {
			t.Errorf("after a late row: %d calls", got)
		}
	}

	for range 2 {
		if err := kit.Hot.CompactUsage(t.Context(), site, hour9, fold); err != nil {
			t.Fatal(err)
		}
	}

	putRows(t, kit.Hot, row("a-1", 3, 30))

	want := map[bool]int64{false: 43, true: 42}[fold]
	if got := calls(t, kit.Hot); got != want {
		t.Errorf("done: %d calls, want %d", got, want)
	}

	if err := kit.Hot.CompactUsage(t.Context(), site, hour9, true); err != nil {
		t.Fatal(err)
	}

	if got, rows := calls(t, kit.Hot), hotRows(t, kit, "production#site"); got != want ||
		len(rows) != 1 {
		t.Errorf("folded: %d calls in the rows %q, want %d in one", got, rows, want)
	}

	putRows(t, kit.Hot, row("z-1", 1, 1000))

	if got := calls(t, kit.Hot); got != want {
		t.Errorf("a row of a folded hour counts: %d calls", got)
	}
}

// Two at once put an hour together: one of them does, and nothing is counted twice.
func TestCompactUsageByTwo(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)
	for i := range 5 {
		putRows(t, kit.Hot, row(fmt.Sprint("a-", i), 1, 10))
	}

	other := kit.Restart()

	done := make(chan error)
	go func() { done <- other.Hot.CompactUsage(t.Context(), site, hour9, false) }()

	if err := errors.Join(kit.Hot.CompactUsage(t.Context(), site, hour9, true),
		<-done); err != nil {
		t.Fatal(err)
	}

	if got := calls(t, kit.Hot); got != 50 {
		t.Errorf("%d calls", got)
	}
}

// Rows that are written while an hour is put together, and others who put it together meanwhile,
// lose nothing.
func TestWrittenWhilePutTogether(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		before    string // which write of the compaction
		meanwhile func(t *testing.T, s *hot.Table)
	}{
		"a row, before rows are removed": {"DeleteItem", func(t *testing.T, s *hot.Table) {
			putRows(t, s, row("a-1", 4, 33), row("b-1", 2, 9))
		}},
		"the hour, before it is written": {"UpdateItem", func(t *testing.T, s *hot.Table) {
			putRows(t, s, row("a-1", 4, 33), row("b-1", 2, 9))

			if err := s.CompactUsage(t.Context(), site, hour9, false); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := storetest.New(t)
			putRows(t, kit.Hot, row("c-1", 1, 1), row("d-1", 1, 1))

			if err := kit.Hot.CompactUsage(t.Context(), site, hour9, false); err != nil {
				t.Fatal(err)
			}

			putRows(t, kit.Hot, row("a-1", 3, 30), row("b-1", 1, 8))
			other, done := kit.Restart(), false
			kit.Traffic.Inject(func(r storetest.Request) storetest.Fault {
				if r.Operation == test.before && !done {
					done = true
					test.meanwhile(t, other.Hot)
				}

				return storetest.None
			})

			if err := kit.Hot.CompactUsage(t.Context(), site, hour9, false); err != nil {
				t.Fatal(err)
			}

			kit.Traffic.Inject(nil)

			if got := calls(t, kit.Hot); got != 44 || !done {
				t.Errorf("%d calls, want 44", got)
			}
		})
	}
}

// A recorder and the upkeep of hours over the real tables.
func TestCompact(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	record := func(n int) {
		for i := range 3 {
			r := usage.NewRecorder(kit.Hot, fmt.Sprint("i", n, i), kit.Clock.Now,
				slog.New(slog.DiscardHandler))
			for range 10 {
				r.Record(usage.Call{
					At:             kit.Clock.Now(),
					Environment:    apikey.Production,
					OrganizationID: "acme",
					KeyID:          "site",
					Outcome:        check.Allowed,
					Permission:     "messages:read",
					RequestID:      "r",
				})
			}

			if err := r.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	record(1)
	kit.Clock.Advance(time.Hour)
	record(2)
	sum := func() (n int64) {
		hours, err := kit.Hot.Usage(t.Context(), site, hour9, hour9.Add(100*time.Hour))
		if err != nil {
			t.Fatal(err)
		}

		for _, c := range hours {
			n += c.Totals().Allowed
		}

		return n
	}

	usageRows := func() (n int) {
		for _, sort := range hotRows(t, kit, "production#site") {
			if len(sort) > 6 && sort[:6] == "usage#" {
				n++
			}
		}

		return n
	}
	if got := usageRows(); got != 6 {
		t.Errorf("%d rows of three instances in two hours", got)
	}

	for _, step := range []struct {
		after time.Duration
		rows  int
	}{{0, 4}, {time.Hour, 2}, {26 * time.Hour, 2}} {
		// the first hour ended half an hour ago, the second goes on
		kit.Clock.Advance(step.after)

		if _, err := usage.Compact(t.Context(), kit.Hot, apikey.Production,
			kit.Clock.Now()); err != nil {
			t.Fatal(err)
		}

		if got := usageRows(); got != step.rows || sum() != 60 {
			t.Errorf("%v later: %d rows with %d calls, want %d rows",
				step.after, got, sum(), step.rows)
		}
	}

	kit.Traffic.Reset()

	if _, err := usage.Compact(t.Context(), kit.Hot, apikey.Production,
		kit.Clock.Now()); err != nil {
		t.Fatal(err)
	}

	if got := kit.Traffic.Count("Query", "UpdateItem", "DeleteItem"); got != 0 {
		t.Errorf("%d reads and writes where all is done", got)
	}
}

func TestLastUses(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	at := kit.Clock.Now()
	use := usage.LastUse{
		Environment: apikey.Staging,
		KeyID:       "k1",
		At:          at,
		SourceIP:    "192.0.2.7",
		UserAgent:   "curl/8",
	}
	older := use
	older.At = at.Add(-time.Second)

	older.UserAgent = "older"
	for _, u := range []usage.LastUse{older, use, older} {
		if err := kit.Hot.PutLastUse(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}

	got, err := kit.Hot.LastUses(t.Context(), &apikey.Key{
		ID:          "k1",
		Environment: apikey.Staging,
	}, &apikey.Key{
		ID:          "k2",
		Environment: apikey.Staging,
	}, &apikey.Key{
		ID:          "k1",
		Environment: apikey.Production,
	})
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(map[string]usage.LastUse{"k1": use}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSecretUse(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	started := kit.Clock.Now()
	source := usage.Source{SourceIP: "192.0.2.7", UserAgent: "job"}

	use := func(writer string, sequence, calls int64, rotation time.Time) usage.SecretUse {
		return usage.SecretUse{
			Environment:  apikey.Production,
			KeyID:        "k1",
			Rotation:     rotation,
			Writer:       writer,
			Sequence:     sequence,
			At:           started.Add(time.Duration(calls) * time.Second),
			OldCalls:     calls,
			RetiredCalls: 1,
			Sources: map[usage.Source]usage.SourceUse{
				source: {Calls: calls + 1, LastAt: started.Add(time.Duration(calls) * time.Second)},
			},
			NewFirstAt: started.Add(time.Minute),
		}
	}
	for _, u := range []usage.SecretUse{
		use("a", 2, 20, started), use("a", 1, 10, started), use("b", 1, 5, started),
		use("c", 1, 99, started.Add(-time.Hour)), use("d", 1, 99, time.Time{}),
	} {
		if err := kit.Hot.PutSecretUse(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}

	got, err := kit.Hot.SecretUse(t.Context(), apikey.Production, "k1", started)
	if err != nil {
		t.Fatal(err)
	}

	want := usage.SecretUse{
		Environment:  apikey.Production,
		KeyID:        "k1",
		Rotation:     started,
		At:           started.Add(20 * time.Second),
		OldCalls:     25,
		RetiredCalls: 2,
		NewFirstAt:   started.Add(time.Minute),
		Sources: map[usage.Source]usage.SourceUse{
			source: {Calls: 27, LastAt: started.Add(20 * time.Second)},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	if got, err := kit.Hot.SecretUse(t.Context(), apikey.Production, "k1",
		time.Time{}); err != nil || got.OldCalls != 99 {
		t.Errorf("without a rotation: %+v, %v", got, err)
	}

	none, err := kit.Hot.SecretUse(t.Context(), apikey.Production, "k2", started)
	if diff := cmp.Diff(usage.SecretUse{
		Environment: apikey.Production,
		KeyID:       "k2",
		Rotation:    started,
	}, none, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("nothing seen: %v\n%s", err, diff)
	}
}

func TestRequestPages(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	now := kit.Clock.Now()
	put := func(id string, at time.Time, change func(*usage.Request)) usage.Request {
		r := usage.Request{
			ID:             id,
			At:             at,
			Environment:    apikey.Production,
			OrganizationID: "acme",
			KeyID:          "k1",
			KeyVersion:     3,
			API:            "demo",
			Method:         "GET",
			Route:          "/x",
			Path:           "/x",
			Outcome:        "expired",
			Permission:     "x:read",
			SourceIP:       "192.0.2.7",
			UserAgent:      "curl/8",
			LatencyMs:      4,
			OldSecret:      true,
			Omitted:        2,
		}
		if change != nil {
			change(&r)
		}

		for range 2 { // a write that comes twice
			if err := kit.Hot.PutRequest(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}

		return r
	}
	put("over", now.Add(-usage.RequestLife-time.Second), nil)
	first := put("1", now.Add(-2*time.Second), nil)
	second := put("2", now.Add(-time.Second), nil)
	third := put("3", now, nil)
	// a client may choose the id of another's call
	other := put("1", now, func(r *usage.Request) { r.KeyID = "k2" })

	var got []usage.Request
	for after, pages := "", 0; ; pages++ {
		page, next, err := kit.Hot.Requests(t.Context(), apikey.Production, "k1", after, 2, now)
		if err != nil || len(page) > 2 || pages > 2 {
			t.Fatalf("page %d of %d: %v", pages, len(page), err)
		}

		got = append(got, page...)

		if after = next; after == "" {
			break
		}
	}

	if diff := cmp.Diff([]usage.Request{third, second, first}, got); diff != "" {
		t.Errorf("the list (-want +got):\n%s", diff)
	}

	if page, _, err := kit.Hot.Requests(t.Context(), apikey.Production, "k2",
		"", 5, now); err != nil || len(page) != 1 || page[0] != other {
		t.Errorf("the other's list: %+v, %v", page, err)
	}

	for id, want := range map[string]*usage.Request{
		"1":        &first,
		"3":        &third,
		"over":     nil,
		"nobody's": nil,
	} {
		r, found, err := kit.Hot.Request(t.Context(), id, now)
		if err != nil || found != (want != nil) || found && r != *want {
			t.Errorf("%s: %+v, %v, %v", id, r, found, err)
		}
	}
}

func TestUsageIsUnavailable(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kit.Traffic.Inject(storetest.Always(storetest.Refused))

	ctx, env := t.Context(), apikey.Production
	for name, call := range map[string]func(*hot.Table) error{
		"PutUsage": func(s *hot.Table) error { return s.PutUsage(ctx, row("a", 1, 1)) },
		"PutJournal": func(s *hot.Table) error {
			return s.PutJournal(ctx, usage.Journal{Environment: env, Hour: hour9, Writer: "a"})
		},
		"PutLastUse": func(s *hot.Table) error {
			return s.PutLastUse(ctx, usage.LastUse{
				Environment: env,
				KeyID:       "k",
			})
		},
		"PutRequest": func(s *hot.Table) error {
			return s.PutRequest(ctx, usage.Request{Environment: env, KeyID: "k", ID: "r"})
		},
		"PutSecretUse": func(s *hot.Table) error {
			return s.PutSecretUse(ctx, usage.SecretUse{
				Environment: env,
				KeyID:       "k",
			})
		},
		"Usages": func(s *hot.Table) error {
			_, err := s.Usages(ctx, []usage.Scope{site}, hour9, hour9.Add(time.Hour))
			return err
		},
		"CompactUsage": func(s *hot.Table) error {
			return s.CompactUsage(ctx, site, hour9, false)
		},
		"Journal": func(s *hot.Table) error { _, err := s.Journal(ctx, env, hour9); return err },
		"Stages": func(s *hot.Table) error {
			_, err := s.Stages(ctx, env, []time.Time{hour9})
			return err
		},
		"SetStage": func(s *hot.Table) error { return s.SetStage(ctx, env, hour9, usage.Folded) },
		"LastUses": func(s *hot.Table) error {
			_, err := s.LastUses(ctx, &apikey.Key{ID: "k", Environment: env})
			return err
		},
		"Requests": func(s *hot.Table) error {
			_, _, err := s.Requests(ctx, env, "k", "", 5, hour9)
			return err
		},
		"Request": func(s *hot.Table) error {
			_, _, err := s.Request(ctx, "r", hour9)
			return err
		},
		"SecretUse": func(s *hot.Table) error {
			_, err := s.SecretUse(ctx, env, "k", hour9)
			return err
		},
	} {
		if err := call(kit.Hot); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}

	kit.Traffic.Inject(storetest.Always(storetest.Invalid))

	if err := kit.Hot.PutUsage(ctx, row("w", 1, 1)); !errors.Is(err, store.ErrRefused) ||
		errors.Is(err, store.ErrUnavailable) {
		t.Errorf("what is wrong: %v", err)
	}
}

// hotRows are the sort keys of a partition of the table hot.
func hotRows(t *testing.T, kit *storetest.Kit, partition string) []string {
	t.Helper()

	sorts, err := kit.HotRows(context.WithoutCancel(t.Context()), partition)
	if err != nil {
		t.Fatal(err)
	}

	return sorts
}
