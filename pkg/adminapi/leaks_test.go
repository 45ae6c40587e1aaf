package adminapi_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// report sends a report of a leak, as anybody can, and returns the whole answer.
func (o *timed) report(t *testing.T, body any, headers ...string) response {
	t.Helper()

	text, isText := body.(string)
	if !isText {
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}

		text = string(encoded)
	}

	sent := map[string]any{"Content-Type": "application/json"}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		sent[name] = value
	}

	event, err := json.Marshal(map[string]any{
		"httpMethod": "POST",
		"path":       "/v1/leaks",
		"headers":    sent,
		"body":       text,
		"requestContext": map[string]any{
			"requestId": "r1" + o.requestID,
			"identity":  map[string]any{"sourceIp": o.source},
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	o.another() // or its limit would be reached by a test
	return invoked(t, o.functions[adminapi.GroupRevocation], event)
}

// another gives the next calls an address of another network.
func (o *timed) another() {
	o.source = fmt.Sprintf("2001:db8:%x:%x::1", mathrand.IntN(1<<16), mathrand.IntN(1<<16))
}

// minted is a secret of a right form that nobody was given.
func minted(t *testing.T, env apikey.Environment, id string) string {
	t.Helper()

	secret, err := apikey.Brand("bt").Mint(rand.Reader, env, id)
	if err != nil {
		t.Fatal(err)
	}

	return secret.Reveal()
}

// trace is what a report can change of a key.
type trace struct {
	Revoked, Compromised bool
	Exposure             map[string]any
	Opens                []bool // its secrets, oldest first
	Exposed              int    // entries of its history
	Version              float64
}

func (o *timed) traceOf(t *testing.T, id string, secrets ...string) trace {
	t.Helper()
	k := decoded(t,
		machine.Operator().Call(t, http.MethodGet, o.keys+"/"+id, nil).Want(t, http.StatusOK).Body)
	out := trace{
		Opens:   o.opens(t, secrets...),
		Exposed: len(o.exposed(t, id)),
		Version: k["version"].(float64),
	}

	out.Exposure, _ = k["exposure"].(map[string]any)
	if r, ok := k["revocation"].(map[string]any); ok {
		out.Revoked = true
		out.Compromised = r["compromised"].(bool)
	}

	return out
}

// exposed are the entries of a key's history that tell of leaks, newest first.
func (o *timed) exposed(t *testing.T, id string) (out []map[string]any) {
	t.Helper()

	page := decoded(t,
		machine.Operator().Call(t, http.MethodGet, o.keys+"/"+id+"/history", nil).Want(t,
			http.StatusOK).Body)
	for _, item := range page["items"].([]any) {
		if e := item.(map[string]any); e["action"] == "key.leaked" {
			out = append(out, e)
		}
	}

	return out
}

// What a report does, by what was reported; and that it does it once, however often it comes.
func TestLeaks(t *testing.T) {
	t.Parallel()
	post := func(action, body string) func(*testing.T, *timed, localtest.Made) []string {
		return func(t *testing.T, o *timed, k localtest.Made) []string {
			t.Helper()
			a := o.admin.Call(t, http.MethodPost, o.keys+"/"+k.Key.ID+action, body).Want(t,
				http.StatusOK)

			var m localtest.Made
			if a.Into(t, &m); m.Secret != "" {
				return []string{k.Secret, m.Secret}
			}

			return []string{k.Secret}
		}
	}
	change := func(body string) func(*testing.T, *timed, localtest.Made) []string {
		return func(t *testing.T, o *timed, k localtest.Made) []string {
			t.Helper()
			o.admin.Call(t, http.MethodPatch, o.keys+"/"+k.Key.ID, body).Want(t, http.StatusOK)
			return []string{k.Secret}
		}
	}

	reads := []string{"messages:read"}
	for name, test := range map[string]struct {
		permissions []string
		// returns its secrets, oldest first
		prepare  func(*testing.T, *timed, localtest.Made) []string
		reported int // which of them
		revoked  bool
		exposure string // its action; "" for none
		opens    []bool // which are taken for keys before, whatever they may do,
		then     []bool // and after
	}{
		"a secret key": {
			reads,
			nil,
			0,
			true,
			"revoked",
			[]bool{true},
			[]bool{false},
		},
		"with something publishable": {
			[]string{"messages:read", "messages:write"},
			nil,
			0,
			true,
			"revoked",
			[]bool{true},
			[]bool{false},
		},
		"publishable": {
			[]string{"messages:write", "telemetry:write"},
			nil,
			0,
			false,
			"flagged",
			[]bool{true},
			[]bool{true},
		},
		"without permissions": {
			[]string{},
			nil,
			0,
			true,
			"revoked",
			[]bool{true},
			[]bool{false},
		},
		"an admin key": {
			[]string{"keys:read"},
			nil,
			0,
			true,
			"revoked",
			[]bool{true},
			[]bool{false},
		},
		"disabled": {
			reads,
			change(`{"enabled": false}`),
			0,
			true,
			"revoked",
			[]bool{false},
			[]bool{false},
		},
		"revoked before": {
			reads,
			post("/revoke", ``),
			0,
			true,
			"revoked",
			[]bool{false},
			[]bool{false},
		},
		"compromised before": {
			reads,
			post("/revoke", `{"compromised": true}`),
			0,
			true,
			"revoked",
			[]bool{false},
			[]bool{false},
		},
		"the old secret of a rotation": {
			reads,
			post("/rotate", `{"overlap": "1d"}`),
			0,
			false,
			"revoked",
			[]bool{true, true},
			[]bool{false, true},
		},
		"an old secret with no end so far": {
			reads,
			post("/rotate", `{"startsAt": "first_use"}`),
			0,
			false,
			"revoked",
			[]bool{true, true},
			[]bool{false, true},
		},
		"a publishable old secret": {
			[]string{"messages:write"},
			post("/rotate", `{"overlap": "1d"}`),
			0,
			false,
			"flagged",
			[]bool{true, true},
			[]bool{true, true},
		},
		"the new secret of a rotation": {
			reads,
			post("/rotate", `{"overlap": "1d"}`),
			1,
			true,
			"revoked",
			[]bool{true, true},
			[]bool{false, false},
		},
		"a retired secret": {
			reads,
			post("/regenerate", ``),
			0,
			false,
			"",
			[]bool{false, true},
			[]bool{false, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newTimed(t, nil)
			k := machine.Operator().CreateKey(t, o.id, map[string]any{
				"name":        "Leaked",
				"environment": "production",
				"permissions": test.permissions,
			})

			secrets := []string{k.Secret}
			if test.prepare != nil {
				secrets = test.prepare(t, o, k)
			}

			before := o.traceOf(t, k.Key.ID, secrets...)
			if diff := cmp.Diff(test.opens, before.Opens); diff != "" {
				t.Errorf("opens before (-want +got):\n%s", diff)
			}

			at := o.advance(time.Minute)

			found := map[string]any{
				"secret": secrets[test.reported],
				"url":    "https://example.test/found",
				"note":   "in a gist",
			}
			for range 3 {
				if a := o.report(t, found); a.Status != http.StatusAccepted ||
					strings.TrimSpace(a.Body) != "{}" {
					t.Fatalf("%d %s", a.Status, a.Body)
				}
			}

			want := trace{
				Revoked:     test.revoked,
				Compromised: test.revoked,
				Opens:       test.then,
				Exposed:     1,
				Version:     before.Version,
			}
			if test.exposure != "" {
				want.Version++
				want.Exposure = map[string]any{
					"at":     stamp(at),
					"source": "report",
					"url":    "https://example.test/found",
					"action": test.exposure,
				}
			}

			if diff := cmp.Diff(want, o.traceOf(t, k.Key.ID, secrets...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}

			entry := o.exposed(t, k.Key.ID)[0]
			if actor := entry["actor"].(map[string]any); actor["type"] != "system" ||
				actor["id"] != "leaks" || entry["reason"] != "in a gist" ||
				!strings.HasPrefix(entry["sourceIp"].(string), "2001:db8:") {
				t.Errorf("the entry is %v", entry)
			}

			if test.revoked {
				o.admin.Call(t, http.MethodPost, o.keys+"/"+k.Key.ID+"/restore", nil).Refused(t,
					http.StatusConflict, "compromised")

				renewed := machine.Operator().Call(t, http.MethodPost,
					o.keys+"/"+k.Key.ID+"/regenerate", nil).Made(t, http.StatusOK)
				if got := o.traceOf(t, k.Key.ID); got.Revoked || got.Exposure != nil ||
					renewed.Secret == "" {
					t.Errorf("regenerated: %+v", got)
				}
			}
		})
	}
}

// A deleted key stays as it is, and its history tells; an expired one is revoked, since a later
// expiry would bring it back; so is an operator's.
func TestLeaksOfKeysThatAreOver(t *testing.T) {
	t.Parallel()
	o := newTimed(t, map[string]any{"expiresIn": "1h"})
	o.advance(2 * time.Hour)
	o.report(t, map[string]any{"secret": o.secrets[0]})

	if got := o.traceOf(t, o.key.ID); !got.Compromised || got.Exposed != 1 ||
		got.Exposure["url"] != nil {
		t.Errorf("expired: %+v", got)
	}

	gone := o.tenant.key(t, nil)
	o.admin.Call(t, http.MethodDelete, o.keys+"/"+gone.Key.ID, nil).Want(t, http.StatusNoContent)

	before := o.traceOf(t, gone.Key.ID)
	for range 2 {
		o.report(t, map[string]any{"secret": gone.Secret})
	}

	before.Exposed = 1
	if diff := cmp.Diff(before, o.traceOf(t, gone.Key.ID)); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}

	operator := machine.Operator().CreateKey(t, "_operators", map[string]any{
		"name":        "Leaked",
		"environment": "production",
		"permissions": []string{"keys:read"},
	})
	machine.As(operator.Secret).Call(t, http.MethodGet, o.keys, nil).Want(t, http.StatusOK)
	o.report(t, map[string]any{"secret": operator.Secret})
	machine.As(operator.Secret).Call(t, http.MethodGet, o.keys, nil).Refused(t,
		http.StatusUnauthorized, "unauthenticated")
}

// A key that opens everything is no publishable one, whatever its permissions are.
func TestLeakOfAKeyWithAllPermissions(t *testing.T) {
	t.Parallel()
	o := newTimed(t, nil)
	admin := o.join(t, "a", "admin")
	k := admin.CreateKey(t, o.id, map[string]any{
		"name":           "All",
		"environment":    "production",
		"permissions":    []string{"messages:write"},
		"allPermissions": true,
	})
	o.report(t, map[string]any{"secret": k.Secret})

	if got := o.traceOf(t, k.Key.ID, k.Secret); !got.Compromised || got.Opens[0] {
		t.Errorf("%+v", got)
	}
}

// reports are of every kind; only the last four are of secrets that a key has or had.
func reports(t *testing.T, o *timed) map[string]string {
	t.Helper()
	good, other := o.secrets[0], o.tenant.key(t, nil)
	publishable := o.tenant.key(t, map[string]any{"permissions": []string{"messages:write"}})
	rotated := o.tenant.key(t, nil)
	o.admin.Call(t, http.MethodPost, o.keys+"/"+rotated.Key.ID+"/regenerate", nil).Want(t,
		http.StatusOK)
	return map[string]string{
		"garbage":               "garbage",
		"one letter":            "x",
		"spaces":                "  ",
		"not ASCII":             "béton",
		"a word":                "correct-horse-battery-staple",
		"long":                  strings.Repeat("x", 7000),
		"a wrong checksum":      good[:len(good)-1] + "!",
		"cut":                   good[:len(good)-4],
		"another brand":         "acme" + good[2:],
		"an id only":            o.key.ID,
		"another's random part": minted(t, "production", o.key.ID),
		"no such key":           minted(t, "production", "0000000000000000"),
		"another environment":   minted(t, "staging", o.key.ID),
		"with a newline":        other.Secret + "\n",
		"secret":                other.Secret,
		"publishable":           publishable.Secret,
		"retired":               rotated.Secret,
	}
}

// Whatever is reported, the answer is the same to the letter, and comes at the same time.
func TestLeaksAreAnsweredAlike(t *testing.T) {
	t.Parallel()
	o := newTimed(t, nil)

	var first *response
	for name, secret := range reports(t, o) {
		o.waited = nil

		got := o.report(t, map[string]any{"secret": secret})
		if first == nil {
			first = &got
		}

		if diff := cmp.Diff(*first, got); diff != "" || got.Status != http.StatusAccepted {
			t.Errorf("%s (-another +this):\n%s", name, diff)
		}

		if diff := cmp.Diff([]time.Duration{500 * time.Millisecond}, o.waited); diff != "" {
			t.Errorf("%s: waited (-want +got):\n%s", name, diff)
		}
	}
}

// Who does not have the whole secret changes nothing and leaves no trace: a key's id is public.
func TestReportsWithoutTheSecretDoNothing(t *testing.T) {
	t.Parallel()
	o := newTimed(t, nil)
	all := reports(t, o)
	delete(all, "secret")
	delete(all, "publishable")
	delete(all, "retired")
	delete(all, "with a newline") // which is the secret
	before := o.all(t)

	history := string(machine.Operator().Call(t, http.MethodGet,
		"/v1/organizations/"+o.id+"/history?limit=200", nil).Want(t, http.StatusOK).Body)
	for _, secret := range all {
		o.report(t, map[string]any{"secret": secret, "url": "https://example.test/", "note": "n"})
	}

	if diff := cmp.Diff(before, o.all(t)); diff != "" {
		t.Errorf("keys (-before +after):\n%s", diff)
	}

	if diff := cmp.Diff(history,
		string(machine.Operator().Call(t, http.MethodGet,
			"/v1/organizations/"+o.id+"/history?limit=200", nil).Want(t,
			http.StatusOK).Body)); diff != "" {
		t.Errorf("history (-before +after):\n%s", diff)
	}
}

// What is kept of a report holds nothing of the secret, wherever the reporter put it.
func TestReportsAreKeptWithoutTheSecret(t *testing.T) {
	t.Parallel()
	o := newTimed(t, nil)
	// SECRET and its escaped form ESCAPED are put in
	for name, test := range map[string]struct{ url, note, want string }{
		"in the note": {
			"https://example.test/a", "it is SECRET, really", "https://example.test/a",
		},
		"in the query": {
			"https://example.test/?key=SECRET&x=1#L3", "",
			"https://example.test/?key=[secret]&x=1#L3",
		},
		"in the path": {
			"https://example.test/SECRET/x", "", "https://example.test/[secret]/x",
		},
		"in the fragment": {
			"https://example.test/#SECRET", "", "https://example.test/#[secret]",
		},
		"escaped": {
			"https://example.test/?key=ESCAPED", "", "https://example.test/?key=[secret]",
		},
		"with dots": {
			"https://example.test/?key=DOTS", "DOTS", "https://example.test/?key=[secret]",
		},
		"its secret part": {
			"https://example.test/?key=PART", "PART", "https://example.test/?key=[secret]",
		},
		"as a password": {
			"https://user:SECRET@example.test/a", "", "https://example.test/a",
		},
		"cut short": {
			"https://example.test/?key=CUT", "CUT", "https://example.test/?key=[secret]",
		},
		"of another, untouched": {
			"https://example.test/x?y=%20z", "plain", "https://example.test/x?y=%20z",
		},
	} {
		k := o.tenant.key(t, map[string]any{"name": name})

		var escaped strings.Builder
		for _, c := range []byte(k.Secret) {
			fmt.Fprintf(&escaped, "%%%02x", c)
		}

		put := strings.NewReplacer("SECRET", k.Secret, "ESCAPED", escaped.String(), "CUT",
			k.Secret[:len(k.Secret)-10], "DOTS", strings.ReplaceAll(k.Secret, "_", "."), "PART",
			k.Secret[len(k.Secret)-38:])
		o.requestID = k.Secret // a client may choose it
		o.report(t, map[string]any{
			"secret": k.Secret,
			"url":    put.Replace(test.url),
			"note":   put.Replace(test.note),
		}, "User-Agent: "+k.Secret)

		if got := o.traceOf(t, k.Key.ID).Exposure["url"]; got != test.want {
			t.Errorf("%s: kept as %v, want %s", name, got, test.want)
		}

		text := string(machine.Operator().Call(t, http.MethodGet,
			o.keys+"/"+k.Key.ID, nil).Body) + string(machine.Operator().Call(t, http.MethodGet,
			o.keys+"/"+k.Key.ID+"/history", nil).Body)

		random := k.Secret[strings.LastIndexByte(k.Secret, '_')+1:]
		for _, part := range []string{random[:12], random[16:32], escaped.String()[60:90]} {
			if strings.Contains(text, part) {
				t.Errorf("%s: a part of the secret is kept", name)
			}
		}
	}
}

// An address that reports too much is told so: that says nothing of any secret. Others go on.
func TestReportsAreLimited(t *testing.T) {
	t.Parallel()
	o := newTimed(t, nil)
	body := map[string]any{"secret": "garbage"}
	source := strings.TrimSuffix(o.source, "1")
	statuses := map[int]int{}

	var last response
	for i := range 25 {
		o.source = fmt.Sprintf("%s%x", source, i+1) // all of one network
		last = o.report(t, body)
		statuses[last.Status]++
	}

	if statuses[http.StatusAccepted] < 20 || statuses[http.StatusTooManyRequests] == 0 ||
		len(statuses) != 2 {
		t.Errorf("answers by status: %v", statuses)
	}

	if p := decoded(t, []byte(last.Body)); p["code"] != "rate_limited" ||
		len(last.Headers["Retry-After"]) != 1 || last.Headers["Retry-After"][0] == "0" {
		t.Errorf("%v %v", last.Headers, p)
	}

	o.source = source + "1"
	if a := o.report(t, map[string]any{
		"secret": o.secrets[0],
	}); a.Status != http.StatusTooManyRequests || !o.opens(t, o.secrets[0])[0] {
		t.Errorf("over the limit: %d", a.Status)
	}

	if a := o.report(t, map[string]any{
		"secret": o.secrets[0],
	}); a.Status != http.StatusAccepted || o.opens(t, o.secrets[0])[0] {
		t.Errorf("from elsewhere: %d", a.Status)
	}
}

func TestWrongReports(t *testing.T) {
	t.Parallel()
	o := newTimed(t, nil)
	secret := o.secrets[0]

	long := strings.Repeat("n", 501)
	for name, test := range map[string]struct {
		body     any
		status   int
		code     string
		location string
	}{
		"no secret":    {`{}`, 422, "validation", "body.secret"},
		"an empty one": {`{"secret": ""}`, 422, "validation", "body.secret"},
		"no text":      {`{"secret": 7}`, 422, "validation", "body.secret"},
		"a list":       {`[]`, 422, "validation", "body"},
		"not JSON":     {`{"secret": "` + secret, 400, "malformed", "body"},
		"nothing":      {``, 400, "malformed", ""},
		"another field": {
			`{"secret": "` + secret + `", "` + secret + `": 1}`, 422, "validation", "body.[secret]",
		},
		"a file": {map[string]any{
			"secret": secret,
			"url":    "file:///" + secret,
		}, 422, "validation", "body.url"},
		"of no page": {map[string]any{
			"secret": secret,
			"url":    "ftp://example.test/",
		}, 422, "validation", "body.url"},
		"no address": {map[string]any{
			"secret": secret,
			"url":    secret,
		}, 422, "validation", "body.url"},
		"a script": {map[string]any{
			"secret": secret,
			"url":    "javascript:alert(1)",
		}, 422, "validation", "body.url"},
		"no site": {map[string]any{
			"secret": secret,
			"url":    "https:///x",
		}, 422, "validation", "body.url"},
		"a long address": {map[string]any{
			"secret": secret,
			"url":    "https://example.test/" + strings.Repeat("u", 2000),
		}, 422, "validation", "body.url"},
		"a long note": {map[string]any{
			"secret": secret,
			"note":   secret + long,
		}, 422, "validation", "body.note"},
		"too much": {map[string]any{
			"secret": secret,
			"note":   strings.Repeat("n", 8<<10),
		}, 413, "too_large", ""},
	} {
		a := o.report(t, test.body)
		p := decoded(t, []byte(a.Body))

		location := ""
		if errs, ok := p["errors"].([]any); ok {
			location, _ = errs[0].(map[string]any)["location"].(string)
		}

		if a.Status != test.status || p["code"] != test.code || location != test.location {
			t.Errorf("%s: %d %v at %q, want %d %s at %q", name, a.Status, p["code"], location,
				test.status, test.code, test.location)
		}

		if test.status == 413 && p["detail"] != "The body of this call may have at most 8 KiB." {
			t.Errorf("%s: %v", name, p["detail"])
		}

		if strings.Contains(a.Body, secret[20:40]) {
			t.Errorf("%s: the answer has the secret", name)
		}
	}

	if !o.opens(t, secret)[0] {
		t.Error("a report that was refused had an effect")
	}
}

// A secret of another system is stopped wherever it was imported; after the key got one of ours, a
// report of it is history only.
func TestLeaksOfImportedKeys(t *testing.T) {
	t.Parallel()
	o := newTimed(t, nil)
	admin := o.join(t, "importer", "admin")
	secret := "sk_live_" + rand.Text()
	both := []map[string]any{foreign(secret, map[string]any{
		"name": "in production",
	}), foreign(secret, map[string]any{
		"name":        "in staging",
		"environment": "staging",
	})}

	renewed := rand.Text()
	if got := o.bring(t, admin.Client, append(both, foreign(renewed, map[string]any{
		"name":        "renewed",
		"permissions": []string{"messages:read"},
	}))...); got.Imported != 3 {
		t.Fatalf("%+v", got)
	}

	ids := map[string]string{}
	var list struct{ Items []localtest.Key }
	o.admin.Call(t, http.MethodGet, o.keys+"?status=all", nil).Want(t, http.StatusOK).Into(t, &list)

	for _, k := range list.Items {
		ids[k.Name] = k.ID
	}

	if got := o.opens(t, secret, renewed); !got[0] || !got[1] {
		t.Fatalf("imported keys open %v", got)
	}

	o.report(t, map[string]any{
		"secret": secret,
		"url":    "https://example.test/?key=" + secret,
		"note":   "it says " + secret,
	})

	for _, name := range []string{"in production", "in staging"} {
		got := o.traceOf(t, ids[name], secret)
		if !got.Compromised || got.Exposed != 1 || got.Opens[0] ||
			got.Exposure["url"] != "https://example.test/?key=[secret]" ||
			o.exposed(t, ids[name])[0]["reason"] != "it says [secret]" {
			t.Errorf("%s: %+v", name, got)
		}
	}

	fresh := o.admin.Call(t, http.MethodPost, o.keys+"/"+ids["renewed"]+"/rotate",
		`{"overlap": "1d"}`).Made(t, http.StatusOK).Secret
	o.report(t, map[string]any{"secret": renewed})

	if got := o.traceOf(t, ids["renewed"], renewed, fresh); got.Revoked || got.Opens[0] ||
		!got.Opens[1] || got.Exposure["action"] != "revoked" {
		t.Errorf("the old secret of a rotation: %+v", got)
	}

	before := o.traceOf(t, ids["renewed"], renewed, fresh)
	o.report(t, map[string]any{"secret": renewed, "url": "https://example.test/later"})

	before.Exposed++
	if diff := cmp.Diff(before, o.traceOf(t, ids["renewed"], renewed, fresh)); diff != "" {
		t.Errorf("a retired one (-want +got):\n%s", diff)
	}
}

// A text is reported as it was found: every secret of ours in it is taken, wherever it stands, and
// another system's where it stands by itself.
func TestLeaksInATextAround(t *testing.T) {
	t.Parallel()
	o := newTimed(t, nil)
	admin := o.join(t, "importer", "admin")
	secretKey := func() localtest.Made {
		return o.tenant.key(t, map[string]any{"permissions": []string{"messages:read"}})
	}
	texts := map[string]string{
		"white space":          " \t\nSECRET\r\n",
		"quotes":               `"SECRET"`,
		"single quotes":        "'SECRET',",
		"Bearer":               "Bearer SECRET",
		"a header":             "X-Api-Key: SECRET",
		"another header":       "Authorization: Bearer SECRET",
		"a variable":           "API_KEY=SECRET",
		"a variable in quotes": `export API_KEY="SECRET";`,
		"JSON":                 `{"apiKey":"SECRET"}`,
	}

	around := map[string]string{
		"a line of text": "we found SECRET in the log of 3 o'clock",
		"a command":      `curl -H "X-Api-Key: SECRET" https://api.example.test/`,
		"an address":     "https://example.test/?key=SECRET&x",
		"several lines":  "# production\nHOST=a\nKEY=SECRET\nPORT=1\n",
		"run together":   "xSECRETy",
	}
	for name, text := range merge(texts, around) {
		one, other := secretKey(), secretKey()
		for form, secret := range map[string]string{
			"as it is": one.Secret,
			"encoded":  strings.ReplaceAll(other.Secret, "_", "%5f"),
		} {
			o.report(t, map[string]any{"secret": strings.ReplaceAll(text, "SECRET", secret)})

			k := map[string]localtest.Made{"as it is": one, "encoded": other}[form]
			if got := o.traceOf(t, k.Key.ID, k.Secret); !got.Compromised || got.Opens[0] {
				t.Errorf("%s, %s: %+v", name, form, got)
			}
		}
	}

	for name, text := range texts {
		secret := "sk_live_" + rand.Text()
		o.bring(t, admin.Client, foreign(secret, map[string]any{"name": name}))
		o.report(t, map[string]any{"secret": strings.ReplaceAll(text, "SECRET", secret)})

		if got := o.opens(t, secret); got[0] {
			t.Errorf("%s: another system's secret works", name)
		}
	}

	// All of them, also those of what else the report says; and of what is kept, none.
	var secrets []string
	for range 32 {
		secrets = append(secrets, minted(t, "production", "0000000000000000"))
	}

	last := secretKey()
	noted := secretKey()
	linked := secretKey()
	o.report(t, map[string]any{
		"secret": strings.Join(append(secrets[:20:20], last.Secret), "\n"),
		"note":   "and " + noted.Secret,
		"url":    "https://example.test/?key=" + linked.Secret,
	})

	for _, k := range []localtest.Made{last, noted, linked} {
		if got := o.traceOf(t, k.Key.ID, k.Secret); !got.Compromised || got.Opens[0] ||
			got.Exposure["url"] != "https://example.test/?key=[secret]" {
			t.Errorf("one of several: %+v", got)
		}
	}

	if got := o.report(t, map[string]any{
		"secret": strings.Join(append(secrets, last.Secret), " "),
	}); got.Status != http.StatusUnprocessableEntity {
		t.Errorf("33 secrets: %d", got.Status)
	}
}

// A secret of another system that several organizations imported is stopped in each.
func TestLeakOfWhatSeveralImported(t *testing.T) {
	t.Parallel()
	o, other := newTimed(t, nil), newTenant(t)
	secret := "sk_live_" + rand.Text()
	narrow := map[string]any{"name": "shared", "permissions": []string{"messages:read"}}

	ids := map[string]string{}
	for _, by := range []tenant{o.tenant, other} {
		by.bring(t, by.admin, foreign(secret, narrow))
		var list struct{ Items []localtest.Key }
		by.admin.Call(t, http.MethodGet, by.keys+"?q=shared", nil).Want(t, http.StatusOK).Into(t,
			&list)
		ids[by.keys] = list.Items[0].ID
	}

	o.report(t, map[string]any{"secret": secret})

	for keys, id := range ids {
		k := decoded(t,
			machine.Operator().Call(t, http.MethodGet, keys+"/"+id, nil).Want(t,
				http.StatusOK).Body)
		if revocation, _ := k["revocation"].(map[string]any); revocation["compromised"] != true {
			t.Errorf("%s: %v", keys, k["revocation"])
		}
	}
}

func merge(maps ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range maps {
		for name, text := range m {
			out[name] = text
		}
	}

	return out
}

// A key whose secret is in the open keeps what may be published, and gets no more before it has a
// new secret.
func TestFlaggedKeyIsNotWidened(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, map[string]any{"permissions": []string{"messages:write"}})
	path := o.keys + "/" + k.Key.ID
	machine.As("").Call(t, http.MethodPost, "/v1/leaks", map[string]any{
		"secret": k.Secret,
	}).Want(t, http.StatusAccepted)
	more := map[string]any{"permissions": []string{"messages:write", "licenses:manage"}}
	o.admin.Call(t, http.MethodPatch, path, more).Refused(t, http.StatusConflict, "compromised")
	machine.As(k.Secret).Call(t, http.MethodGet, "/production/licenses", nil).Want(t,
		http.StatusForbidden)
	o.admin.Call(t, http.MethodPatch, path, map[string]any{
		"permissions": []string{"messages:write", "telemetry:write"},
		"name":        "Page",
	}).Want(t, http.StatusOK)
	o.admin.Call(t, http.MethodPost, path+"/regenerate", nil).Want(t, http.StatusOK)
	o.admin.Call(t, http.MethodPatch, path, more).Want(t, http.StatusOK)
}
