package store_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

func TestOrganizationRoundTrip(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	want := &organization.Organization{
		ID:        "acme",
		Name:      "Acme & Söhne",
		CreatedAt: kit.Clock.Now(),
		Version:   1,
		Settings: organization.Settings{
			OrganizationKeysBy: "members",
			PersonalKeysBy:     "nobody",
			MemberPermissions:  []string{"messages:read"},
			DefaultPermissions: []string{"messages:write"},
			LongestLife: map[apikey.Environment]time.Duration{
				apikey.Production: 365 * 24 * time.Hour,
			},
			LegacyKeysAccepted: true,
			AllowedAddresses:   []string{"192.0.2.0/24"},
			SampleRequests:     0.1,
		},
	}
	if _, err := kit.Store.Organization(t.Context(),
		"acme"); !errors.Is(err, organization.ErrNotFound) {
		t.Errorf("before: %v", err)
	}

	put := func(replaces int64) error {
		return kit.Store.Commit(t.Context(), kit.Store.PutOrganization(want, replaces))
	}
	if err := put(0); err != nil {
		t.Fatal(err)
	}

	if err := put(0); !errors.Is(err, organization.ErrExists) {
		t.Errorf("twice: %v", err)
	}

	want.Version = 2
	want.Name = "Acme"

	if err := put(7); !errors.Is(err, organization.ErrStale) {
		t.Errorf("stale: %v", err)
	}

	if err := put(1); err != nil {
		t.Error(err)
	}

	got, err := kit.Restart().Store.Organization(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-stored +read):\n%s", diff)
	}

	// What is absent stays absent: an empty list would be another setting.
	plain := &organization.Organization{
		ID:       "globex",
		Settings: organization.DefaultSettings(),
		Version:  1,
	}
	if err := kit.Store.Commit(t.Context(), kit.Store.PutOrganization(plain, 0)); err != nil {
		t.Fatal(err)
	}

	if got, err := kit.Store.Organization(t.Context(), "globex"); err != nil ||
		got.Settings.MemberPermissions != nil || got.Settings.DefaultPermissions != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCatalogueRoundTrip(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)
	if got, version, err := kit.Store.Catalogue(t.Context(), apikey.Production); got != nil ||
		version != 0 || err != nil {
		t.Errorf("before: %v, %d, %v", got, version, err)
	}

	want := []permission.Permission{{
		Name:        "messages:write",
		Title:       "Write <messages>",
		Description: "d",
		Default:     true,
		Publishable: true,
		Routes:      []permission.Route{{API: "*", Method: "POST", Path: "/messages"}},
	}}
	for version := range int64(3) {
		kit.MustCatalogue(t, want...)

		got, now, err := kit.Restart().Store.Catalogue(t.Context(), apikey.Production)
		if err != nil || now != version+1 {
			t.Fatal(now, err)
		}

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-stored +read):\n%s", diff)
		}
	}

	for _, replaces := range []int64{0, 2, 4} {
		if err := kit.Store.Commit(t.Context(),
			kit.Store.PutCatalogue(t.Context(), want, replaces)); !errors.Is(err,
			store.ErrCatalogueStale) {
			t.Errorf("in place of version %d: %v", replaces, err)
		}
	}

	kit.Traffic.Reset()

	if _, _, err := kit.Store.Catalogue(t.Context(), apikey.Production); err != nil ||
		kit.Traffic.Count() != 1 {
		t.Errorf("%d requests, %v", kit.Traffic.Count(), err)
	}
}

func TestReceipts(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	now := kit.Clock.Now()
	want := store.Receipt{
		ID:        "r",
		Body:      []byte("hash"),
		Status:    201,
		Answer:    []byte(`{"key":1}`),
		ETag:      `"1"`,
		Location:  "/v1/x",
		ExpiresAt: now.Add(store.ReceiptLife).Unix(),
	}
	read := func(at time.Time) *store.Receipt {
		t.Helper()

		got, err := kit.Store.Receipt(t.Context(), "r", at)
		if err != nil {
			t.Fatal(err)
		}

		return got
	}
	keep := func(r store.Receipt, at time.Time) error {
		return kit.Store.Commit(t.Context(), kit.Store.Keep(r, at))
	}

	if got := read(now); got != nil {
		t.Errorf("before: %v", got)
	}

	if err := keep(want, now); err != nil {
		t.Fatal(err)
	}

	ends := now.Add(store.ReceiptLife)
	for name, at := range map[string]time.Time{
		"at once":            now,
		"in the last second": ends.Add(-time.Second),
	} {
		if diff := cmp.Diff(&want, read(at)); diff != "" {
			t.Errorf("%s (-stored +read):\n%s", name, diff)
		}

		if err := keep(want, at); !errors.Is(err, store.ErrReceipt) {
			t.Errorf("%s, kept again: %v", name, err)
		}
	}

	// TTL removes it later than that: an ended one is none, and makes way for another.
	if got := read(ends); got != nil {
		t.Errorf("after its end: %v", got)
	}

	want.Status = 409
	if err := keep(want, ends); err != nil {
		t.Error(err)
	}
}

func TestHistoryIsWrittenOnce(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	e := history.Entry{
		ID:             "e",
		At:             kit.Clock.Now(),
		Action:         "key.updated",
		OrganizationID: "acme",
		Actor:          apikey.Actor{Type: apikey.ActorKey, ID: "k", KeyName: "CI"},
		Object:         history.Object{Type: "key", ID: "7Qm2Xb0aVd91KtZs", Name: "Main"},
		Changes: []history.FieldChange{{
			Field:  "name",
			Before: "a",
			After:  []string{"b"},
		}, {
			Field: "quota",
		}},
		Reason: "r",
	}
	if err := kit.Store.Commit(t.Context(), kit.Store.Append(e)); err != nil {
		t.Fatal(err)
	}

	before := kit.Items(t)

	e.Reason = "another"
	if err := kit.Store.Commit(t.Context(),
		kit.Store.Append(e)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("twice: %v", err)
	}

	if !reflect.DeepEqual(before, kit.Items(t)) || len(before) != 1 {
		t.Errorf("%v became %v", before, kit.Items(t))
	}
}

func TestPeppers(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	want := map[int]pepper.Wrapped{}
	for _, version := range []int{1, 2, 12} {
		want[version] = pepper.Wrapped{
			Version:    version,
			Ciphertext: []byte{byte(version)},
			CreatedAt:  kit.Clock.Now(),
		}
		if err := kit.Peppers.AddPepper(t.Context(), apikey.Production, want[version]); err != nil {
			t.Fatal(err)
		}

		if err := kit.Peppers.AddPepper(t.Context(), apikey.Production,
			want[version]); !errors.Is(err, pepper.ErrExists) {
			t.Errorf("version %d twice: %v", version, err)
		}
	}

	read, err := kit.Peppers.Peppers(t.Context(), apikey.Production)
	if err != nil {
		t.Fatal(err)
	}

	got := map[int]pepper.Wrapped{}
	for _, w := range read {
		got[w.Version] = w
	}

	if diff := cmp.Diff(want, got); diff != "" || len(read) != len(want) {
		t.Errorf("(-stored +read):\n%s", diff)
	}

	if got, err := kit.Peppers.Peppers(t.Context(), apikey.Staging); len(got) != 0 || err != nil {
		t.Errorf("staging: %v, %v", got, err)
	}
}

// A version that is retired leaves a note: its number is taken, and nothing is verified by it.
func TestRetiredPepper(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	made := kit.Clock.Now()

	for version := 1; version <= 3; version++ {
		if err := kit.Peppers.AddPepper(t.Context(), apikey.Staging, pepper.Wrapped{
			Version:    version,
			Ciphertext: []byte{byte(version)},
			CreatedAt:  made,
		}); err != nil {
			t.Fatal(err)
		}
	}

	kit.Clock.Advance(time.Hour)

	retire := func(version, newer int) error {
		return kit.Peppers.Retire(t.Context(), apikey.Staging, version, newer, kit.Clock.Now())
	}
	refused := func(what string, version, newer int) {
		t.Helper()
		before := kit.Item(t, "pepper#staging", "ring")

		if err := retire(version, newer); !errors.Is(err, store.ErrPeppersStale) {
			t.Errorf("%s: %v", what, err)
		}

		if after := kit.Item(t, "pepper#staging", "ring"); !reflect.DeepEqual(before, after) {
			t.Errorf("%s: the row was %v and is %v", what, before, after)
		}
	}

	refused("for an older one", 3, 2)
	refused("for itself", 3, 3)
	refused("for one that is not there", 3, 4)
	refused("one that is not there", 4, 5)

	if err := retire(2, 3); err != nil {
		t.Error(err)
	}

	refused("for one that is retired", 1, 2)

	// Of those who do it at once, one did.
	done := make(chan error, 8)
	for range cap(done) {
		go func() { done <- retire(1, 3) }()
	}

	won := 0
	for range cap(done) {
		if err := <-done; err == nil {
			won++
		} else if !errors.Is(err, store.ErrPeppersStale) {
			t.Error(err)
		}
	}

	if won != 1 {
		t.Errorf("%d retired it", won)
	}

	refused("again", 1, 3)

	stored, err := kit.Peppers.Peppers(t.Context(), apikey.Staging)
	if err != nil {
		t.Fatal(err)
	}

	slices.SortFunc(stored, func(a, b pepper.Wrapped) int { return a.Version - b.Version })

	want := []pepper.Wrapped{
		{Version: 1, CreatedAt: made, RetiredAt: kit.Clock.Now()},
		{Version: 2, CreatedAt: made, RetiredAt: kit.Clock.Now()},
		{Version: 3, CreatedAt: made, Ciphertext: []byte{3}},
	}
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	if err := kit.Peppers.AddPepper(t.Context(), apikey.Staging, pepper.Wrapped{
		Version:    1,
		Ciphertext: []byte("another"),
		CreatedAt:  kit.Clock.Now(),
	}); !errors.Is(err, pepper.ErrExists) {
		t.Errorf("the number is given again: %v", err)
	}
}

// What somebody wrote past the store is damaged, never guessed at, and never a panic.
func TestDamagedRows(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	put := func(pk, sk string, attributes map[string]types.AttributeValue) {
		item := with(with(attributes, "pk", text(pk)), "sk", text(sk))
		kit.Put(t, item)
	}

	ring := &types.AttributeValueMemberM{
		Value: map[string]types.AttributeValue{
			"ciphertext": &types.AttributeValueMemberB{Value: []byte("x")},
			"createdAt":  text("2026-11-24T09:30:00.000Z"),
		},
	}
	for name, attributes := range map[string]map[string]types.AttributeValue{
		"no version":      {"v": ring},
		"another name":    {"x1": ring},
		"a short name":    {"1": ring},
		"a spelling of 1": {"v01": ring},
		"plus":            {"v+1": ring},
		"no map":          {"v1": text("x")},
		"no time": {
			"v1": &types.AttributeValueMemberM{
				Value: map[string]types.AttributeValue{"createdAt": text("now")},
			},
		},
		"purgeAt": {"purgeAt": text("1")},
	} {
		put("pepper#production", "ring", attributes)

		if got, err := kit.Peppers.Peppers(t.Context(),
			apikey.Production); !errors.Is(err, store.ErrDamaged) || got != nil {
			t.Errorf("pepper, %s: %v, %v", name, got, err)
		}
	}

	for name, attributes := range map[string]map[string]types.AttributeValue{
		"no permissions": {"version": &types.AttributeValueMemberN{Value: "1"}},
		"no JSON":        {"permissions": &types.AttributeValueMemberB{Value: []byte("{")}},
		"another type":   {"permissions": text("[]")},
		"no version": {
			"permissions": &types.AttributeValueMemberB{Value: []byte("[]")},
			"version":     text("x"),
		},
	} {
		put("catalogue", "catalogue", attributes)

		if got, _, err := kit.Store.Catalogue(t.Context(),
			apikey.Production); !errors.Is(err, store.ErrDamaged) || got != nil {
			t.Errorf("catalogue, %s: %v, %v", name, got, err)
		}
	}
}

// Nothing that reads or writes guesses when DynamoDB does not answer, has no such table, or the
// caller has given up.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k, _ := kit.MustKey(t, nil)
	gone, cancel := context.WithCancel(t.Context())
	cancel()

	nobody := kit.Elsewhere("http://127.0.0.1:1").Peppers
	for name, test := range map[string]struct {
		peppers *store.Peppers
		ctx     context.Context
	}{
		"nothing listens":    {nobody, t.Context()},
		"no such table":      {store.NewPeppers(kit.Connection, "no-such-table"), t.Context()},
		"the caller gave up": {kit.Peppers, gone},
	} {
		calls := map[string]func(*store.Store, context.Context) error{
			"Key": func(s *store.Store, ctx context.Context) error {
				_, err := s.Key(ctx, k.Environment, k.ID)
				return err
			},
			"FindKey": func(s *store.Store, ctx context.Context) error {
				_, err := s.FindKey(ctx, k.ID)
				return err
			},
			"Catalogue": func(s *store.Store, ctx context.Context) error {
				_, _, err := s.Catalogue(ctx, apikey.Production)
				return err
			},
			"Organization": func(s *store.Store, ctx context.Context) error {
				_, err := s.Organization(ctx, "acme")
				return err
			},
			"Receipt": func(s *store.Store, ctx context.Context) error {
				_, err := s.Receipt(ctx, "r", kit.Clock.Now())
				return err
			},
			"Peppers": func(_ *store.Store, ctx context.Context) error {
				_, err := test.peppers.Peppers(ctx, apikey.Production)
				return err
			},
			"AddPepper": func(_ *store.Store, ctx context.Context) error {
				return test.peppers.AddPepper(ctx, apikey.Production, pepper.Wrapped{
					Version:    9,
					Ciphertext: []byte("x"),
				})
			},
			"Keys": func(s *store.Store, ctx context.Context) error {
				_, _, err := s.Keys(ctx, "acme", store.Filter{}, "", 10, kit.Clock.Now())
				return err
			},
			"CountHolders": func(s *store.Store, ctx context.Context) error {
				_, err := s.CountHolders(ctx, nil)
				return err
			},
			"Commit": func(s *store.Store, ctx context.Context) error {
				return s.Commit(ctx, s.PutCatalogue(ctx, nil, 0))
			},
		}
		s := store.New(test.peppers, kit.Keyring, kit.Log.Logger())

		for call, try := range calls {
			if err := try(s, test.ctx); !errors.Is(err, store.ErrUnavailable) ||
				errors.Is(err, store.ErrDamaged) {
				t.Errorf("%s, %s: %v", name, call, err)
			}
		}
	}
}

func TestCreateTableTwice(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k, _ := kit.MustKey(t, nil)

	properties := map[string]any{
		"AttributeDefinitions": []any{map[string]any{"AttributeName": "pk", "AttributeType": "S"}},
		"KeySchema":            []any{map[string]any{"AttributeName": "pk", "KeyType": "HASH"}},
	}
	if err := kit.Connection.CreateTable(t.Context(), kit.CoreTable, properties); err != nil {
		t.Error(err)
	}

	if _, err := kit.Store.Key(t.Context(), k.Environment, k.ID); err != nil {
		t.Errorf("the table was not left as it is: %v", err)
	}

	if err := kit.Connection.CreateTable(t.Context(), "another-table", map[string]any{
		"KeySchema": "x",
	}); err == nil {
		t.Error("a schema that is none is taken")
	}
}
