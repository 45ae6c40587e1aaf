package adminapi_test

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// failure is what an import says of a key that it did not take.
type failure struct {
	Index int
	Code  string
}

// imported is the answer of an import.
type imported struct {
	Imported    int
	Failed      []failure
	EffectiveBy time.Time
	Replayed    bool
	Code        string // of a problem, as is Detail
	Detail      string
}

// foreign is the entry of a secret of another system, by its sha256 in hexadecimal digits, in
// production.
func foreign(secret string, fields map[string]any) map[string]any {
	sum := sha256.Sum256([]byte(secret))
	if len(secret) > 20 {
		machine.Keep(secret, hex.EncodeToString(sum[:]))
	}

	return merged(map[string]any{
		"name":        "From elsewhere",
		"environment": "production",
		"hash": map[string]any{
			"algorithm": "sha256",
			"encoding":  "hex",
			"value":     hex.EncodeToString(sum[:]),
		},
	}, fields)
}

// bring imports entries, which may partly fail.
func (o tenant) bring(t *testing.T, as localtest.Client, entries ...map[string]any) imported {
	t.Helper()
	var got imported
	as.Call(t, http.MethodPost, o.keys+"/import", map[string]any{
		"keys": entries,
	}).Want(t, http.StatusOK).Into(t, &got)
	return got
}

// awakening is done once: the machine notices up to ten seconds later that production has keys
// imported by an algorithm.
var awakening sync.Once

// awaken makes production look for imported keys by both algorithms, behind the demo API and behind
// whoami.
func awaken(t *testing.T) {
	t.Helper()
	awakening.Do(func() {
		o := newTenant(t)
		for _, algorithm := range []string{"sha256", "sha512"} {
			secret := rand.Text()
			o.bring(t, o.admin, foreign("", map[string]any{
				"permissions": []string{"messages:read"},
				"hash":        digestOf(algorithm, "hex", hex.EncodeToString)(secret),
			}))

			for _, path := range []string{"/production/messages", "/v1/whoami"} {
				for t.Context().Err() == nil &&
					machine.As(secret).Call(t, http.MethodGet, path, nil).Status != http.StatusOK {
					time.Sleep(100 * time.Millisecond)
				}
			}
		}
	})
}

// An imported key works as it was sent before, in both headers, whatever its hash was written in;
// and becomes one of ours by a new secret.
func TestImportedKeys(t *testing.T) {
	t.Parallel()
	awaken(t)
	o := newTenant(t)

	admin := o.join(t, "importer", "admin")
	for name, test := range map[string]struct {
		secret string
		hash   func(secret string) map[string]any
	}{
		"sha256, hex": {
			"sk_live_" + rand.Text(), digestOf("sha256", "hex", hex.EncodeToString),
		},
		"sha256, upper hex": {
			"sk_live_" + rand.Text(),
			digestOf("sha256", "hex", func(b []byte) string {
				return strings.ToUpper(hex.EncodeToString(b))
			}),
		},
		"sha256, base64": {
			rand.Text(), digestOf("sha256", "base64", base64.StdEncoding.EncodeToString),
		},
		"sha256, base64 for URLs": {
			rand.Text(), digestOf("sha256", "base64", base64.RawURLEncoding.EncodeToString),
		},
		"sha256, not said": {
			rand.Text(), digestOf("sha256", "", base64.RawStdEncoding.EncodeToString),
		},
		"sha512, hex": {
			rand.Text(), digestOf("sha512", "hex", hex.EncodeToString),
		},
		"sha512, base64, every letter": {
			`!"#$%&'()*+,-./:;<=>?@[\]^_{|}~` + rand.Text(),
			digestOf("sha512", "base64", base64.URLEncoding.EncodeToString),
		},
		"as long as may be": {
			strings.Repeat("x", 230) + rand.Text(), digestOf("sha256", "hex", hex.EncodeToString),
		},
		"of the form of another system": {
			"acme_prod_" + rand.Text(), digestOf("sha256", "hex", hex.EncodeToString),
		},
	} {
		got := o.bring(t, admin.Client, merged(foreign("", nil), map[string]any{
			"name": name,
			"hash": test.hash(test.secret),
		}))
		if got.Imported != 1 || len(got.Failed) != 0 {
			t.Fatalf("%s: %+v", name, got)
		}

		for _, c := range []localtest.Client{
			machine.As(test.secret), machine.SignedIn(test.secret),
		} {
			c.Call(t, http.MethodGet, "/production/messages", nil).Want(t, http.StatusOK)
			c.Call(t, http.MethodGet, "/staging/messages", nil).Refused(t, http.StatusUnauthorized,
				"invalid_key")

			who := decoded(t,
				c.Call(t, http.MethodGet, "/v1/whoami", nil).Want(t, http.StatusOK).Body)
			if who["name"] != name || who["allPermissions"] != true ||
				who["environment"] != "production" {
				t.Errorf("%s: %v", name, who)
			}
		}

		for _, other := range []string{
			test.secret + "x", test.secret[1:], strings.ToLower(test.secret),
		} {
			machine.As(other).Call(t, http.MethodGet, "/production/messages", nil).Refused(t,
				http.StatusUnauthorized, "invalid_key")
		}
	}
}

// digestOf writes a secret's digest in some encoding.
func digestOf(algorithm, encoding string, write func([]byte) string) func(string) map[string]any {
	return func(secret string) map[string]any {
		sum256 := sha256.Sum256([]byte(secret))
		sum512 := sha512.Sum512([]byte(secret))

		hash := map[string]any{
			"algorithm": algorithm,
			"value": write(map[string][]byte{
				"sha256": sum256[:],
				"sha512": sum512[:],
			}[algorithm]),
		}
		if encoding != "" {
			hash["encoding"] = encoding
		}

		return hash
	}
}

// A legacy key becomes one of ours by a new secret: during a rotation both work, afterwards only
// ours, and it stays a legacy key until it is narrowed.
func TestImportedKeyGetsANewSecret(t *testing.T) {
	t.Parallel()
	awaken(t)
	o := newTenant(t)
	admin := o.join(t, "importer", "admin")
	old := rand.Text()
	o.bring(t, admin.Client, foreign(old, nil))
	works := func(secret string, want bool) {
		t.Helper()

		for _, path := range []string{"/production/messages", "/v1/whoami"} {
			a := machine.As(secret).Call(t, http.MethodGet, path, nil)
			if want {
				a.Want(t, http.StatusOK)
			} else {
				a.Refused(t, http.StatusUnauthorized, "invalid_key")
			}
		}
	}
	var list struct{ Items []localtest.Key }
	admin.Call(t, http.MethodGet, o.keys+"?q=elsewhere", nil).Want(t, http.StatusOK).Into(t, &list)

	if len(list.Items) != 1 {
		t.Fatalf("%d keys", len(list.Items))
	}

	path := o.keys + "/" + list.Items[0].ID

	show := func() map[string]any {
		return decoded(t, admin.Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK).Body)
	}
	if k := show(); k["hint"] != "sha256:"+list.Items[0].ID[:4]+"…" || k["legacy"] != true ||
		k["allPermissions"] != true || k["ownership"] != "organization" {
		t.Errorf("%v", k)
	}

	works(old, true)
	var made localtest.Made
	admin.Call(t, http.MethodPost, path+"/rotate", nil).Want(t, http.StatusOK).Into(t, &made)
	works(old, true)
	works(made.Secret, true)
	admin.Call(t, http.MethodPost, path+"/rotation/finish", nil).Want(t, http.StatusOK)
	works(old, false)
	works(made.Secret, true)

	if show()["legacy"] != true {
		t.Error("a new secret made it another key")
	}

	admin.Call(t, http.MethodPatch, path, map[string]any{
		"allPermissions": false,
		"permissions":    []string{"messages:read"},
	}).Want(t, http.StatusOK)

	if show()["legacy"] != false {
		t.Error("it was narrowed and is still a legacy key")
	}

	again := made.Secret
	admin.Call(t, http.MethodPost, path+"/regenerate", nil).Want(t, http.StatusOK).Into(t, &made)
	works(again, false)
	works(made.Secret, true)
}

// A call has its own bounds: a thousand keys, and a body that a thousand fit into.
func TestImportIsBounded(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	many := make([]any, 1001)
	for i := range many {
		many[i] = foreign("", nil)
	}

	p := o.admin.Call(t, http.MethodPost, o.keys+"/import", map[string]any{
		"keys": many,
	}).Refused(t, http.StatusRequestEntityTooLarge, "too_large")
	if p.Detail != "A call imports at most 1,000 keys, but this one has 1001: make several calls." {
		t.Errorf("%q", p.Detail)
	}

	o.admin.Call(t, http.MethodPost, o.keys+"/import", map[string]any{
		"keys": many[:1000],
	}).Refused(t, http.StatusUnprocessableEntity, "escalation") // it is read

	p = o.admin.Call(t, http.MethodPost, o.keys+"/import", map[string]any{
		"keys": []any{foreign("", map[string]any{"description": strings.Repeat("x", 1<<20)})},
	}).
		Refused(t, http.StatusRequestEntityTooLarge, "too_large")
	if p.Detail != "The body of this call may have at most 1024 KiB." {
		t.Errorf("%q", p.Detail)
	}

	p = o.admin.Call(t, http.MethodPost, o.keys, map[string]any{
		"description": strings.Repeat("x", 256<<10),
	}).Refused(t, http.StatusRequestEntityTooLarge, "too_large")
	if p.Detail != "The body of this call may have at most 256 KiB." {
		t.Errorf("%q", p.Detail)
	}
}
