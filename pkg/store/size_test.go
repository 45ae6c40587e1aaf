package store_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// long is a text of so many characters, each of which takes as many bytes as a character may.
func long(characters int) string { return strings.Repeat("\U0001F511", characters) }

// many makes n texts of a length that differ at their end.
func many(n, length int) (out []string) {
	for i := range n {
		out = append(out, strings.Repeat("a", length-4)+fmt.Sprintf("%04d", i))
	}

	return out
}

// largestKey is a key all of whose fields are as long as the admin API lets them be.
func largestKey(t *testing.T, kit *storetest.Kit) *apikey.Key {
	k := kit.Key(t)
	by := apikey.Actor{
		Type:    apikey.ActorUser,
		ID:      strings.Repeat("i", 255),
		Email:   strings.Repeat("e", 254),
		KeyName: long(100),
	}
	k.Name = long(100)
	k.Description = long(1000)
	k.Owner = by
	k.CreatedBy = by
	k.Permissions = many(209, 65)
	k.Customers = many(store.MaxCustomers, 64)

	k.Metadata = map[string]string{}
	for _, name := range many(50, 40) {
		k.Metadata[name] = strings.Repeat("v", 500)
	}

	for i := range 20 {
		k.Tags = append(k.Tags, long(46)+fmt.Sprintf("%04d", i))
	}

	for i := range 50 {
		k.AllowedAddresses = append(k.AllowedAddresses,
			netip.MustParsePrefix(fmt.Sprintf("1111:2222:3333:4444:5555:6666:7777:%04x/128",
				0x8000+i)))
	}

	for _, name := range many(5, 32) {
		k.RateLimits = append(k.RateLimits, apikey.RateLimit{
			Name:   name,
			Limit:  1 << 40,
			Window: 30 * 24 * time.Hour,
			Burst:  1 << 40,
		})
	}

	k.Quota = &apikey.Quota{Limit: 1 << 40, Period: "month"}
	now := kit.Clock.Now()
	k.NotBefore = now
	k.ExpiresAt = now.Add(time.Hour)
	k.RenewedAt = now
	_, fresh := kit.Mint(t, k.Environment, k.ID)
	k.Secret = fresh.Verifier
	k.Hint = fresh.Hint
	k.Retired = slices.Repeat([]apikey.Verifier{fresh.Verifier}, 5)
	k.Rotation = &apikey.Rotation{
		StartedAt:   now,
		StartsAt:    "first_use",
		FirstUsedAt: now,
		Old:         fresh.Verifier,
		OldHint:     fresh.Hint,
		OldEndsAt:   now,
	}
	k.Revocation = &apikey.Revocation{
		At:          now,
		By:          by,
		Reason:      long(500),
		Compromised: true,
	}
	k.Exposure = &apikey.Exposure{
		At:     now,
		Source: "reported",
		URL:    strings.Repeat("u", 2000),
		Action: "revoked",
	}
	return k
}

// largestCatalogue is a catalogue as large as it may be.
func largestCatalogue(t *testing.T) []permission.Permission {
	t.Helper()
	var out []permission.Permission

	routes := 0
	for i := range 200 {
		p := permission.Permission{
			Name:        fmt.Sprintf("p%d:read", i),
			Title:       "title",
			Description: long(220),
		}
		for ; routes < (i+1)*10; routes++ { // on seven APIs, each with fewer than 300 paths
			api := fmt.Sprintf("an-api-of-a-name-as-long-as-is-%d", routes%7)
			path := fmt.Sprintf("/some/{parameter}/%d", routes/7)
			p.Routes = append(p.Routes, permission.Route{
				API:    api[len(api)-32:],
				Method: "DELETE",
				Path:   path,
			})
		}

		out = append(out, p)
	}

	for {
		if _, err := permission.NewCatalogue(out); err == nil {
			return out
		}

		for i := range out {
			out[i].Description = out[i].Description[:len(out[i].Description)-4]
		}
	}
}

// Of each kind of item the largest that there may be fits into DynamoDB, and is taken by the real
// store.
func TestLargestItemsFit(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	s, now := kit.Store, kit.Clock.Now()
	if _, err := kit.Keyring.Ensure(t.Context(), apikey.Production); err != nil {
		t.Fatal(err)
	}

	k := largestKey(t, kit)
	catalogue := largestCatalogue(t)
	agent := strings.Repeat("g", 10<<10) // API Gateway takes 10 KB of headers in all
	entry := func(objectType, id string, before, after any) history.Entry {
		return history.Entry{
			ID:             id,
			At:             now,
			Action:         "updated",
			OrganizationID: "acme",
			Actor:          k.Owner,
			SourceIP:       "::1",
			UserAgent:      agent,
			Reason:         long(500),
			RequestID:      strings.Repeat("r", 128),
			Object:         history.Object{Type: objectType, ID: id, Name: k.Name},
			Changes:        []history.FieldChange{{Field: "all", Before: before, After: after}},
		}
	}

	o := &organization.Organization{
		ID:          strings.Repeat("o", 39),
		Name:        long(100),
		CreatedAt:   now,
		Admins:      1,
		Version:     1,
		DeletedBy:   k.Owner,
		DeletionJob: strings.Repeat("j", 16),
		Settings: organization.Settings{
			OrganizationKeysBy: "members",
			MemberPermissions:  many(200, 65),
			DefaultPermissions: many(200, 65),
			SampleRequests:     1.0 / 3,
			LongestLife: map[apikey.Environment]time.Duration{
				apikey.Production:  1 << 60,
				apikey.Staging:     1 << 60,
				apikey.Development: 1 << 60,
			},
		},
	}
	for _, p := range k.AllowedAddresses {
		o.Settings.AllowedAddresses = append(o.Settings.AllowedAddresses, p.String())
	}

	j := &job.Job{
		ID:             "AAAAAAAAAAAAAAAA",
		OrganizationID: "acme",
		Kind:           job.Bulk,
		Parameters:     make([]byte, 16<<10),
		State:          job.Running,
		CreatedBy:      k.Owner,
		SourceIP:       "::1",
		UserAgent:      agent,
		RequestID:      strings.Repeat("r", 128),
		Position:       strings.Repeat("p", 2000),
		Holder:         strings.Repeat("h", 100),
		HeldUntil:      now,
		CreatedAt:      now,
		UpdatedAt:      now,
		Version:        1,
	}
	for range job.MaxErrors + 10 {
		j.Fail(job.Error{
			KeyID:     k.ID,
			Ownership: k.Ownership,
			Owner:     k.Owner,
			Code:      strings.Repeat("c", 40),
			Detail:    long(200),
		})
	}

	for name, writes := range map[string][]store.Write{
		"a key, and its customers'": {s.PutKey(t.Context(), k, 0)},
		"a change of a whole key":   {s.Append(entry("key", k.ID, k, k))},
		"an organization": append(s.PutRuntimeSettings(t.Context(), o),
			s.PutOrganization(o, 0)),
		"a member": {s.PutMember(&organization.Member{
			OrganizationID: "acme",
			ID:             k.Owner.ID,
			Email:          k.Owner.Email,
			Role:           organization.RoleMember,
			Grants:         []organization.Grant{"manage_organization_keys", "manage_others_keys"},
			Version:        1,
		}, 0)},
		"a customer": {s.PutCustomer(&organization.Customer{
			OrganizationID: "acme",
			ID:             strings.Repeat("c", 64),
			Name:           long(100),
			Metadata:       k.Metadata,
			Version:        1,
		}, 0)},
		"the catalogue": {s.PutCatalogue(t.Context(), catalogue, 0)},
		"a change of all of it": {
			s.Append(entry("permissions", "catalogue", catalogue, catalogue)),
		},
		"a job": {s.PutJob(j, 0)},
		"an import's receipt": {s.Keep(store.Receipt{
			ID:        "r",
			Body:      make([]byte, 32),
			Status:    200,
			Answer:    make([]byte, 300*1000),
			ExpiresAt: now.Unix() + 1,
		}, now)},
		"whose a personal key is": {s.OwnKey(k)},
	} {
		if err := s.Commit(t.Context(), writes...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	for version := range pepper.MaxVersions {
		if err := kit.Peppers.AddPepper(t.Context(), apikey.Staging, pepper.Wrapped{
			Version:    version + 2,
			Ciphertext: make([]byte, 600),
			CreatedAt:  now,
		}); err != nil {
			t.Errorf("pepper %d: %v", version, err)
		}
	}

	largest := map[string]int{}
	for _, item := range kit.Stored(t, kit.CoreTable) {
		first := func(attribute string) string {
			before, _, _ := strings.Cut(item[attribute].Text(), "#")
			return before
		}

		kind := first("pk") + " " + first("sk")
		if n := dynamo.Size(item); n > largest[kind] {
			largest[kind] = n
		}
	}

	for kind, n := range largest {
		if n > dynamo.MaxItem {
			t.Errorf("%s: %d bytes", kind, n)
		}
	}

	if len(largest) < 16 {
		t.Errorf("only %v were written", largest)
	}

	// What was split is whole again.
	read, _, err := s.History(t.Context(), "acme", "permissions", "catalogue", "", 10)
	if err != nil || len(read) != 1 || len(fmt.Sprint(read[0].Changes)) < 2*len(catalogue)*200 {
		t.Errorf("%d entries, %v", len(read), err)
	}
}

// An item that is too large is told before anything is sent, and a request that DynamoDB calls
// wrong is no outage.
func TestTooLargeAndRefused(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)
	if _, err := kit.Keyring.Ensure(t.Context(), apikey.Production); err != nil {
		t.Fatal(err)
	}

	receipt := func(bytes int) store.Write {
		return kit.Store.Keep(store.Receipt{
			ID:        fmt.Sprint(bytes),
			Answer:    make([]byte, bytes),
			ExpiresAt: 1,
		}, kit.Clock.Now())
	}
	kit.Traffic.Reset()

	for name, writes := range map[string][]store.Write{
		"an item": {receipt(dynamo.MaxItem)},
		"a transaction": {
			receipt(400_001), receipt(400_002), receipt(400_003), receipt(400_004),
			receipt(400_005), receipt(400_006), receipt(400_007), receipt(400_008),
			receipt(400_009), receipt(400_010), receipt(400_011),
		},
	} {
		err := kit.Store.Commit(t.Context(), writes...)
		if !errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrUnavailable) ||
			kit.Traffic.Count("TransactWriteItems") != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}

	if err := kit.Store.Commit(t.Context(), receipt(400_000)); err != nil {
		t.Error(err)
	}

	kit.Traffic.Inject(storetest.Always(storetest.Invalid))
	_, read := kit.Store.Member(t.Context(), "acme", "a@b.test")

	_, _, listed := kit.Store.Keys(t.Context(), "acme", store.Filter{}, "", 10, kit.Clock.Now())
	for name, err := range map[string]error{
		"read":  read,
		"list":  listed,
		"write": kit.Store.Commit(t.Context(), receipt(10)),
	} {
		if !errors.Is(err, store.ErrRefused) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}

	if n := kit.Traffic.Count("GetItem"); n > 1 {
		t.Errorf("what is wrong was asked for %d times", n)
	}

	kit.Traffic.Inject(nil)

	// DynamoDB itself says so of what is beyond its bounds, in a transaction too.
	_, err := kit.Store.Member(t.Context(), "acme", strings.Repeat("e", 1100))
	if !errors.Is(err, store.ErrRefused) {
		t.Errorf("a key of 1,100 bytes: %v", err)
	}

	err = kit.Store.Commit(t.Context(), kit.Store.PutCustomer(&organization.Customer{
		OrganizationID: "acme",
		ID:             strings.Repeat("c", 1100),
		Version:        1,
	}, 0))
	if !errors.Is(err, store.ErrRefused) {
		t.Errorf("a key of 1,100 bytes: %v", err)
	}

	cancelled := failing{kit.Connection, &dynamo.Fault{
		Code:    "TransactionCanceledException",
		Reasons: []string{"ValidationError"},
	}}

	aside := store.New(store.NewPeppers(cancelled, kit.CoreTable), kit.Keyring, kit.Log.Logger())
	if err := aside.Commit(t.Context(), receipt(10)); !errors.Is(err, store.ErrRefused) ||
		errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a cancelled transaction: %v", err)
	}
}

// A key that cannot be moved keeps no other from being moved, and is told of.
func TestSweepPassesOver(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	keys := expiring(t, kit, 3)
	kit.Clock.Advance(time.Hour)
	kit.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation == "TransactWriteItems" && strings.Contains(string(r.Body), keys[1].ID) {
			return storetest.Invalid
		}

		return storetest.None
	})

	moved, err := kit.Store.SweepExpired(t.Context(), kit.Clock.Now(), 100)
	if moved != 2 || !errors.Is(err, store.ErrRefused) ||
		!strings.Contains(fmt.Sprint(err), keys[1].ID) {
		t.Errorf("%d keys were moved, %v", moved, err)
	}

	kit.Traffic.Inject(nil)

	if moved, err := kit.Store.SweepExpired(t.Context(), kit.Clock.Now(), 100); moved != 1 ||
		err != nil {
		t.Errorf("then %d, %v", moved, err)
	}
}
