package hot_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// many makes n texts of a length that differ at their end.
func many(n, length int) (out []string) {
	for i := range n {
		out = append(out, strings.Repeat("a", length-4)+fmt.Sprintf("%04d", i))
	}

	return out
}

// What is as large as it may be is written.
func TestLargestItemsFit(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	s, now := kit.Hot, kit.Clock.Now()
	scope := usage.OrganizationScope(apikey.Production, strings.Repeat("o", 39))

	counts := usage.Counts{
		Cells:     map[usage.Cell]int64{},
		Customers: map[string]int64{},
		APIs:      map[string]int64{},
	}
	for _, name := range many(101, 65) {
		counts.Cells[usage.Cell{
			Outcome:    "customer_not_allowed",
			Permission: name,
		}] = 1 << 60
		counts.Customers[name[1:]] = 1 << 60
		counts.APIs[name[33:]] = 1 << 60
	}

	use := usage.SecretUse{
		Environment: apikey.Production,
		KeyID:       "k",
		Writer:      "w",
		Sequence:    1,
		At:          now,
		OldCalls:    1 << 60,
		Sources:     map[usage.Source]usage.SourceUse{},
	}
	for i := range 21 {
		use.Sources[usage.Source{
			SourceIP:  fmt.Sprint(i),
			UserAgent: strings.Repeat("g", 256),
		}] = usage.SourceUse{
			Calls:  1 << 60,
			LastAt: now,
		}
	}

	scopes := slices.Repeat([]usage.Scope{scope}, usage.MaxScopes)
	page := usage.Page{
		Environment: apikey.Production,
		KeyID:       "k",
		Slot:        now,
		Version:     1,
		IDs:         make([]byte, 8*usage.PageIDs),
	}

	row := usage.Row{
		Scope:    scope,
		Hour:     now,
		Writer:   "w-1",
		Sequence: 1,
		Counts:   counts,
	}
	for name, err := range map[string]error{
		"usage":      s.PutUsage(t.Context(), row),
		"secret use": s.PutSecretUse(t.Context(), use),
		"journal": s.PutJournal(t.Context(), usage.Journal{
			Environment: apikey.Production,
			Hour:        now,
			Writer:      "w",
			Scopes:      scopes,
		}),
		"counted": s.Count(t.Context(), []usage.Page{page}, nil, nil),
		"a last use": s.PutLastUse(t.Context(), usage.LastUse{
			Environment: apikey.Production,
			KeyID:       "k",
			At:          now,
			SourceIP:    "::1",
			UserAgent:   strings.Repeat("g", 256),
		}),
		"a call": s.PutRequest(t.Context(), usage.Request{
			ID:          strings.Repeat("r", 128),
			At:          now,
			Environment: apikey.Production,
			KeyID:       "k",
			Path:        strings.Repeat("p", 1024),
			Route:       strings.Repeat("p", 200),
		}),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	items := kit.Stored(t, kit.HotTable)
	for _, item := range items {
		if n := dynamo.Size(item); n > dynamo.MaxItem {
			t.Errorf("%v: %d bytes", dynamo.KeyOf(item), n)
		}
	}

	if len(items) < 7 {
		t.Errorf("only %d items were written", len(items))
	}
}

// crowd writes the rows of many writers in an hour, each with as many customers and permissions of
// its own as a row tells apart, with one call of each; and returns how many calls of customers that
// makes.
func crowd(t *testing.T, kit *storetest.Kit, scope usage.Scope, writers int) (calls int64) {
	t.Helper()

	for w := range writers {
		counts := usage.Counts{
			Cells:     map[usage.Cell]int64{},
			Customers: map[string]int64{"regular": 10},
			APIs:      map[string]int64{"shop": 20},
		}
		for i := range 100 {
			counts.Cells[usage.Cell{
				Outcome:    check.Allowed,
				Permission: fmt.Sprintf("%s:p%d-%d", strings.Repeat("r", 31), w, i),
			}] = 1
			counts.Customers[fmt.Sprintf("%060d", w*100+i)] = 1
			counts.APIs[fmt.Sprintf("a%031d", w*100+i)] = 1
		}

		counts.Cells[usage.Cell{Outcome: "expired"}] = 7
		calls += 110
		putRows(t, kit.Hot, usage.Row{
			Scope:    scope,
			Hour:     hour9,
			Writer:   fmt.Sprintf("w-%04d", w),
			Sequence: 1,
			Counts:   counts,
		})
	}

	return calls
}

// What many writers counted of many customers and permissions is put together all the same, in
// items that fit. Totals stay exact, no customer has more calls than it made, and what has the most
// is told apart.
func TestCompactManyCustomers(t *testing.T) {
	t.Parallel()

	for _, scope := range []usage.Scope{site, usage.OrganizationScope(apikey.Production, "acme")} {
		kit := storetest.New(t)
		const writers = 130
		customers := crowd(t, kit, scope, writers)
		check := func(when string) (rows int) {
			t.Helper()

			hours, err := kit.Hot.Usage(t.Context(), scope, hour9, hour9.Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}

			c := hours[hour9]
			if got := c.Totals(); got.Allowed != writers*100 || got.Denied != writers*7 {
				t.Errorf("%s: %+v", when, got)
			}

			var sum int64
			for name, n := range c.Customers {
				if sum += n; n > 1 && name != usage.Others && name != "regular" {
					t.Errorf("%s: customer %s has %d calls", when, name, n)
				}
			}

			if sum != customers || c.Customers["regular"] != writers*10 ||
				len(c.Customers) > 1001 || len(c.Cells) > 1012 || len(c.APIs) > 1001 ||
				c.APIs["shop"] != writers*20 {
				t.Errorf("%s: %d calls of %d customers, %d of the regular one; %d cells", when, sum,
					len(c.Customers), c.Customers["regular"], len(c.Cells))
			}

			for _, item := range kit.Stored(t, kit.HotTable) {
				if rows++; dynamo.Size(item) > dynamo.MaxItem {
					t.Errorf("%s: an item of %d bytes", when, dynamo.Size(item))
				}
			}

			return rows
		}
		check("written")

		for _, fold := range []bool{false, true} {
			for range 2 { // repeating it changes nothing
				if err := kit.Hot.CompactUsage(t.Context(), scope, hour9, fold); err != nil {
					t.Fatal(err)
				}

				rows := check(fmt.Sprintf("folded %v", fold))
				if fold && rows != 1 || !fold && rows > writers-10 {
					t.Errorf("folded %v: %d rows are left", fold, rows)
				}
			}

			// a row that comes late counts, whether its writer's part was taken in or not
			if !fold {
				late := usage.Counts{Cells: map[usage.Cell]int64{{Outcome: "expired"}: 0}}
				for _, writer := range []string{"w-0000", "w-0129"} {
					putRows(t, kit.Hot, usage.Row{
						Scope:    scope,
						Hour:     hour9,
						Writer:   writer,
						Sequence: 1,
						Counts:   late,
					}) // an old one
				}

				check("after rows that came twice")
			}
		}
	}
}

// An hour that cannot be put together for one key is put together for all others, as are other
// hours; what fails is told.
func TestCompactPassesOver(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	var scopes []usage.Scope
	for _, id := range []string{"first", "damaged", "last"} {
		scopes = append(scopes, usage.KeyScope(apikey.Production, id))
	}

	for _, hour := range []time.Time{hour9, hour9.Add(time.Hour)} {
		for _, scope := range scopes {
			for _, writer := range []string{"a-1", "b-1"} {
				r := row(writer, 1, 2)
				r.Scope = scope
				r.Hour = hour
				putRows(t, kit.Hot, r)
			}
		}

		if err := kit.Hot.PutJournal(t.Context(), usage.Journal{
			Environment: apikey.Production,
			Hour:        hour,
			Writer:      "a-2",
			Scopes:      scopes,
		}); err != nil {
			t.Fatal(err)
		}
	}

	kit.PutHot(t, "production#damaged", "usage#2026-11-24T09#c-1", map[string]any{"cells": "none"})
	kit.PutHot(t, "production#journal#2026-11-24T09", "c-2", map[string]any{"scopes": 7})
	kit.Clock.Set(hour9.Add(4 * time.Hour))

	left := func() (out []string) {
		for _, scope := range scopes {
			for _, sort := range hotRows(t, kit, "production#"+scope.ID) {
				if strings.Count(sort, "#") == 2 {
					out = append(out, scope.ID+" "+sort)
				}
			}
		}

		return out
	}

	done, err := usage.Compact(t.Context(), kit.Hot, apikey.Production, kit.Clock.Now())
	if !errors.Is(err, usage.ErrStuck) || !strings.Contains(fmt.Sprint(err), "2026-11-24T09") {
		t.Errorf("%d hours, %v", done, err)
	}

	want := []string{
		"damaged usage#2026-11-24T09#a-1", "damaged usage#2026-11-24T09#b-1",
		"damaged usage#2026-11-24T09#c-1",
	}
	if got := left(); !slices.Equal(got, want) {
		t.Errorf("left are %q", got)
	}

	// What is stuck holds up no later run.
	if _, err := usage.Compact(t.Context(), kit.Hot, apikey.Production,
		kit.Clock.Now()); err != nil {
		t.Error(err)
	}

	kit.Clock.Advance(24 * time.Hour)

	if _, err := usage.Compact(t.Context(), kit.Hot, apikey.Production,
		kit.Clock.Now()); !errors.Is(err, usage.ErrStuck) {
		t.Errorf("folded: %v", err)
	}

	folded := 0
	for _, item := range kit.HotItems(t) {
		if is, _ := item["folded"].(*types.AttributeValueMemberBOOL); is != nil && is.Value {
			folded++
		}
	}

	if folded != 5 { // two scopes in two hours, and the damaged one's other hour
		t.Errorf("%d hours are folded", folded)
	}
}

// What may succeed the next time is tried again then, and keeps nothing else from its turn.
func TestCompactTriesAgain(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	scopes := []usage.Scope{
		usage.KeyScope(apikey.Production, "one"), usage.KeyScope(apikey.Production, "two"),
	}
	for _, scope := range scopes {
		for _, writer := range []string{"a-1", "b-1"} {
			r := row(writer, 1, 2)
			r.Scope = scope
			putRows(t, kit.Hot, r)
		}
	}

	if err := kit.Hot.PutJournal(t.Context(), usage.Journal{
		Environment: apikey.Production,
		Hour:        hour9,
		Writer:      "a-2",
		Scopes:      scopes,
	}); err != nil {
		t.Fatal(err)
	}

	kit.Clock.Set(hour9.Add(2 * time.Hour))
	kit.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation == "Query" && strings.Contains(string(r.Body), "production#one") {
			return storetest.Throttled
		}

		return storetest.None
	})

	done, err := usage.Compact(t.Context(), kit.Hot, apikey.Production, kit.Clock.Now())
	if err == nil || errors.Is(err, usage.ErrStuck) {
		t.Errorf("%d hours, %v", done, err)
	}

	if rows := hotRows(t, kit, "production#two"); len(rows) != 1 {
		t.Errorf("two has the rows %q", rows)
	}

	kit.Traffic.Inject(nil)

	if done, err := usage.Compact(t.Context(), kit.Hot, apikey.Production,
		kit.Clock.Now()); err != nil || done != 1 {
		t.Errorf("%d hours, %v", done, err)
	}

	if rows := hotRows(t, kit, "production#one"); len(rows) != 1 {
		t.Errorf("one has the rows %q", rows)
	}
}
