package adminapi_test

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/localoidc"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// someone is a person who is signed in.
type someone struct {
	localtest.Client
	email string
	id    string // the identity provider's
}

// address makes an e-mail address that nobody else has.
func address(name string) string {
	return name + "-" + strings.ToLower(rand.Text()[:8]) + "@people.test"
}

// signIn signs a person in with an address, as the machine's own sign-in would.
func signIn(t *testing.T, email string) someone {
	t.Helper()

	provider, err := localoidc.New(localoidc.Config{
		BaseURL: machine.URL,
		DataDir: behind["BITTING_LOCAL_KEYS"],
		People:  []localoidc.Person{{Email: email}},
	})
	if err != nil {
		t.Fatal(err)
	}

	token, err := provider.Token(email)
	if err != nil {
		t.Fatal(err)
	}

	p := someone{Client: machine.SignedIn(token), email: email}
	p.id = p.me(t).ID
	return p
}

// me is the answer of GET /v1/me.
type me struct {
	ID            string
	Email         string
	Organizations []struct {
		ID         string
		Role       string
		Grants     []string
		MayGrant   []string
		MayCreate  struct{ Organization, Personal bool }
		Operations []string
	}
}

func (p someone) me(t *testing.T) me {
	t.Helper()
	var m me
	p.Call(t, http.MethodGet, "/v1/me", nil).Want(t, http.StatusOK).Into(t, &m)
	return m
}

// path is a path within the tenant.
func (o tenant) path(more ...string) string {
	return strings.Join(append([]string{"/v1/organizations", o.id}, more...), "/")
}

// invite makes an address a member of the tenant.
func (o tenant) invite(t *testing.T, email, role string, grants ...string) {
	t.Helper()
	machine.Operator().Call(t, http.MethodPut, o.path("members", email), map[string]any{
		"role":   role,
		"grants": append([]string{}, grants...),
	}).Want(t, http.StatusCreated)
}

// join makes a new person a member of the tenant, and signs them in: with that they have joined.
func (o tenant) join(t *testing.T, name, role string, grants ...string) someone {
	t.Helper()
	email := address(name)
	o.invite(t, email, role, grants...)
	return signIn(t, email)
}

// peopleTable is who may do what over HTTP that concerns no key, or a key of the organization, with
// an organization's first settings: + may, - is told 403, 0 is told 404, ! is told 401.
const peopleTable = `
                     admin member org-grant others-grant viewer owner stranger
getMe                  +      +       +           +        +      +       +
createOrganization     +      +       +           +        +      +       +
getOrganization        +      +       +           +        +      +       0
updateOrganization     +      -       -           -        -      -       0
deleteOrganization     +      -       -           -        -      -       0
listMembers            +      +       +           +        +      +       0
getMember              +      +       +           +        +      +       0
putMember              +      -       -           -        -      -       0
deleteMember           +      -       -           -        -      -       0
createCustomer         +      -       -           -        -      -       0
listCustomers          +      +       +           +        +      +       0
getCustomer            +      +       +           +        +      +       0
updateCustomer         +      -       -           -        -      -       0
deleteCustomer         +      -       -           -        -      -       0
getPermissions         +      +       +           +        +      +       +
putPermissions         -      -       -           -        -      -       -
createKey              +      +       +           +        -      +       0
importKeys             +      -       +           -        -      -       0
listKeys               +      +       +           +        +      +       0
getKey                 +      +       +           +        +      +       0
updateKey              +      -       +           -        -      -       0
deleteKey              +      -       +           -        -      -       0
regenerateKey          +      -       +           -        -      -       0
rotateKey              +      -       +           -        -      -       0
getRotation            +      +       +           +        +      +       0
finishRotation         +      -       +           -        -      -       0
revokeKey              +      -       +           -        -      -       0
restoreKey             +      -       +           -        -      -       0
bulkKeys               +      +       +           +        -      +       0
listJobs               +      +       +           +        +      +       0
getJob                 +      +       +           +        +      +       0
explainKey             +      +       +           +        +      +       0
keyHistory             +      +       +           +        +      +       0
keyAdvice              +      +       +           +        +      +       0
listAdvice             +      +       +           +        +      +       0
keyUsage               +      +       +           +        +      +       0
keyUsageCsv            +      +       +           +        +      +       0
getUsage               +      +       +           +        +      +       0
getUsageCsv            +      +       +           +        +      +       0
keyRequests            +      +       +           +        +      +       0
getRequest             +      +       +           +        +      +       0
listHistory            +      -       -           -        -      -       0
whoami                 !      !       !           !        !      !       !
`

// personalTable is the same for a personal key of the owner.
const personalTable = `
                     admin member org-grant others-grant viewer owner stranger
getKey                 +      0       0           +        0      +       0
updateKey              +      0       0           +        0      +       0
deleteKey              +      0       0           +        0      +       0
regenerateKey          +      0       0           +        0      +       0
rotateKey              +      0       0           +        0      +       0
getRotation            +      0       0           +        0      +       0
finishRotation         +      0       0           +        0      +       0
revokeKey              +      0       0           +        0      +       0
restoreKey             +      0       0           +        0      +       0
explainKey             +      0       0           +        0      +       0
keyHistory             +      0       0           +        0      +       0
keyAdvice              +      0       0           +        0      +       0
keyUsage               +      0       0           +        0      +       0
keyUsageCsv            +      0       0           +        0      +       0
keyRequests            +      0       0           +        0      +       0
getRequest             +      0       0           +        0      +       0
`

// keyTable is the same for admin keys of the organization with one permission each, and other
// callers who are no people; for personal keys, too.
const keyTable = `
                   keys:read keys:write keys:rotate keys:revoke usage:read history:read members:write organization:write other-organization data-plane operator nobody
getMe                  -         -          -           -          -           -             -               -                 -               -         -       !
createOrganization     -         -          -           -          -           -             -               -                 -               -         +       !
getOrganization        +         +          +           +          +           +             +               +                 0               -         +       !
updateOrganization     -         -          -           -          -           -             -               +                 0               -         +       !
deleteOrganization     -         -          -           -          -           -             -               +                 0               -         +       !
listMembers            -         -          -           -          -           -             +               -                 0               -         +       !
getMember              -         -          -           -          -           -             +               -                 0               -         +       !
putMember              -         -          -           -          -           -             e               -                 0               -         +       !
deleteMember           -         -          -           -          -           -             +               -                 0               -         +       !
createCustomer         -         -          -           -          -           -             -               +                 0               -         +       !
listCustomers          +         +          +           +          +           +             +               +                 0               -         +       !
getCustomer            +         +          +           +          +           +             +               +                 0               -         +       !
updateCustomer         -         -          -           -          -           -             -               +                 0               -         +       !
deleteCustomer         -         -          -           -          -           -             -               +                 0               -         +       !
getPermissions         +         +          +           +          +           +             +               +                 +               -         +       !
putPermissions         -         -          -           -          -           -             -               -                 -               -         +       !
createKey              -         +          -           -          -           -             -               -                 0               -         +       !
importKeys             -         +          -           -          -           -             -               -                 0               -         +       !
listKeys               +         -          -           -          -           -             -               -                 0               -         +       !
getKey                 +         -          -           -          -           -             -               -                 0               -         +       !
updateKey              -         +          -           -          -           -             -               -                 0               -         +       !
deleteKey              -         +          -           -          -           -             -               -                 0               -         +       !
regenerateKey          -         -          +           -          -           -             -               -                 0               -         +       !
rotateKey              -         -          +           -          -           -             -               -                 0               -         +       !
getRotation            +         -          -           -          -           -             -               -                 0               -         +       !
finishRotation         -         -          +           -          -           -             -               -                 0               -         +       !
revokeKey              -         -          -           +          -           -             -               -                 0               -         +       !
restoreKey             -         -          -           +          -           -             -               -                 0               -         +       !
bulkKeys               -         +          -           +          -           -             -               -                 0               -         +       !
listJobs               +         -          -           -          -           -             -               -                 0               -         +       !
getJob                 +         -          -           -          -           -             -               -                 0               -         +       !
explainKey             +         -          -           -          -           -             -               -                 0               -         +       !
keyHistory             -         -          -           -          -           +             -               -                 0               -         +       !
keyUsage               -         -          -           -          +           -             -               -                 0               -         +       !
keyUsageCsv            -         -          -           -          +           -             -               -                 0               -         +       !
keyAdvice              -         -          -           -          +           -             -               -                 0               -         +       !
listAdvice             -         -          -           -          +           -             -               -                 0               -         +       !
getUsage               -         -          -           -          +           -             -               -                 0               -         +       !
getUsageCsv            -         -          -           -          +           -             -               -                 0               -         +       !
keyRequests            -         -          -           -          +           -             -               -                 0               -         +       !
getRequest             -         -          -           -          +           -             -               -                 0               -         +       !
listHistory            -         -          -           -          -           +             -               -                 0               -         +       !
whoami                 +         +          +           +          +           +             +               +                 +               +         +       !
`

// statuses are what the signs of the tables stand for: the first digits of a status. e is for what
// a caller may do, but not so far: a permission alone invites nobody to what it does not let one
// read.
var statuses = map[string]string{
	"+": "2",
	"-": "403",
	"0": "404",
	"!": "401",
	"e": "422",
}

// onKey reports whether an operation is about a key.
func onKey(op string) bool { return strings.Contains("\n"+personalTable, "\n"+op+" ") }

// street is a tenant with one of each caller.
type street struct {
	tenant
	callers map[string]localtest.Client
	owner   someone
	// the id of a call with a key of the organization's, and with a personal one of the owner's
	recorded map[bool]string
}

func newStreet(t *testing.T) street {
	t.Helper()
	s := street{tenant: newTenant(t), callers: map[string]localtest.Client{}}
	other := newTenant(t)
	s.owner = s.join(t, "owner", "member")

	s.callers["owner"] = s.owner.Client
	for name, grants := range map[string][]string{
		"member":       nil,
		"org-grant":    {"manage_organization_keys"},
		"others-grant": {"manage_others_keys"},
	} {
		s.callers[name] = s.join(t, name, "member", grants...).Client
	}

	for _, role := range []string{"admin", "viewer"} {
		s.callers[role] = s.join(t, role, role).Client
	}

	s.callers["stranger"] = other.join(t, "stranger", "admin").Client
	for _, permission := range adminPermissions() {
		s.callers[permission] = s.with(t, map[string]any{"permissions": []string{permission}})
	}

	s.callers["other-organization"] = other.admin
	s.callers["operator"] = machine.Operator()
	s.callers["nobody"] = machine.As("")
	s.callers["data-plane"] = machine.As(s.first.Secret)
	personal := s.owner.CreateKey(t, s.id, map[string]any{
		"name":        "Mine",
		"environment": "production",
		"ownership":   "personal",
		"permissions": []string{},
	})
	s.recorded = map[bool]string{
		false: refusedCall(t, s.tenant, s.first),
		true:  refusedCall(t, s.tenant, personal),
	}
	return s
}

// call is a request that an admin's caller would succeed with.
type call struct {
	method, path string
	body         any
	headers      []string
}

// request makes what an operation needs, and its request. by is the caller's column.
func (s street) request(t *testing.T, op, by string, personal bool) call {
	t.Helper()

	operator := machine.Operator()
	switch op {
	case "getMe":
		return call{http.MethodGet, "/v1/me", nil, nil}
	case "whoami":
		return call{http.MethodGet, "/v1/whoami", nil, nil}
	case "createOrganization":
		fields := map[string]any{"id": "n-" + strings.ToLower(rand.Text()), "name": "New"}
		if by == "operator" {
			fields["firstAdmin"] = "a@example.test"
		}

		return call{http.MethodPost, "/v1/organizations", fields, nil}
	case "getOrganization":
		return call{http.MethodGet, s.path(), nil, nil}
	case "updateOrganization":
		return call{http.MethodPatch, s.path(), map[string]any{"name": rand.Text()}, nil}
	case "deleteOrganization":
		return call{http.MethodDelete, s.path(), nil, nil}
	case "listMembers":
		return call{http.MethodGet, s.path("members"), nil, nil}
	case "getMember":
		return call{http.MethodGet, s.path("members", s.owner.email), nil, nil}
	case "putMember":
		return call{http.MethodPut, s.path("members", address("new")), map[string]any{
			"role": "viewer",
		}, nil}
	case "deleteMember":
		email := address("gone")
		s.invite(t, email, "viewer")
		return call{http.MethodDelete, s.path("members", email), nil, nil}
	case "getPermissions":
		return call{http.MethodGet, "/v1/permissions", nil, nil}
	case "putPermissions":
		permissions, tag := catalogue(t)
		return call{http.MethodPut, "/v1/permissions", map[string]any{
			"permissions": permissions,
		}, []string{"If-Match: " + tag}}
	case "createKey":
		return call{http.MethodPost, s.keys, map[string]any{
			"name":        "New",
			"environment": "production",
			"permissions": []string{},
		}, nil}
	case "importKeys":
		return call{http.MethodPost, s.keys + "/import", map[string]any{
			"keys": []any{foreign(rand.Text(), map[string]any{"permissions": []string{}})},
		}, nil}
	case "listKeys":
		return call{http.MethodGet, s.keys, nil, nil}
	case "getUsage":
		return call{http.MethodGet, s.path("usage"), nil, nil}
	case "getUsageCsv":
		return call{http.MethodGet, s.path("usage.csv"), nil, nil}
	case "getRequest":
		return call{http.MethodGet, s.path("requests", s.recorded[personal]), nil, nil}
	case "listAdvice":
		return call{http.MethodGet, s.path("advice"), nil, nil}
	case "listHistory":
		return call{http.MethodGet, s.path("history"), nil, nil}
	case "bulkKeys":
		action := "disable"
		if by == "keys:write" {
			action = "enable"
		}

		return call{http.MethodPost, s.keys + "/bulk", map[string]any{
			"action": action,
			"filter": map[string]any{},
		}, nil}
	case "listJobs":
		return call{http.MethodGet, s.path("jobs"), nil, nil}
	case "getJob":
		var made struct{ Job struct{ ID string } }
		operator.Call(t, http.MethodPost, s.keys+"/bulk", map[string]any{
			"action":   "disable",
			"filter":   map[string]any{"tag": "none"},
			"dryRun":   false,
			"expected": 0,
		}).
			Want(t, http.StatusAccepted).Into(t, &made)
		return call{http.MethodGet, s.path("jobs", made.Job.ID), nil, nil}
	case "createCustomer":
		return call{http.MethodPost, s.path("customers"), map[string]any{"name": "New"}, nil}
	case "listCustomers":
		return call{http.MethodGet, s.path("customers"), nil, nil}
	case "getCustomer", "updateCustomer", "deleteCustomer":
		id := rand.Text()
		operator.Call(t, http.MethodPost, s.path("customers"), map[string]any{
			"id":   id,
			"name": id,
		}).Want(t, http.StatusCreated)
		method := map[string]string{
			"getCustomer":    http.MethodGet,
			"updateCustomer": http.MethodPatch,
			"deleteCustomer": http.MethodDelete,
		}[op]

		c := call{method, s.path("customers", id), nil, nil}
		if op == "updateCustomer" {
			c.body = map[string]any{"name": "Other"}
		}

		return c
	}

	return s.keyRequest(t, op, personal)
}

// keyRequest is request for what is about a key, which is a new one each time.
func (s street) keyRequest(t *testing.T, op string, personal bool) call {
	t.Helper()
	maker := machine.Operator()

	fields := map[string]any{
		"name":        "A key",
		"environment": "production",
		"permissions": []string{},
	}
	if personal {
		maker = s.owner.Client
		fields["ownership"] = "personal"
	}

	path := s.keys + "/" + maker.CreateKey(t, s.id, fields).Key.ID

	before := func(what string) {
		maker.Call(t, http.MethodPost, path+"/"+what, nil).Want(t, http.StatusOK)
	}
	switch op {
	case "getKey":
		return call{http.MethodGet, path, nil, nil}
	case "updateKey":
		return call{http.MethodPatch, path, map[string]any{"description": "new"}, nil}
	case "deleteKey":
		return call{http.MethodDelete, path, nil, nil}
	case "keyHistory":
		return call{http.MethodGet, path + "/history", nil, nil}
	case "keyAdvice":
		return call{http.MethodGet, path + "/advice", nil, nil}
	case "keyUsage":
		return call{http.MethodGet, path + "/usage", nil, nil}
	case "keyUsageCsv":
		return call{http.MethodGet, path + "/usage.csv", nil, nil}
	case "keyRequests":
		return call{http.MethodGet, path + "/requests", nil, nil}
	case "explainKey":
		return call{http.MethodPost, path + "/explain", map[string]any{
			"method": "GET",
			"path":   "/messages",
		}, nil}
	case "getRotation":
		before("rotate")
		return call{http.MethodGet, path + "/rotation", nil, nil}
	case "finishRotation":
		before("rotate")
		return call{http.MethodPost, path + "/rotation/finish", nil, nil}
	case "restoreKey":
		before("revoke")
		return call{http.MethodPost, path + "/restore", nil, nil}
	case "regenerateKey", "rotateKey", "revokeKey":
		return call{http.MethodPost, path + "/" + strings.TrimSuffix(op, "Key"), nil, nil}
	}

	t.Fatalf("there is no request for %s", op)
	return call{}
}

// cell makes one call of the tables.
func (s street) cell(t *testing.T, op, by string, personal bool, want string) {
	t.Helper()

	client, known := s.callers[by]
	if !known {
		t.Fatalf("there is no caller %s", by)
	}

	if op == "deleteOrganization" { // which the other cells need
		s = newStreet(t)
		client = s.callers[by]
	}

	for {
		c := s.request(t, op, by, personal)

		var offers, sees bool
		if _, changes := changing[op]; changes {
			offers, sees = offered(t, client, c.path, op)
		}

		a := client.Call(t, c.method, c.path, c.body, c.headers...)
		if op == "putPermissions" && a.Status == http.StatusPreconditionFailed {
			continue // another test changed the catalogue
		}

		if !strings.HasPrefix(strconv.Itoa(a.Status), statuses[want]) {
			t.Errorf("%s by %s, personal %v: %d, want %s\n%s", op, by, personal, a.Status,
				statuses[want], a.Body)
		}

		if may := a.Status < http.StatusBadRequest; sees && offers != may {
			t.Errorf("%s by %s, personal %v: the key offers it: %v; it may be done: %v", op, by,
				personal, offers, may)
		}

		return
	}
}

// table reads a table: its columns, and the signs of each row.
func table(text string) (columns []string, rows map[string][]string) {
	rows = map[string][]string{}
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if fields := strings.Fields(line); i == 0 {
			columns = fields
		} else {
			rows[fields[0]] = fields[1:]
		}
	}

	return columns, rows
}

// TestWhoMay makes every call as every kind of caller over HTTP; an operation of the document that
// has no row in the tables fails.
func TestWhoMay(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	var cells atomic.Int64
	t.Run("cells", func(t *testing.T) {
		for _, run := range []struct {
			name, text string
			personal   bool
		}{
			{"people", peopleTable, false},
			{"people, personal keys", personalTable, true},
			{"keys", keyTable, false},
			{"keys, personal keys", keyTable, true},
		} {
			columns, rows := table(run.text)
			for _, op := range operations(t, document(t)) {
				// for anybody, whoever else they are
				open := op.ID == "reportLeak" || op.ID == "reportGitHubLeaks"
				if _, has := rows[op.ID]; !has && !open && (!run.personal || onKey(op.ID)) {
					t.Errorf("%s: %s has no row", run.name, op.ID)
				}
			}

			for i, column := range columns {
				t.Run(run.name+"/"+column, func(t *testing.T) {
					t.Parallel()

					for op, signs := range rows {
						if run.personal && !onKey(op) {
							continue
						}

						cells.Add(1)
						s.cell(t, op, column, run.personal, signs[i])
					}
				})
			}
		}
	})
	t.Logf("%d cells", cells.Load())
}

// What me lists is what a person may do in the organization, by the table that TestWhoMay proves.
func TestMeListsWhatOneMayDo(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	columns, rows := table(peopleTable)

	for i, column := range columns {
		if column == "stranger" {
			continue
		}

		listed := someone{Client: s.callers[column]}.me(t).Organizations[0].Operations
		for _, op := range organization.Wide() {
			may := rows[string(op)][i] == "+"
			if got := slices.Contains(listed, string(op)); got != may {
				t.Errorf("%s, %s: listed %t, may %t", column, op, got, may)
			}
		}

		if slices.Contains(listed, "updateKey") || slices.Contains(listed, "putPermissions") {
			t.Errorf("%s: %v", column, listed)
		}
	}
}

// What a person sees in a list is what they may see one by one.
func TestListsShowWhatOneMaySee(t *testing.T) {
	t.Parallel()
	s := newStreet(t)

	personal := s.owner.CreateKey(t, s.id, map[string]any{
		"name":        "Personal",
		"environment": "production",
	}).Key
	if personal.Ownership != "personal" {
		t.Errorf("a member's key is %s where nothing was said", personal.Ownership)
	}

	for by, want := range map[string]bool{
		"admin":        true,
		"others-grant": true,
		"owner":        true,
		"keys:read":    true,
		"operator":     true,
		"member":       false,
		"org-grant":    false,
		"viewer":       false,
	} {
		names, _ := page(t, s.callers[by], s.keys+"?status=all&limit=200")
		if got := slices.Contains(names, "Personal"); got != want {
			t.Errorf("%s sees the personal key of another in the list: %v, want %v", by, got, want)
		}

		if !slices.Contains(names, "Default key") {
			t.Errorf("%s does not see the organization's keys: %q", by, names)
		}
	}
}

// A key that one may not see is answered as one that is not there, word for word.
func TestHiddenKeyIsLikeNoKey(t *testing.T) {
	t.Parallel()
	s := newStreet(t)

	personal := s.owner.CreateKey(t, s.id, map[string]any{
		"name":        "Personal",
		"environment": "production",
	}).Key
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		hidden := s.callers["member"].Call(t, method, s.keys+"/"+personal.ID, nil).Refused(t,
			http.StatusNotFound, "not_found")

		missing := s.callers["member"].Call(t, method, s.keys+"/0000000000000000", nil).Refused(t,
			http.StatusNotFound, "not_found")
		if hidden.Detail != missing.Detail || hidden.Title != missing.Title {
			t.Errorf("%s: %q of a hidden key, %q of none", method, hidden.Detail, missing.Detail)
		}
	}
}
