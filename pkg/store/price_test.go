package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// What an index knows is found at once, whatever stands before it: a key behind many others costs
// one query for each stream, and the read of its row.
func TestListsPassOverNothingThatAnIndexKnows(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kit.MustKey(t, func(k *apikey.Key) {
		k.Owner.ID = "mira"
		k.Environment = apikey.Staging
		k.Customers = []string{"rare"}
	})
	var crowd []store.Write
	// newer; of somebody else, in production, without a customer, personal; and disabled but for
	// the first half
	for i := range 180 {
		k := kit.Key(t)
		k.CreatedAt = k.CreatedAt.Add(time.Duration(i+1) * time.Second)
		k.Ownership = apikey.Personal
		k.Owner.ID = "eve"
		k.Enabled = i < 90
		crowd = append(crowd, kit.Store.PutKey(t.Context(), k, 0))
	}

	for _, part := range [][]store.Write{crowd[:90], crowd[90:]} {
		if err := kit.Store.Commit(t.Context(), part...); err != nil {
			t.Fatal(err)
		}
	}

	for _, status := range []apikey.Status{"", apikey.Active} {
		for i, f := range []store.Filter{
			{
				Environment: apikey.Staging,
			},
			{
				Ownership: apikey.Organization,
			},
			{
				Owner: "mira",
			},
			{
				Customer: "rare",
			},
			{
				Viewer: "bob",
			},
			{
				Viewer:      "mira",
				Environment: apikey.Staging,
			},
			{
				Owner:       "mira",
				Environment: apikey.Staging,
				Customer:    "rare",
			},
		} {
			kit.Traffic.Reset()
			f.Status = status

			page, next, err := kit.Store.Keys(t.Context(), "acme", f, "", 1, kit.Clock.Now())
			if err != nil || len(page) != 1 || next != "" || page[0].Environment != apikey.Staging {
				t.Errorf("%d, status %q: %d keys, next %q, %v", i, status, len(page), next, err)
			}

			if got := kit.Traffic.Count(); got > 3 {
				t.Errorf("%d, status %q: %s", i, status,
					fmt.Sprint(storetest.Operations(kit.Traffic.Requests())))
			}
		}
	}

	// A live key behind those that are disabled, and the other way round.
	for _, status := range []apikey.Status{apikey.Active, apikey.Inactive} {
		kit.Traffic.Reset()

		page, _, err := kit.Store.Keys(t.Context(), "acme", store.Filter{
			Status:      status,
			Owner:       "eve",
			OldestFirst: status == apikey.Inactive,
		}, "", 1, kit.Clock.Now())
		if err != nil || len(page) != 1 || kit.Traffic.Count() > 3 {
			t.Errorf("%s: %d keys for %d reads, %v", status, len(page), kit.Traffic.Count(), err)
		}
	}
}

// The costs in docs/operations.md count these: each index that an item stands in is a write of its
// own.
func TestWhatAKeyStandsIn(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kit.MustKey(t, func(k *apikey.Key) { k.Name = "for ever" })
	kit.MustKey(t, func(k *apikey.Key) {
		k.Name = "for a day"
		k.ExpiresAt = kit.Clock.Now().Add(24 * time.Hour)
	})

	table, err := kit.Client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{
		TableName: &kit.CoreTable,
	})
	if err != nil {
		t.Fatal(err)
	}

	got := map[string]int{}
	for _, item := range kit.Items(t) {
		name, _ := item["name"].(*types.AttributeValueMemberS)
		if name == nil {
			continue
		}

		for _, index := range table.Table.GlobalSecondaryIndexes {
			if !slices.ContainsFunc(index.KeySchema, func(k types.KeySchemaElement) bool {
				return item[*k.AttributeName] == nil
			}) {
				got[name.Value]++
			}
		}
	}

	if diff := cmp.Diff(map[string]int{"for ever": 8, "for a day": 9}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
