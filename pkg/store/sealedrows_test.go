package store_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// sealedRow is a row that is believed by its seal: how it is written for a name in an organization,
// where it stands then, and how it is read from there.
type sealedRow struct {
	put  func(kit *storetest.Kit, org, name string) []store.Write
	at   func(org, name string) (partition, sort string)
	read func(ctx context.Context, s *store.Store, org, name string) (found any, err error)
}

// sealedRows are all kinds but keys, whose tests are in seal_test.go, and the catalogue, which has
// a seal for each environment.
func sealedRows() map[string]sealedRow {
	return map[string]sealedRow{
		"organization": {
			put: func(kit *storetest.Kit, org, _ string) []store.Write {
				return []store.Write{kit.Store.PutOrganization(fullOrganization(kit, org), 0)}
			},
			at: func(org, _ string) (string, string) {
				return "organization#" + org, "organization"
			},
			read: func(ctx context.Context, s *store.Store, org, _ string) (any, error) {
				o, err := s.Organization(ctx, org)
				return o, err
			},
		},
		"settings": {
			put: func(kit *storetest.Kit, org, _ string) []store.Write {
				return kit.Store.PutRuntimeSettings(context.Background(),
					fullOrganization(kit, org))
			},
			at: func(org, _ string) (string, string) {
				return "staging#organization#" + org, "settings"
			},
			read: func(ctx context.Context, s *store.Store, org, _ string) (any, error) {
				o, err := s.RuntimeSettings(ctx, apikey.Staging, org)
				return o, err
			},
		},
		"claims": {
			put: func(kit *storetest.Kit, org, name string) []store.Write {
				writes, err := kit.Store.Claim(context.Background(), apikey.Production, org+name,
					"second")
				if err != nil {
					panic(err)
				}

				return writes
			},
			at: func(org, name string) (string, string) {
				return "production#" + org + name, "claims"
			},
			read: func(ctx context.Context, s *store.Store, org, name string) (any, error) {
				ids, err := s.Claims(ctx, apikey.Production, org+name)
				return ids, err
			},
		},
		"member": {
			put: func(kit *storetest.Kit, org, name string) []store.Write {
				m := fullMember(kit, org, name+"@acme.test")
				return []store.Write{kit.Store.PutMember(m, 0)}
			},
			at: func(org, name string) (string, string) {
				return "organization#" + org, "member#" + name + "@acme.test"
			},
			read: func(ctx context.Context, s *store.Store, org, name string) (any, error) {
				m, err := s.Member(ctx, org, name+"@acme.test")
				return m, err
			},
		},
		"customer": {
			put: func(kit *storetest.Kit, org, name string) []store.Write {
				return []store.Write{kit.Store.PutCustomer(fullCustomer(kit, org, name), 0)}
			},
			at: func(org, name string) (string, string) {
				return "organization#" + org, "customer#" + name
			},
			read: func(ctx context.Context, s *store.Store, org, name string) (any, error) {
				c, err := s.Customer(ctx, org, name)
				return c, err
			},
		},
		"job": {
			put: func(kit *storetest.Kit, org, name string) []store.Write {
				return []store.Write{kit.Store.PutJob(fullJob(kit, org, name), 0)}
			},
			at: func(org, name string) (string, string) { return "jobs#" + org, name },
			read: func(ctx context.Context, s *store.Store, org, name string) (any, error) {
				j, err := s.Job(ctx, org, name)
				return j, err
			},
		},
		"receipt": { // its name is a hash of the caller too
			put: func(kit *storetest.Kit, org, name string) []store.Write {
				now := kit.Clock.Now()
				return []store.Write{kit.Store.Keep(store.Receipt{
					ID:        org + name,
					Body:      []byte("hash"),
					Status:    201,
					Answer:    []byte(`{"key":1}`),
					ETag:      `"1"`,
					Location:  "/v1/x",
					ExpiresAt: now.Add(1000 * time.Hour).Unix(),
				}, now)}
			},
			at: func(org, name string) (string, string) { return "once#" + org + name, "once" },
			read: func(ctx context.Context, s *store.Store, org, name string) (any, error) {
				r, err := s.Receipt(ctx, org+name, time.Unix(1, 0))
				return r, err
			},
		},
	}
}

func fullMember(kit *storetest.Kit, org, email string) *organization.Member {
	m := member(kit, org, email)
	m.Role = organization.RoleAdmin
	m.LeavingAt = kit.Clock.Now()
	m.LeavingJob = "j"
	m.Pace = 1
	return m
}

func fullJob(kit *storetest.Kit, org, id string) *job.Job {
	j := aJob(kit, org, id)
	j.Place = "change#" + id
	j.Result.Unchanged = 1
	j.FinishedAt = kit.Clock.Now()
	j.CreatedBy.KeyName = "CI"
	j.Errors[0].Owner = j.CreatedBy
	return j
}

func fullOrganization(kit *storetest.Kit, org string) *organization.Organization {
	return &organization.Organization{
		ID:        org,
		Name:      "Acme",
		CreatedAt: kit.Clock.Now(),
		Admins:    2,
		Version:   1,
		DeletedAt: kit.Clock.Now(),
		DeletedBy: apikey.Actor{
			Type:    apikey.ActorUser,
			ID:      "u",
			Email:   "u@acme.test",
			KeyName: "CI",
		},
		DeletionJob: "j",
		Pace:        1,
		Settings: organization.Settings{
			OrganizationKeysBy: "members",
			PersonalKeysBy:     "nobody",
			MemberPermissions:  []string{"messages:read"},
			DefaultPermissions: []string{"messages:write"},
			LongestLife:        map[apikey.Environment]time.Duration{apikey.Production: time.Hour},
			LegacyKeysAccepted: true,
			AllowedAddresses:   []string{"192.0.2.0/24"},
			SampleRequests:     0.1,
		},
	}
}

func fullCustomer(kit *storetest.Kit, org, id string) *organization.Customer {
	return &organization.Customer{
		OrganizationID: org,
		ID:             id,
		Name:           "Blue",
		Metadata:       map[string]string{"tier": "gold"},
		CreatedAt:      kit.Clock.Now(),
		Leaving:        true,
		LeavingJob:     "j",
		Version:        1,
		Pace:           1,
	}
}

// refused fails unless a read found damage, and nothing else.
func refused(t *testing.T, what string, found any, err error) {
	t.Helper()

	if !errors.Is(err, store.ErrDamaged) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%s: %+v, %v", what, found, err)
	}
}

// What is read of people, settings, customers, jobs and answers that were given is what the store
// wrote, in every attribute.
func TestEveryChangeOfASealedRowIsFound(t *testing.T) {
	t.Parallel()

	for kind, row := range sealedRows() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()

			kit := storetest.New(t)
			for _, env := range apikey.Environments() {
				// so that a row that names version 2 is one whose pepper is there
				if _, err := kit.Keyring.Add(t.Context(), env); err != nil {
					t.Fatal(err)
				}
			}

			commit(t, kit, row.put(kit, "acme", "one")...)
			partition, sort := row.at("acme", "one")
			whole := kit.Item(t, partition, sort)

			found := func(what string, item map[string]types.AttributeValue) {
				t.Helper()
				kit.Put(t, item)
				got, err := row.read(t.Context(), kit.Store, "acme", "one")
				refused(t, what, got, err)
			}
			for name, value := range whole {
				if name == "pk" || name == "sk" || name == "pace" {
					// another place: below; and how fast the row may be changed is no part of what
					// it says
					continue
				}

				for what, other := range others(value) {
					if text, ok := other.(*types.AttributeValueMemberS); strings.HasPrefix(name,
						"list") && other != nil && (!ok || text.Value == "") {
						continue // DynamoDB itself refuses it, as a key of the index
					}

					found(name+" "+what, with(whole, name, other))
				}
			}

			for _, name := range []string{"a", "zz", "role ", "Role", "seal2"} {
				found("a new attribute "+name, with(whole, name, &types.AttributeValueMemberS{
					Value: "admin",
				}))
			}

			kit.Put(t, whole)

			if _, err := row.read(t.Context(), kit.Restart().Store, "acme", "one"); err != nil {
				t.Errorf("the row as it was: %v", err)
			}
		})
	}
}

// A row of one organization is none of another's, nor that of another object.
func TestSealedRowElsewhereIsFound(t *testing.T) {
	t.Parallel()

	for kind, row := range sealedRows() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()

			kit := storetest.New(t)
			for _, place := range [][2]string{{"acme", "one"}, {"acme", "two"}, {"globex", "one"}} {
				if kind == "organization" || kind == "settings" {
					place[0] += place[1] // these have no other name
				}

				commit(t, kit, row.put(kit, place[0], place[1])...)
			}

			partition, sort := row.at("acme", "one")
			if kind == "organization" || kind == "settings" {
				partition, sort = row.at("acmeone", "one")
			}

			original := kit.Item(t, partition, sort)
			for what, place := range map[string][2]string{
				"over another":                {"acme", "two"},
				"in another organization":     {"globex", "one"},
				"where there was none":        {"acme", "three"},
				"where there is no such name": {"initech", "one"},
			} {
				partition, sort := row.at(place[0], place[1])
				moved := with(original, "pk", &types.AttributeValueMemberS{Value: partition})
				kit.Put(t, with(moved, "sk", &types.AttributeValueMemberS{Value: sort}))
				got, err := row.read(t.Context(), kit.Store, place[0], place[1])
				refused(t, what, got, err)
				// An answer for another place is what a client gets whose cache is mixed up: its
				// seal is good.
				mixed := store.New(store.NewPeppers(instead{kit.Connection, original}, kit.CoreTable),
					kit.Keyring, kit.Log.Logger())
				got, err = row.read(t.Context(), mixed, place[0], place[1])
				refused(t, what+", by the client", got, err)
			}
		})
	}
}

// instead answers every read of the administration with one item.
type instead struct {
	store.Client
	item map[string]types.AttributeValue
}

// Get implements store.Client.
func (i instead) Get(ctx context.Context, table string, at dynamo.Key) (dynamo.Item, error) {
	if at.Sort == "ring" {
		return i.Client.Get(ctx, table, at)
	}

	return store.FromSDK(i.item), nil
}

// Who has the pepper of one environment only seals nothing of the administration, nor of another
// environment.
func TestSealOfAnotherPepperIsFound(t *testing.T) {
	t.Parallel()

	for kind, row := range sealedRows() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			kit, other := storetest.New(t), storetest.New(t)
			commit(t, kit, row.put(kit, "acme", "one")...)
			commit(t, other, row.put(other, "acme", "one")...)
			partition, sort := row.at("acme", "one")
			kit.Put(t, other.Item(t, partition, sort)) // as another deployment writes it
			got, err := row.read(t.Context(), kit.Store, "acme", "one")
			refused(t, "of another deployment", got, err)
		})
	}
}

// A damaged row takes no list with it, is told of, and is not taken for one that is not there.
func TestListsOfTheAdministrationLeaveDamagedRowsOut(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	kinds := sealedRows()
	for _, kind := range []string{"member", "customer", "job"} {
		for _, name := range []string{"one", "two", "three"} {
			commit(t, kit, kinds[kind].put(kit, "acme", name)...)
		}

		partition, sort := kinds[kind].at("acme", "two")
		kit.Change(t, partition, sort, "version", 7)
	}

	members, err := kit.Store.Members(t.Context(), "acme")
	if err != nil || len(members) != 2 {
		t.Errorf("members: %+v, %v", members, err)
	}

	if m, err := kit.Store.MemberByID(t.Context(), "acme", "id of one@acme.test"); err != nil ||
		m.Email != "one@acme.test" {
		t.Errorf("a member who is there: %+v, %v", m, err)
	}

	got, err := kit.Store.MemberByID(t.Context(), "acme", "id of two@acme.test")
	refused(t, "a member who may be the damaged one", got, err)

	missing, err := kit.Store.MissingCustomers(t.Context(), "acme", []string{"one", "two"})
	refused(t, "customers of whom one is damaged", missing, err)

	for _, limit := range []int{1, 2, 3} {
		var customers, jobs []string
		for after, more := "", true; more; more = after != "" {
			page, next, err := kit.Store.Customers(t.Context(), "acme", after, limit)
			if err != nil {
				t.Fatal(err)
			}

			for _, c := range page {
				customers = append(customers, c.ID)
			}

			after = next
		}

		for after, more := "", true; more; more = after != "" {
			page, next, err := kit.Store.Jobs(t.Context(), "acme", after, limit)
			if err != nil {
				t.Fatal(err)
			}

			for _, j := range page {
				jobs = append(jobs, j.ID)
			}

			after = next
		}

		if !slices.Equal(customers, []string{"one", "three"}) ||
			!slices.Equal(jobs, []string{"three", "one"}) {
			t.Errorf("by %d: customers %q, jobs %q", limit, customers, jobs)
		}
	}

	for _, what := range []string{"a member of acme", "a customer of acme", "a job of acme"} {
		if !strings.Contains(kit.Log.String(), what) {
			t.Errorf("the log says nothing of %s", what)
		}
	}

	if strings.Contains(kit.Log.String(), "@acme.test") {
		t.Error("the log has somebody's address")
	}
}

// A number that DynamoDB may spell otherwise is sealed by its value.
func TestSealTakesNumbersByValue(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	commit(t, kit, kit.Store.PutOrganization(fullOrganization(kit, "acme"), 0))
	whole := kit.Item(t, "organization#acme", "organization")

	read := func(sample string) error {
		settings, ok := whole["settings"].(*types.AttributeValueMemberM)
		if !ok {
			t.Fatalf("settings: %T", whole["settings"])
		}

		changed := with(settings.Value, "sampleRequests", &types.AttributeValueMemberN{
			Value: sample,
		})
		answer := with(whole, "settings", &types.AttributeValueMemberM{Value: changed})
		_, err := store.New(store.NewPeppers(instead{kit.Connection, answer}, kit.CoreTable),
			kit.Keyring, kit.Log.Logger()).Organization(t.Context(), "acme")
		return err
	}
	for _, same := range []string{"0.1", "0.10", "1E-1", "1.0e-1"} {
		if err := read(same); err != nil {
			t.Errorf("%s: %v", same, err)
		}
	}

	for _, other := range []string{"0.11", "1", "-0.1", "1E1", "1e", "0x1p-2.", "1E999999999"} {
		if err := read(other); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s: %v", other, err)
		}
	}
}
