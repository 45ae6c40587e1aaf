package adminapi_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// exampleSecret has the form of a secret, and is none.
const exampleSecret = "bt_prod_7Qm2Xb0aVd91KtZs_ThisIsNoSecretButHasTheFormOfOne000000"

// exampled is what the document's examples were taken from: calls in the order of a key's life.
type exampled struct {
	*testing.T
	contract *contract
	org      string
	taken    map[string]adminapi.Example
	ids      map[string]string
}

// call makes a call, and takes it for the example of its operation.
func (e *exampled) call(c localtest.Client, method, path string, body any) localtest.Answer {
	e.Helper()

	a := c.Call(e.T, method, path, body)

	request, err := http.NewRequestWithContext(e.Context(), method, "http://localhost"+path, nil)
	if err != nil {
		e.Fatal(err)
	}

	_, operation := e.contract.operation(request)
	if operation == nil || a.Status >= http.StatusBadRequest {
		e.Fatalf("%s: %d %s", a.Call, a.Status, a.Body)
	}

	example := adminapi.Example{Status: fmt.Sprint(a.Status), Request: e.shown(body)}
	if strings.HasPrefix(a.Header.Get("Content-Type"), "text/") {
		example.Response = string(a.Body)
	} else if len(a.Body) > 0 {
		example.Response = e.shown(json.RawMessage(a.Body))
	}

	e.taken[operation["operationId"].(string)] = example
	return a
}

// shown is a value as an example shows it: short, and with nothing in it of the machine that it was
// taken from.
func (e *exampled) shown(value any) any {
	e.Helper()

	text, err := json.Marshal(value)
	if err != nil {
		e.Fatal(err)
	}

	for _, found := range regexp.MustCompile(`"([0-9A-Za-z]{16})"`).FindAllSubmatch(text, -1) {
		id := string(found[1])
		if e.ids[id] == "" && strings.ContainsAny(id, "0123456789") {
			e.ids[id] = fmt.Sprintf("%s%02d%s", "7Qm2Xb0aVd91", len(e.ids)+10, "Ks")
		}
	}

	all := string(text)
	for _, id := range slices.Sorted(maps.Keys(e.ids)) {
		all = strings.ReplaceAll(all, id, e.ids[id])
	}

	for _, r := range []struct{ what, by string }{
		{`bt_(prod|stg|dev)_[0-9A-Za-z]{16}_[0-9A-Za-z]{20,}`, exampleSecret},
		{`…[0-9A-Za-z]{4}`, "…Zk4d"},
		{regexp.QuoteMeta(e.org), "acme"},
		{`-[a-z2-7]{8}@people\.test`, "@acme.example"},
		{`"nextCursor":"[^"]+"`, `"nextCursor":"q6hV0b3Jk9cXw2sT"`},
		{`127\.0\.0\.1|::1`, "203.0.113.7"},
		{`Go-http-client/1\.1`, "acme-billing/2.1"},
		{`"latencyMs":\d+`, `"latencyMs":4`},
	} {
		all = regexp.MustCompile(r.what).ReplaceAllString(all, r.by)
	}

	var out any
	if err := json.Unmarshal([]byte(all), &out); err != nil {
		e.Fatal(err)
	}

	return shortened(out)
}

// shortened leaves two items of each list: an example shows what one is.
func shortened(value any) any {
	switch value := value.(type) {
	case []any:
		value = value[:min(len(value), 2)]
		for i := range value {
			value[i] = shortened(value[i])
		}

		return value
	case map[string]any:
		for name := range value {
			value[name] = shortened(value[name])
		}
	}

	return value
}

// The document's examples are what the API answers: each is of the shape that the same call gets
// now, and valid by its schema. With -update they are taken anew.
func TestExamples(t *testing.T) {
	c, err := newContract()
	if err != nil {
		t.Fatal(err)
	}

	o := newTenant(t)
	e := &exampled{
		T:        t,
		contract: c,
		org:      o.id,
		taken:    map[string]adminapi.Example{},
		ids:      map[string]string{},
	}
	e.tour(o)

	if *update {
		var text bytes.Buffer

		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", " ")

		if err := encoder.Encode(e.taken); err != nil {
			t.Fatal(err)
		}

		if err := os.WriteFile("examples.json", text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}

		t.Fatal("examples.json was written: run the test again")
	}

	for path, item := range objects(c.document["paths"]) {
		for method, operation := range objects(item) {
			id := operation["operationId"].(string)

			example, has := adminapi.Examples()[id]
			if !has {
				t.Errorf("%s has no example", id)
				continue
			}

			if taken, made := e.taken[id]; made {
				for _, diff := range []string{
					cmp.Diff(shape(taken.Request), shape(example.Request)),
					cmp.Diff(shape(taken.Response), shape(example.Response)),
				} {
					if diff != "" || taken.Status != example.Status {
						t.Errorf("%s: run the test with -update (-now +then):\n%s", id, diff)
					}
				}
			}

			e.judge(path, method, operation, example)
		}
	}

	if _, err := apikey.Brand("bt").Parse(exampleSecret); err == nil ||
		len(exampleSecret) != len(o.first.Secret) {
		t.Errorf("the secret of examples has no wrong checksum, or another length than %d",
			len(o.first.Secret))
	}
}

// judge holds an example against its schemas, in the places where the document has it.
func (e *exampled) judge(path, method string, operation map[string]any, x adminapi.Example) {
	e.Helper()

	pointer := "openapi.json#/paths/" + escaped(path) + "/" + method
	body := objects(objects(operation["requestBody"])["content"])["application/json"]

	answer := objects(operation["responses"])[x.Status]
	if answer == nil {
		e.Errorf("%s: the status %s of the example is not declared", pointer, x.Status)
		return
	}

	if (body != nil) != (body["example"] != nil) {
		e.Errorf("%s: the body has no example", pointer)
	}

	if body != nil {
		e.valid(pointer+"/requestBody/content/application~1json", body["example"])
	}

	for media, content := range objects(answer["content"]) {
		if content["example"] == nil {
			e.Errorf("%s: %s of %s has no example", pointer, media, x.Status)
			continue
		}

		e.valid(pointer+"/responses/"+x.Status+"/content/"+escaped(media), content["example"])
	}
}

func (e *exampled) valid(pointer string, example any) {
	e.Helper()

	text, err := json.Marshal(example)
	if err != nil {
		e.Fatal(err)
	}

	for _, fault := range e.contract.validate(pointer+"/schema", text) {
		e.Errorf("%s: %s", pointer, fault)
	}

	for _, secret := range regexp.MustCompile(`bt_\w+_\w{16}_\w{20,}`).FindAllString(string(text), -1) {
		if secret != exampleSecret {
			e.Errorf("%s shows another secret than the one of examples", pointer)
		}
	}
}

// shape is what has to stay the same of an example: the names of fields, not their values. A null
// may be a value another time.
func shape(value any) any {
	switch value := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, field := range value {
			switch field.(type) {
			case map[string]any, []any:
				out[name] = shape(field)
			default:
				out[name] = nil
			}

			switch name { // null, or by what was called
			case "lastUsed", "rotation", "values", "metadata", "evidence", "body", "byRoute", "sources":
				out[name] = nil
			}
		}

		return out
	case []any:
		if len(value) == 0 {
			return nil
		}

		return shape(value[0])
	default:
		return nil
	}
}

// tour makes the calls.
func (e *exampled) tour(o tenant) {
	const get, post, put, patch, remove = http.MethodGet, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete

	operator := machine.Operator()
	second := "t-" + hex.EncodeToString([]byte(o.id[2:10]))
	e.ids[second] = "globex"

	e.call(operator, post, "/v1/organizations", map[string]any{
		"id": second, "name": "Globex", "firstAdmin": address("hank"),
	})

	boss := signIn(e.T, address("alice"))
	operator.Call(e.T, put, o.path("members", boss.email), map[string]any{"role": "admin"}).Want(e.T,
		http.StatusCreated)
	e.call(boss.Client, get, "/v1/me", nil)
	e.call(boss.Client, get, o.path(), nil)
	e.call(boss.Client, patch, o.path(), map[string]any{
		"name": "Acme", "settings": map[string]any{"longestLife": map[string]any{"production": "365d"}},
	})

	bob := address("bob")
	e.call(boss.Client, put, o.path("members", bob), map[string]any{"role": "member"})
	e.call(boss.Client, get, o.path("members", bob), nil)
	e.call(boss.Client, get, o.path("members"), nil)
	e.call(boss.Client, post, o.path("customers"), map[string]any{
		"id": "initech", "name": "Initech", "metadata": map[string]any{"plan": "gold"},
	})
	e.call(boss.Client, get, o.path("customers", "initech"), nil)
	e.call(boss.Client, patch, o.path("customers", "initech"), map[string]any{"name": "Initech Ltd"})
	e.call(boss.Client, get, o.path("customers"), nil)

	var catalogue map[string]any
	e.call(operator, get, "/v1/permissions", nil).Into(e.T, &catalogue)
	e.call(operator, put, "/v1/permissions", map[string]any{
		"permissions": catalogue["permissions"],
	})

	k := e.call(boss.Client, post, o.keys, map[string]any{
		"name":        "Billing",
		"description": "Reads messages for the invoices",
		"environment": "production",
		"permissions": []string{"messages:read"},
		"customers":   []string{"initech"},
		"rateLimits":  []any{map[string]any{"name": "calls", "limit": 600, "window": "1m"}},
		"quota":       map[string]any{"limit": 100000, "period": "month"},
		"expiresIn":   "90d",
		"tags":        []string{"billing"},
	}).Made(e.T, http.StatusCreated)
	key := o.keys + "/" + k.Key.ID

	machine.As(k.Secret).Call(e.T, get, "/production/messages", nil).Want(e.T, http.StatusOK)
	refused := machine.As(k.Secret).Call(e.T, get, "/production/licenses", nil).Want(e.T,
		http.StatusForbidden)
	e.call(machine.As(k.Secret), get, "/v1/whoami", nil)

	e.call(boss.Client, get, key, nil)
	e.call(boss.Client, get, o.keys+"?limit=2", nil)
	e.call(boss.Client, patch, key, map[string]any{"description": "Reads messages", "expiresIn": "30d"})
	e.call(boss.Client, post, key+"/explain", map[string]any{"method": "GET", "path": "/licenses"})

	requestID := fmt.Sprint(decoded(e.T, refused.Body)["requestId"])
	eventually(e.T, 30*time.Second, func() bool {
		return boss.Call(e.T, get, o.path("requests", requestID), nil).Status == http.StatusOK &&
			strings.Contains(string(boss.Call(e.T, get, key+"/usage", nil).Body),
				`"totals":{"allowed":1,"denied":1}`)
	})
	e.call(boss.Client, get, o.path("requests", requestID), nil)
	e.call(boss.Client, get, key+"/requests", nil)

	for _, usage := range []string{"/usage", "/usage.csv"} {
		e.call(boss.Client, get, key+usage, nil)
		e.call(boss.Client, get, o.path()+usage, nil)
	}

	e.call(boss.Client, get, key+"/advice?window=1s", nil)
	e.call(boss.Client, get, o.path("advice")+"?window=1s", nil)

	e.call(boss.Client, post, key+"/rotate", map[string]any{"overlap": "24h"})
	e.call(boss.Client, get, key+"/rotation", nil)
	e.call(boss.Client, post, key+"/rotation/finish", map[string]any{})
	e.call(boss.Client, post, key+"/revoke", map[string]any{"reason": "Not used any more"})
	e.call(boss.Client, post, key+"/restore", map[string]any{})
	e.call(boss.Client, post, key+"/regenerate", map[string]any{})
	e.call(boss.Client, post, o.keys+"/import", map[string]any{"keys": []any{map[string]any{
		"name":        "From before",
		"environment": "production",
		"permissions": []string{"messages:read"},
		"hash": map[string]any{
			"algorithm": "sha256",
			"value":     hex.EncodeToString([]byte(strings.Repeat(o.id, 2)[:32])),
		},
	}}})
	e.call(boss.Client, post, o.keys+"/bulk", map[string]any{
		"action": "disable", "filter": map[string]any{"tag": "billing"},
	})
	e.call(boss.Client, get, key+"/history", nil)
	e.call(boss.Client, get, o.path("history"), nil)
	e.call(boss.Client, remove, key, nil)
	e.call(boss.Client, remove, o.path("members", bob), nil)
	e.call(boss.Client, remove, o.path("customers", "initech"), nil)
	e.call(machine.As(""), post, "/v1/leaks", map[string]any{
		"secret": exampleSecret, "url": "https://git.example/acme/app/blob/main/.env",
	})

	job := decoded(e.T, e.call(operator, remove, "/v1/organizations/"+second, nil).Body)["job"]
	id := job.(map[string]any)["id"].(string)
	e.call(operator, get, "/v1/organizations/"+second+"/jobs/"+id, nil)
	e.call(operator, get, "/v1/organizations/"+second+"/jobs", nil)

	// GitHub alone can sign it
	e.taken["reportGitHubLeaks"] = adminapi.Example{
		Status: "202",
		Request: []any{map[string]any{
			"token": exampleSecret, "type": "bitting_key", "source": "content",
			"url": "https://github.com/acme/app/blob/main/.env",
		}},
		Response: map[string]any{},
	}
}
