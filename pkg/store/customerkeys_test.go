package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// keysOf reads all keys of a customer, page by page.
func keysOf(t *testing.T, kit *storetest.Kit, customer string, limit int) (ids []string) {
	t.Helper()

	for after, more := "", true; more; more = after != "" {
		page, next, err := kit.Store.KeysOfCustomer(t.Context(), "acme", customer, after, limit)
		if err != nil {
			t.Fatal(err)
		}

		for _, k := range page {
			ids = append(ids, k.ID)
		}

		after = next
	}

	slices.Sort(ids)
	return ids
}

func TestKeysOfCustomer(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	keys := fill(t, kit, "acme", 60)
	fill(t, kit, "globex", 10)
	check := func(when string) {
		t.Helper()

		for _, customer := range append(customers, "nobody") {
			want := storetest.Shown(keys, store.Filter{Customer: customer}, kit.Clock.Now())
			slices.Sort(want)

			for _, limit := range []int{3, 200} {
				if diff := gocmp.Diff(want,
					append([]string{}, keysOf(t, kit, customer, limit)...)); diff != "" {
					t.Errorf("%s, customer %s (-want +got):\n%s", when, customer, diff)
				}
			}

			if diff := gocmp.Diff(storetest.Shown(keys, store.Filter{
				Customer: customer,
			}, kit.Clock.Now()), walk(t, kit.Store, "acme", store.Filter{
				Customer: customer,
			}, 7, kit.Clock.Now())); diff != "" {
				t.Errorf("%s, list of customer %s (-want +got):\n%s", when, customer, diff)
			}
		}
	}
	check("at first")

	items := len(kit.Items(t))
	for i, k := range keys {
		keys[i] = kit.MustChange(t, k, func(k *apikey.Key) {
			k.Customers = customers[i%len(customers):][:1]
		})
	}

	check("after each was given one customer")

	for i, k := range keys {
		keys[i] = kit.MustChange(t, k, func(k *apikey.Key) { k.Customers = nil })
	}

	check("after all were freed")

	if got := len(kit.Items(t)); got >= items {
		t.Errorf("%d items are left of %d", got, items)
	}

	kit.Traffic.Reset()
	keysOf(t, kit, "42", 10)

	if body := string(kit.Traffic.Requests("Query")[0].Body); !strings.Contains(body,
		`"ConsistentRead":true`) {
		t.Errorf("it may lag: %s", body)
	}

	kit.Traffic.Inject(storetest.Always(storetest.Broken, "Query"))

	if page, _, err := kit.Store.KeysOfCustomer(t.Context(), "acme", "42",
		"", 10); !errors.Is(err, store.ErrUnavailable) || page != nil {
		t.Errorf("%v, %v", page, err)
	}
}

// Whoever adds an item of a key to a customer by hand widens nothing and hides nothing: the row
// says what the key is.
func TestCustomerKeysAreNotBelieved(t *testing.T) {
	t.Parallel()
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	kit := storetest.New(t)
	k, _ := kit.MustKey(t, func(k *apikey.Key) { k.Customers = []string{"42"} })
	other, _ := kit.MustKey(t, func(k *apikey.Key) {
		k.OrganizationID = "globex"
		k.Customers = []string{"42"}
	})

	place := "customerKeys#acme#42"
	for _, id := range []string{"1111111111111111", other.ID} {
		forged := with(kit.Item(t, place, "production#"+k.ID), "sk", text("production#"+id))
		kit.Put(t, forged)
	}

	personal, _ := kit.MustKey(t, func(k *apikey.Key) {
		k.Ownership = apikey.Personal
		k.Owner.ID = "eve"
		k.Customers = []string{"44"}
	})
	kit.Put(t,
		with(kit.Item(t, "customerKeys#acme#44", "production#"+personal.ID), "listPk",
			text("keys#acme#44#organization")))

	if got := walk(t, kit.Store, "acme", store.Filter{
		Customer: "44",
		Viewer:   "bob",
	}, 10, kit.Clock.Now()); len(got) != 0 {
		t.Errorf("bob sees %v, which is eve's", got)
	}

	forged := with(kit.Item(t, place, "production#"+k.ID), "pk", text("customerKeys#acme#43"))
	kit.Put(t, with(forged, "listPk", text("keys#acme#43#organization")))

	for customer, want := range map[string][]string{"42": {k.ID}, "43": {}} {
		if diff := gocmp.Diff(want,
			append([]string{}, keysOf(t, kit, customer, 10)...)); diff != "" {
			t.Errorf("customer %s (-want +got):\n%s", customer, diff)
		}

		if diff := gocmp.Diff(want, walk(t, kit.Store, "acme", store.Filter{
			Customer: customer,
		}, 10, kit.Clock.Now())); diff != "" {
			t.Errorf("list of customer %s (-want +got):\n%s", customer, diff)
		}
	}
}

// All customers of a key can be changed at once: the transaction has room for what goes with it.
func TestAllCustomersChangeAtOnce(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	all := func(letter string) (out []string) {
		for i := range store.MaxCustomers {
			out = append(out, fmt.Sprintf("%s%d", letter, i))
		}

		return out
	}
	k, _ := kit.MustKey(t, func(k *apikey.Key) { k.Customers = all("a") })
	after := k.Clone()
	after.Customers = all("b")
	after.Version = 2
	writes := append(kit.Store.LeaveCustomers(k, after), kit.Store.PutKey(t.Context(), after, 1))
	// a history entry, a receipt, a member and the looks at customers
	if got, most := store.CountItems(writes...), store.MaxItems-3-store.MaxCustomers; got > most {
		t.Errorf("%d items, want at most %d", got, most)
	}

	if err := kit.Store.Commit(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}

	if a, b := keysOf(t, kit, "a0", 10), keysOf(t, kit, "b29", 10); len(a) != 0 || len(b) != 1 {
		t.Errorf("%v %v", a, b)
	}

	// On a version that is gone, nothing is written.
	stale := append(kit.Store.LeaveCustomers(after, k), kit.Store.PutKey(t.Context(), k, 1))
	if err := kit.Store.Commit(t.Context(), stale...); !errors.Is(err, apikey.ErrStale) {
		t.Errorf("%v", err)
	}

	if a, b := keysOf(t, kit, "a0", 10), keysOf(t, kit, "b29", 10); len(a) != 0 || len(b) != 1 {
		t.Errorf("%v %v", a, b)
	}
}
