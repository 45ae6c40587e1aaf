package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

func member(kit *storetest.Kit, org, email string) *organization.Member {
	return &organization.Member{
		OrganizationID: org,
		ID:             "id of " + email,
		Email:          email,
		Role:           organization.RoleMember,
		Grants:         []organization.Grant{organization.ManageOthersKeys},
		InvitedAt:      kit.Clock.Now(),
		JoinedAt:       kit.Clock.Now().Add(time.Hour),
		Version:        1,
	}
}

// rows are the items of the table core but for the peppers.
func rows(t *testing.T, kit *storetest.Kit) []map[string]types.AttributeValue {
	t.Helper()
	return slices.DeleteFunc(kit.Items(t), func(item map[string]types.AttributeValue) bool {
		return reflect.DeepEqual(item["sk"], types.AttributeValue(&types.AttributeValueMemberS{
			Value: "ring",
		}))
	})
}

func TestMembers(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	commit := func(writes ...store.Write) error { return kit.Store.Commit(t.Context(), writes...) }

	want := member(kit, "acme", "bob@acme.test")
	if _, err := kit.Store.Member(t.Context(),
		"acme", want.Email); !errors.Is(err, organization.ErrNoMember) {
		t.Errorf("before: %v", err)
	}

	for _, step := range []struct {
		name  string
		write func(m *organization.Member) store.Write
		want  error
	}{
		{"still, before", kit.Store.StillMember, organization.ErrMemberStale},
		{"removed, before", kit.Store.RemoveMember, organization.ErrMemberStale},
		{"changed, before", func(m *organization.Member) store.Write {
			return kit.Store.PutMember(m, 1)
		}, organization.ErrMemberStale},
		{"new", func(m *organization.Member) store.Write { return kit.Store.PutMember(m, 0) }, nil},
		{"new again", func(m *organization.Member) store.Write {
			return kit.Store.PutMember(m, 0)
		}, organization.ErrMemberStale},
		{"still", kit.Store.StillMember, nil},
		{"changed", func(m *organization.Member) store.Write {
			m.Version = 2
			m.LeavingAt = kit.Clock.Now()
			return kit.Store.PutMember(m, 1)
		}, nil},
		{"changed from the same version", func(m *organization.Member) store.Write {
			return kit.Store.PutMember(m, 1)
		}, organization.ErrMemberStale},
		{"still, as it was", func(m *organization.Member) store.Write {
			was := *m
			was.Version = 1
			return kit.Store.StillMember(&was)
		}, organization.ErrMemberStale},
		{"removed, as it was", func(m *organization.Member) store.Write {
			was := *m
			was.Version = 1
			return kit.Store.RemoveMember(&was)
		}, organization.ErrMemberStale},
	} {
		if err := commit(step.write(want)); !errors.Is(err, step.want) {
			t.Errorf("%s: %v, want %v", step.name, err, step.want)
		}
	}

	got, err := kit.Restart().Store.Member(t.Context(), "acme", want.Email)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-stored +read):\n%s", diff)
	}

	if err := commit(kit.Store.RemoveMember(want)); err != nil {
		t.Error(err)
	}

	if left := rows(t, kit); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// A look is part of all or none: what is beside it is not written when it fails.
func TestLooksStopWhatIsBesideThem(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k := kit.Key(t)
	_, fresh := kit.Mint(t, k.Environment, k.ID)
	k.Secret = fresh.Verifier
	k.Hint = fresh.Hint

	before := len(kit.Items(t))
	for name, test := range map[string]struct {
		look store.Write
		want error
	}{
		"member": {
			kit.Store.StillMember(member(kit, "acme", "gone@acme.test")),
			organization.ErrMemberStale,
		},
		"customer": {kit.Store.StillCustomer("acme", "gone"), organization.ErrNoCustomer},
	} {
		if err := kit.Store.Commit(t.Context(),
			kit.Store.PutKey(t.Context(), k, 0), test.look); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}

		if after := len(kit.Items(t)); after != before {
			t.Errorf("%s: %d items became %d", name, before, after)
		}
	}

	if err := kit.Store.Commit(t.Context(), kit.Store.PutCustomer(&organization.Customer{
		OrganizationID: "acme",
		ID:             "gone",
		Version:        1,
	}, 0)); err != nil {
		t.Fatal(err)
	}

	if err := kit.Store.Commit(t.Context(), kit.Store.PutKey(t.Context(), k, 0),
		kit.Store.StillCustomer("acme", "gone")); err != nil {
		t.Error(err)
	}
}

func TestMembersAndTheirOrganizations(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	put := func(org, email string) {
		t.Helper()

		if err := kit.Store.Commit(t.Context(),
			kit.Store.PutMember(member(kit, org, email), 0)); err != nil {
			t.Fatal(err)
		}
	}
	for _, org := range []string{"acme", "acme-2", "globex"} {
		put(org, "bob@acme.test")
	}

	put("acme", "alice@acme.test")
	put("acme", "bob@acme.test.example")

	if err := kit.Store.Commit(t.Context(), kit.Store.PutCustomer(&organization.Customer{
		OrganizationID: "acme",
		ID:             "c",
		Version:        1,
	}, 0)); err != nil {
		t.Fatal(err)
	}

	members, err := kit.Store.Members(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}

	var emails []string
	for _, m := range members {
		emails = append(emails, m.Email)
	}

	if diff := cmp.Diff([]string{
		"alice@acme.test", "bob@acme.test", "bob@acme.test.example",
	}, emails); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}

	for email, want := range map[string][]string{
		"bob@acme.test":   {"acme", "acme-2", "globex"},
		"alice@acme.test": {"acme"},
		"bob@acme":        nil,
	} {
		got, err := kit.Store.OrganizationsOf(t.Context(), email)
		if slices.Sort(got); err != nil || !slices.Equal(got, want) {
			t.Errorf("organizations of %s: %q, %v, want %q", email, got, err, want)
		}
	}
}

// All members come, however DynamoDB cuts its answers.
func TestMembersOverManyPages(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	var want []string
	for i := range 7 {
		want = append(want, fmt.Sprintf("p%d@acme.test", i))
		if err := kit.Store.Commit(t.Context(),
			kit.Store.PutMember(member(kit, "acme", want[i]), 0)); err != nil {
			t.Fatal(err)
		}
	}

	s := store.New(store.NewPeppers(short{kit.Connection, 1}, kit.CoreTable), kit.Keyring,
		kit.Log.Logger())
	members, err := s.Members(t.Context(), "acme")

	var got []string
	for _, m := range members {
		got = append(got, m.Email)
	}

	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// A page of members goes on where the one before ended, also behind somebody who has gone since.
func TestPagesOfMembers(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)
	for _, who := range []string{"ann", "bob", "carol", "dave"} {
		if err := kit.Store.Commit(t.Context(),
			kit.Store.PutMember(member(kit, "acme", who+"@acme.test"), 0)); err != nil {
			t.Fatal(err)
		}
	}

	read := func(after string, limit int) (emails []string, next string) {
		t.Helper()

		page, next, err := kit.Store.MembersPage(t.Context(), "acme", after, limit)
		if err != nil {
			t.Fatal(err)
		}

		for _, m := range page {
			emails = append(emails, strings.TrimSuffix(m.Email, "@acme.test"))
		}

		return emails, next
	}
	first, next := read("", 2)

	if err := kit.Store.Commit(t.Context(),
		kit.Store.RemoveMember(member(kit, "acme", "bob@acme.test"))); err != nil {
		t.Fatal(err)
	}

	second, end := read(next, 2)
	if got := append(first,
		second...); !slices.Equal(got, []string{"ann", "bob", "carol", "dave"}) ||
		next != "bob@acme.test" || end != "" {
		t.Errorf("%q, on after %q and %q", got, next, end)
	}

	if all, end := read("", 4); len(all) != 4-1 || end != "" {
		t.Errorf("all of them: %q, on after %q", all, end)
	}
}

// All customers come, however DynamoDB cuts its answers: a page of large ones ends where a query
// does, and says how to go on.
func TestCustomersOverManyPages(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprintf("c%d", i))
		if err := kit.Store.Commit(t.Context(), kit.Store.PutCustomer(&organization.Customer{
			OrganizationID: "acme",
			ID:             want[i],
			Version:        1,
		}, 0)); err != nil {
			t.Fatal(err)
		}
	}

	s := store.New(store.NewPeppers(short{kit.Connection, 2}, kit.CoreTable), kit.Keyring,
		kit.Log.Logger())

	var got []string
	for after, pages := "", 0; pages == 0 || after != "" && pages < 9; pages++ {
		page, next, err := s.Customers(t.Context(), "acme", after, 50)
		if err != nil {
			t.Fatal(err)
		}

		for _, c := range page {
			got = append(got, c.ID)
		}

		after = next
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("customers (-want +got):\n%s", diff)
	}
}

func TestCustomers(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	want := &organization.Customer{
		OrganizationID: "acme",
		ID:             "c-1",
		Name:           "Blue",
		Metadata:       map[string]string{"tier": "gold"},
		CreatedAt:      kit.Clock.Now(),
		Version:        1,
	}
	commit := func(w store.Write) error { return kit.Store.Commit(t.Context(), w) }

	if _, err := kit.Store.Customer(t.Context(), "acme",
		"c-1"); !errors.Is(err, organization.ErrNoCustomer) {
		t.Errorf("before: %v", err)
	}

	if err := commit(kit.Store.PutCustomer(want, 0)); err != nil {
		t.Fatal(err)
	}

	if err := commit(kit.Store.PutCustomer(want, 0)); !errors.Is(err,
		organization.ErrCustomerExists) {
		t.Errorf("twice: %v", err)
	}

	was := *want
	want.Version = 2

	want.Name = "Green"
	if err := commit(kit.Store.PutCustomer(want, 1)); err != nil {
		t.Error(err)
	}

	for name, w := range map[string]store.Write{
		"changed": kit.Store.PutCustomer(want, 1),
		"removed": kit.Store.RemoveCustomer(&was),
	} {
		if err := commit(w); !errors.Is(err, organization.ErrCustomerStale) {
			t.Errorf("%s, as it was: %v", name, err)
		}
	}

	got, err := kit.Restart().Store.Customer(t.Context(), "acme", "c-1")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-stored +read):\n%s", err, diff)
	}

	missing, err := kit.Store.MissingCustomers(t.Context(), "acme", []string{"c-2", "c-1", "c"})
	if diff := cmp.Diff([]string{"c-2", "c"}, missing); diff != "" || err != nil {
		t.Errorf("missing: %v (-want +got):\n%s", err, diff)
	}

	if missing, err := kit.Store.MissingCustomers(t.Context(), "globex",
		[]string{"c-1"}); len(missing) != 1 || err != nil {
		t.Errorf("another organization's: %q, %v", missing, err)
	}

	if err := commit(kit.Store.RemoveCustomer(want)); err != nil || len(rows(t, kit)) != 0 {
		t.Errorf("%v, left: %v", err, rows(t, kit))
	}
}

// Pages of a history are complete and newest first, of one object and of the organization, and of
// no other.
func TestHistoryPages(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	var all, one []string
	for i := range 25 {
		object := history.Object{
			Type: []string{"key", "member"}[i%2],
			ID:   []string{"a", "b", "a"}[i%3],
		}

		e := history.Entry{
			ID:             fmt.Sprintf("e%02d", i),
			At:             kit.Clock.Now().Add(time.Duration(i/3) * time.Millisecond),
			OrganizationID: "acme",
			Object:         object,
		}
		if all = append(all, e.ID); object.Type == "key" && object.ID == "a" {
			one = append(one, e.ID)
		}

		other := e

		other.OrganizationID = "acme-2"
		if err := kit.Store.Commit(t.Context(), kit.Store.Append(e),
			kit.Store.Append(other)); err != nil {
			t.Fatal(err)
		}
	}

	slices.Reverse(all)
	slices.Reverse(one)

	for _, limit := range []int{1, 2, 4, 24, 25, 200} {
		for name, test := range map[string]struct {
			read func(after string) ([]history.Entry, string, error)
			want []string
		}{
			"the organization": {func(after string) ([]history.Entry, string, error) {
				return kit.Store.OrganizationHistory(t.Context(), "acme", after, limit)
			}, all},
			"an object": {func(after string) ([]history.Entry, string, error) {
				return kit.Store.History(t.Context(), "acme", "key", "a", after, limit)
			}, one},
		} {
			var got []string
			for after, more := "", true; more; more = after != "" {
				entries, next, err := test.read(after)
				if err != nil || len(entries) > limit {
					t.Fatalf("%s by %d: %d entries, %v", name, limit, len(entries), err)
				}

				for _, e := range entries {
					got = append(got, e.ID)
				}

				after = next
			}

			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s by %d (-want +got):\n%s", name, limit, diff)
			}
		}
	}
}

func TestPeopleOverAnUnavailableTable(t *testing.T) {
	t.Parallel()
	s := storetest.New(t).Elsewhere("http://127.0.0.1:1").Store
	_, member := s.Member(t.Context(), "acme", "a@acme.test")
	_, members := s.Members(t.Context(), "acme")
	_, of := s.OrganizationsOf(t.Context(), "a@acme.test")
	_, customer := s.Customer(t.Context(), "acme", "c")
	_, _, customers := s.Customers(t.Context(), "acme", "", 10)
	_, missing := s.MissingCustomers(t.Context(), "acme", []string{"c"})
	_, _, object := s.History(t.Context(), "acme", "key", "k", "", 10)

	_, _, all := s.OrganizationHistory(t.Context(), "acme", "", 10)
	for name, err := range map[string]error{
		"member":        member,
		"members":       members,
		"organizations": of,
		"customer":      customer,
		"customers":     customers,
		"missing":       missing,
		"history":       object,
		"all":           all,
	} {
		if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const catalogueRow = "catalogue"

// Whoever edits the catalogue in the table opens no route: each environment's authorizer reads it
// by its own seal, and refuses what that is not over.
func TestChangedCatalogueIsFound(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kit.MustCatalogue(t, permissionOf("messages:read", "/messages"))
	kit.MustCatalogue(t, permissionOf("messages:read", "/messages/{id}"))
	whole := kit.Item(t, catalogueRow, catalogueRow)

	read := func(env apikey.Environment) error {
		_, _, err := kit.Restart().Store.Catalogue(t.Context(), env)
		return err
	}
	for _, env := range apikey.Environments() {
		if err := read(env); err != nil {
			t.Errorf("%s cannot read it: %v", env, err)
		}
	}

	seals := func(change func(map[string]map[string]any)) any {
		out := map[string]map[string]any{}
		for env, seal := range sealsOf(t, whole) {
			out[env] = map[string]any{"pepper": seal.Pepper, "seal": seal.Seal}
		}

		change(out)
		return out
	}

	text := string(bytesOf(t, whole, "permissions"))
	for name, test := range map[string]struct {
		attribute string
		value     any
		damaged   []apikey.Environment
	}{
		"a wider route": {
			"permissions", []byte(strings.Replace(text, "{id}", "{proxy+}", 1)),
			apikey.Environments(),
		},
		"no permission": {"permissions", []byte("[]"), apikey.Environments()},
		"nothing":       {"permissions", nil, apikey.Environments()},
		"an older one":  {"version", 1, apikey.Environments()},
		"a newer one":   {"version", 3, apikey.Environments()},
		"no seals":      {"seals", nil, apikey.Environments()},
		"seals of others": {"seals", seals(func(s map[string]map[string]any) {
			s["production"], s["staging"] = s["staging"], s["production"]
		}), []apikey.Environment{apikey.Production, apikey.Staging}},
		"a seal cut short": {"seals", seals(func(s map[string]map[string]any) {
			s["staging"]["seal"] = s["staging"]["seal"].([]byte)[:16]
		}), []apikey.Environment{apikey.Staging}},
		"an empty seal": {"seals", seals(func(s map[string]map[string]any) {
			s["development"]["seal"] = []byte{}
		}), []apikey.Environment{apikey.Development}},
		"another bit": {"seals", seals(func(s map[string]map[string]any) {
			s["production"]["seal"] = flipped(s["production"]["seal"].([]byte))
		}), []apikey.Environment{apikey.Production}},
		"no such pepper": {"seals", seals(func(s map[string]map[string]any) {
			s["production"]["pepper"] = 9
		}), []apikey.Environment{apikey.Production}},
		"one seal missing": {"seals", seals(func(s map[string]map[string]any) {
			delete(s, "production")
		}), []apikey.Environment{apikey.Production}},
		"one seal too many": {"seals", seals(func(s map[string]map[string]any) {
			s["test"] = s["production"]
		}), nil},
	} {
		kit.Put(t, whole)
		kit.Change(t, catalogueRow, catalogueRow, test.attribute, test.value)

		for _, env := range apikey.Environments() {
			if err := read(env); errors.Is(err,
				store.ErrDamaged) != slices.Contains(test.damaged, env) ||
				(err != nil && !errors.Is(err, store.ErrDamaged)) {
				t.Errorf("%s, read by %s: %v", name, env, err)
			}
		}
	}

	kit.Put(t, whole)

	if err := read(apikey.Production); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

func permissionOf(name, path string) permission.Permission {
	return permission.Permission{
		Name:   name,
		Title:  name,
		Routes: []permission.Route{{API: "*", Method: "GET", Path: path}},
	}
}

// oneSeal is a seal of the catalogue as it stands in the table.
type oneSeal struct {
	Pepper int    `dynamodbav:"pepper"`
	Seal   []byte `dynamodbav:"seal"`
}

func sealsOf(t *testing.T, item map[string]types.AttributeValue) map[string]oneSeal {
	t.Helper()

	var row struct {
		Seals map[string]oneSeal `dynamodbav:"seals"`
	}
	if err := attributevalue.UnmarshalMap(item, &row); err != nil ||
		len(row.Seals) != len(apikey.Environments()) {
		t.Fatalf("%v, seals: %v", err, row.Seals)
	}

	return row.Seals
}

func bytesOf(t *testing.T, item map[string]types.AttributeValue, name string) []byte {
	t.Helper()

	value, ok := item[name].(*types.AttributeValueMemberB)
	if !ok {
		t.Fatalf("%s is a %T", name, item[name])
	}

	return value.Value
}

// flipped is b with its last bit another.
func flipped(b []byte) []byte {
	out := slices.Clone(b)
	out[len(out)-1] ^= 1
	return out
}
