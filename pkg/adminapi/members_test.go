package adminapi_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// member is a member in an answer.
type member struct {
	ID, Email, Role, Status, JoinedAt string
	Grants                            []string
}

func (o tenant) member(t *testing.T, user string) member {
	t.Helper()
	var m member
	o.admin.Call(t, http.MethodGet, o.path("members", user), nil).Want(t, http.StatusOK).Into(t, &m)
	return m
}

// admins are the addresses of the tenant's admins.
func (o tenant) admins(t *testing.T) []string {
	t.Helper()
	var list struct{ Items []member }
	o.admin.Call(t, http.MethodGet, o.path("members"), nil).Want(t, http.StatusOK).Into(t, &list)

	var out []string
	for _, m := range list.Items {
		if m.Role == "admin" {
			out = append(out, m.Email)
		}
	}

	return out
}

// deployed is the deployment of the machine, for what only a crash does to its tables.
func deployed(t *testing.T) *full.Deployment {
	t.Helper()

	d, err := full.Load(boot.Of(behind), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}

	return d
}

// An invitation is for an address, and becomes a membership at the first call with it, whichever
// call that is.
func TestInvitationIsTakenAtTheFirstCall(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	for name, first := range map[string]func(someone){
		"me": func(p someone) { p.me(t) },
		"another": func(p someone) {
			p.Call(t, http.MethodGet, o.keys, nil).Want(t, http.StatusOK)
		},
	} {
		email := address(name)
		p := signIn(t, email)
		p.Call(t, http.MethodGet, o.keys, nil).Refused(t, http.StatusNotFound, "not_found")
		o.invite(t, email, "member", "manage_others_keys")

		want := member{
			Email:  email,
			Role:   "member",
			Status: "invited",
			Grants: []string{"manage_others_keys"},
		}
		if diff := cmp.Diff(want, o.member(t, email)); diff != "" {
			t.Errorf("%s, invited (-want +got):\n%s", name, diff)
		}

		first(p)
		got := o.member(t, email)

		joined, err := time.Parse(time.RFC3339, got.JoinedAt)
		if err != nil || time.Since(joined) > time.Hour {
			t.Errorf("%s joined at %q", name, got.JoinedAt)
		}

		want.ID = p.id
		want.Status = "active"

		want.JoinedAt = got.JoinedAt
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, joined (-want +got):\n%s", name, diff)
		}

		if diff := cmp.Diff(want, o.member(t, p.id)); diff != "" {
			t.Errorf("%s by id (-want +got):\n%s", name, diff)
		}
	}
}

// Upper and lower case are one address, so that nobody is invited twice.
func TestInvitationInAnotherCase(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	email := address("case")
	o.admin.Call(t, http.MethodPut, o.path("members", "CASE"+email[4:]), map[string]any{
		"role": "viewer",
	}).Want(t, http.StatusCreated)
	o.admin.Call(t, http.MethodPut, o.path("members", email), map[string]any{
		"role":   "viewer",
		"grants": []string{},
	}).Want(t, http.StatusOK)

	if got := signIn(t, email).me(t).Organizations; len(got) != 1 || got[0].ID != o.id {
		t.Errorf("%+v", got)
	}
}

// A letter that folds to one of ASCII makes no address of somebody else's: neither an invitation
// nor a first admin is made for it, and no member is found by it.
func TestAddressesThatFold(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	kate := address("kate")
	o.invite(t, kate, "admin")

	for name, text := range map[string]string{
		"the Kelvin sign":      "\u212a" + kate[1:],
		"a dotted I":           strings.Replace(address("alice"), "i", "\u0130", 1),
		"a letter of the host": strings.Replace(kate, "@", "@\u212a.", 1),
	} {
		in := o.path("members", url.PathEscape(text))
		o.admin.Call(t, http.MethodPut, in, map[string]any{
			"role": "viewer",
		}).Refused(t, http.StatusUnprocessableEntity, "validation")
		o.admin.Call(t, http.MethodGet, in, nil).Refused(t, http.StatusNotFound, "not_found")
		o.admin.Call(t, http.MethodDelete, in, nil).Refused(t, http.StatusNotFound, "not_found")
		machine.Operator().Call(t, http.MethodPost, "/v1/organizations", map[string]any{
			"name":       "Folded",
			"firstAdmin": text,
		}).Refused(t, http.StatusUnprocessableEntity, "validation")

		if got := o.member(t, kate); got.Status != "invited" || got.Role != "admin" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// An address that passed to somebody else does not pass the membership on, not even at the moment
// when the first of them joins.
func TestMembershipIsBoundToOneID(t *testing.T) {
	t.Parallel()

	o, s := newTenant(t), deployed(t).Store
	for _, together := range append(make([]bool, 1), slices.Repeat([]bool{true}, 20)...) {
		email := address("passed")
		p := signIn(t, email)
		o.invite(t, email, "member")

		before, err := s.Member(t.Context(), o.id, email)
		if err != nil {
			t.Fatal(err)
		}

		taken := *before
		taken.ID = "somebody-else"
		taken.JoinedAt = time.Now()
		taken.Version = before.Version + 1
		var first error
		var beside sync.WaitGroup
		beside.Go(func() { first = s.Commit(t.Context(), s.PutMember(&taken, before.Version)) })

		if !together {
			beside.Wait()
		}

		a := p.Call(t, http.MethodGet, o.path(), nil)
		beside.Wait()

		if first != nil { // the person was
			a.Want(t, http.StatusOK)
			continue
		}

		a.Refused(t, http.StatusNotFound, "not_found")

		if got := p.me(t).Organizations; len(got) != 0 {
			t.Errorf("%+v", got)
		}

		if got := o.member(t, email); got.ID != "somebody-else" {
			t.Errorf("the membership is now of %s", got.ID)
		}
	}
}

// What a person is in the organization is read at each request.
func TestDemotionAndRemovalWorkAtOnce(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	p := o.join(t, "falling", "admin")
	patch := func() localtest.Answer {
		return p.Call(t, http.MethodPatch, o.path(), map[string]any{"name": "By them"})
	}
	patch().Want(t, http.StatusOK)
	o.admin.Call(t, http.MethodPut, o.path("members", p.id), map[string]any{
		"role": "member",
	}).Want(t, http.StatusOK)
	patch().Refused(t, http.StatusForbidden, "permission_denied")
	p.CreateKey(t, o.id, map[string]any{"name": "Mine", "environment": "production"})
	o.admin.Call(t, http.MethodPut, o.path("members", p.email), map[string]any{
		"role": "viewer",
	}).Want(t, http.StatusOK)
	p.Call(t, http.MethodPost, o.keys, map[string]any{
		"name":        "Mine",
		"environment": "production",
	}).Refused(t, http.StatusForbidden, "permission_denied")
	o.admin.Call(t, http.MethodDelete, o.path("members", p.email), nil).Want(t,
		http.StatusNoContent)
	p.Call(t, http.MethodGet, o.path(), nil).Refused(t, http.StatusNotFound, "not_found")
	o.admin.Call(t, http.MethodGet, o.path("members", p.email), nil).Refused(t, http.StatusNotFound,
		"not_found")
	o.admin.Call(t, http.MethodDelete, o.path("members", p.email), nil).Refused(t,
		http.StatusNotFound, "not_found")

	if got := p.me(t).Organizations; len(got) != 0 {
		t.Errorf("%+v", got)
	}

	o.invite(t, p.email, "viewer") // as anybody, anew
	p.Call(t, http.MethodGet, o.path(), nil).Want(t, http.StatusOK)
}

func TestMembersThatAreRefused(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	role := map[string]any{"role": "viewer"}
	for name, test := range map[string]struct {
		user   string
		body   any
		status int
		code   string
	}{
		"no address":         {"a@", role, 422, "validation"},
		"a name":             {"Alice <a@x.test>", role, 422, "validation"},
		"two addresses":      {"a@x.test,b@x.test", role, 422, "validation"},
		"an id of nobody":    {"0123456789abcdef", role, 422, "validation"},
		"no role":            {"a@x.test", map[string]any{}, 422, "validation"},
		"a role that is not": {"a@x.test", map[string]any{"role": "owner"}, 422, "validation"},
		"a grant that is no": {"a@x.test", map[string]any{
			"role":   "member",
			"grants": []string{"all"},
		}, 422, "validation"},
		"no JSON": {"a@x.test", "{", 400, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			o.admin.Call(t, http.MethodPut, o.path("members", url.PathEscape(test.user)),
				test.body).Refused(t, test.status, test.code)
		})
	}

	if diff := cmp.Diff([]string{"a@example.test"}, o.admins(t)); diff != "" {
		t.Errorf("admins (-want +got):\n%s", diff)
	}
}

func TestLastAdminStays(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	last := func() {
		t.Helper()

		admins := o.admins(t)
		if len(admins) != 1 {
			t.Fatalf("admins: %q", admins)
		}

		for _, role := range []string{"member", "viewer"} {
			o.admin.Call(t, http.MethodPut, o.path("members", admins[0]), map[string]any{
				"role": role,
			}).Refused(t, http.StatusConflict, "last_admin")
		}

		o.admin.Call(t, http.MethodDelete, o.path("members", admins[0]), nil).Refused(t,
			http.StatusConflict, "last_admin")
		o.admin.Call(t, http.MethodPut, o.path("members", admins[0]), map[string]any{
			"role": "admin",
		}).Want(t, http.StatusOK)
	}
	last()
	p := o.join(t, "second", "admin")
	p.Call(t, http.MethodDelete, o.path("members", "a@example.test"), nil).Want(t,
		http.StatusNoContent)
	last()
	third := o.join(t, "third", "admin")
	// oneself
	p.Call(t, http.MethodDelete, o.path("members", p.email), nil).Want(t, http.StatusNoContent)

	if diff := cmp.Diff([]string{third.email}, o.admins(t)); diff != "" {
		t.Errorf("admins (-want +got):\n%s", diff)
	}

	last()
}

// Two admins who demote or remove each other at once cannot both succeed.
func TestOneAdminIsLeftAfterManyDemotionsAtOnce(t *testing.T) {
	t.Parallel()

	for range 5 {
		o := newTenant(t)
		second := address("second")
		o.invite(t, second, "admin")

		var calls sync.WaitGroup
		for i := range 20 {
			calls.Go(func() {
				user := []string{"a@example.test", second}[i%2]

				var a localtest.Answer
				if i%4 < 2 {
					a = o.admin.Call(t, http.MethodPut, o.path("members", user), map[string]any{
						"role": "member",
					})
				} else {
					a = o.admin.Call(t, http.MethodDelete, o.path("members", user), nil)
				}

				if !slices.Contains([]int{
					http.StatusOK, http.StatusNoContent, http.StatusNotFound, http.StatusConflict,
					http.StatusCreated, http.StatusAccepted,
				}, a.Status) {
					t.Errorf("%s: %d\n%s", a.Call, a.Status, a.Body)
				}
			})
		}

		calls.Wait()

		if admins := o.admins(t); len(admins) != 1 {
			t.Errorf("%d admins are left: %q", len(admins), admins)
		}

		org, err := deployed(t).Store.Organization(t.Context(), o.id)
		if err != nil || org.Admins != 1 {
			t.Errorf("the organization counts %+v, %v", org, err)
		}
	}
}

// enabled are the ids of those keys of the tenant that work and are some person's.
func (o tenant) enabled(t *testing.T, owner string) []string {
	t.Helper()
	var list struct{ Items []localtest.Key }
	o.admin.Call(t, http.MethodGet, o.keys+"?status=all&ownership=personal&limit=200&owner="+owner,
		nil).Want(t, http.StatusOK).Into(t, &list)

	var out []string
	for _, k := range list.Items {
		if k.Enabled {
			out = append(out, k.ID)
		}
	}

	return out
}

func TestRemovalDisablesPersonalKeys(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	p, other := o.join(t, "leaver", "admin"), o.join(t, "other", "member")
	fields := func(ownership string) map[string]any {
		return map[string]any{"name": "Theirs", "environment": "staging", "ownership": ownership}
	}

	var secrets []string
	for range 3 {
		secrets = append(secrets, p.CreateKey(t, o.id, fields("personal")).Secret)
	}

	kept := []string{
		p.CreateKey(t, o.id, fields("organization")).Secret,
		other.CreateKey(t, o.id, fields("personal")).Secret,
	}
	o.admin.Call(t, http.MethodDelete, o.path("members", p.email), nil).Want(t,
		http.StatusNoContent)

	for _, secret := range secrets {
		machine.As(secret).Call(t, http.MethodGet, "/v1/whoami", nil).Refused(t,
			http.StatusUnauthorized, "invalid_key")
	}

	for _, secret := range kept {
		machine.As(secret).Call(t, http.MethodGet, "/v1/whoami", nil).Want(t, http.StatusOK)
	}
}

// A member who makes keys, or enables theirs, while they are removed, is left with none that works.
func TestRemovalLeavesNoKeyBehind(t *testing.T) {
	t.Parallel()

	for range 5 {
		o := newTenant(t)
		p := o.join(t, "racer", "member")
		first := p.CreateKey(t, o.id, map[string]any{
			"name":        "First",
			"environment": "production",
		}).Key

		var calls sync.WaitGroup
		for range 6 {
			calls.Go(func() {
				for status := 0; status != http.StatusNotFound; {
					status = p.Call(t, http.MethodPost, o.keys, map[string]any{
						"name":        "Beside",
						"environment": "production",
					}).Status
				}
			})
			calls.Go(func() {
				for status := 0; status != http.StatusNotFound; {
					status = p.Call(t, http.MethodPatch, o.keys+"/"+first.ID, map[string]any{
						"enabled":     true,
						"description": time.Now().String(),
					}).Status
				}
			})
		}

		for a := (localtest.Answer{}); a.Status != http.StatusNoContent; {
			a = o.admin.Call(t, http.MethodDelete, o.path("members", p.email), nil)
			if a.Status != http.StatusNoContent && a.Status != http.StatusConflict {
				t.Errorf("%d\n%s", a.Status, a.Body)
				break
			}
		}

		calls.Wait()

		if got := o.enabled(t, p.id); len(got) != 0 {
			t.Errorf("%d personal keys still work: %q", len(got), got)
		}
	}
}

// A removal that was cut short is no membership any more, and is finished by repeating it.
func TestRemovalThatWasCutShort(t *testing.T) {
	t.Parallel()
	o, s := newTenant(t), deployed(t).Store
	p := o.join(t, "stuck", "member")
	p.CreateKey(t, o.id, map[string]any{"name": "Theirs", "environment": "production"})

	m, err := s.Member(t.Context(), o.id, p.email)
	if err != nil {
		t.Fatal(err)
	}

	m.LeavingAt = time.Now()

	m.Version = m.Version + 1
	if err := s.Commit(t.Context(), s.PutMember(m, m.Version-1)); err != nil {
		t.Fatal(err)
	}

	p.Call(t, http.MethodGet, o.path(), nil).Refused(t, http.StatusNotFound, "not_found")
	o.admin.Call(t, http.MethodGet, o.path("members", p.email), nil).Refused(t, http.StatusNotFound,
		"not_found")
	o.admin.Call(t, http.MethodPut, o.path("members", p.email), map[string]any{
		"role": "admin",
	}).Refused(t, http.StatusConflict, "conflict")

	if got := o.enabled(t, p.id); len(got) != 1 {
		t.Errorf("enabled: %q", got)
	}

	o.admin.Call(t, http.MethodDelete, o.path("members", p.email), nil).Want(t,
		http.StatusNoContent)

	if got := o.enabled(t, p.id); len(got) != 0 {
		t.Errorf("enabled: %q", got)
	}

	if _, err := s.Member(t.Context(), o.id, p.email); !errors.Is(err, organization.ErrNoMember) {
		t.Errorf("the row: %v", err)
	}
}

// A person makes an organization, and is its admin from then on.
func TestPersonCreatesAnOrganization(t *testing.T) {
	t.Parallel()
	p := signIn(t, address("founder"))
	o := tenant{id: address("f")[:10]}
	o.keys = o.path("keys")
	p.Call(t, http.MethodPost, "/v1/organizations", map[string]any{
		"id":         o.id,
		"name":       "Founded",
		"firstAdmin": "x@y.test",
	}).Refused(t, http.StatusUnprocessableEntity, "validation")
	made := p.Call(t, http.MethodPost, "/v1/organizations", map[string]any{
		"id":   o.id,
		"name": "Founded",
	}).Made(t, http.StatusCreated)
	machine.As(made.Secret).Call(t, http.MethodGet, "/v1/whoami", nil).Want(t, http.StatusOK)
	var got member
	p.Call(t, http.MethodGet, o.path("members", p.email), nil).Want(t, http.StatusOK).Into(t, &got)

	if want := (member{
		ID:       p.id,
		Email:    p.email,
		Role:     "admin",
		Status:   "active",
		Grants:   []string{},
		JoinedAt: got.JoinedAt,
	}); !cmp.Equal(want, got) || got.JoinedAt == "" {
		t.Error(cmp.Diff(want, got))
	}

	mine := p.me(t).Organizations
	if len(mine) != 1 || mine[0].ID != o.id || mine[0].Role != "admin" ||
		!mine[0].MayCreate.Organization || !mine[0].MayCreate.Personal ||
		!slices.Contains(mine[0].MayGrant, "keys:write") ||
		slices.Contains(mine[0].MayGrant, "permissions:write") {
		t.Errorf("%+v", mine)
	}
}

// Who calls must be one: with a key beside the token, neither counts.
func TestTokenAndKeyTogether(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	p := o.join(t, "both", "admin")

	admin := machine.Operator().CreateKey(t, o.id, map[string]any{
		"name":        "Admin",
		"environment": "production",
		"permissions": adminPermissions(),
	}).Secret
	for name, key := range map[string]string{"good": admin, "bad": "nonsense", "empty": ""} {
		if a := p.Call(t, http.MethodGet, o.path(), nil,
			"X-Api-Key: "+key); a.Status != http.StatusUnauthorized {
			t.Errorf("a %s key beside a token: %d\n%s", name, a.Status, a.Body)
		}
	}
}
