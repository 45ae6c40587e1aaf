package adminapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// contract is the OpenAPI document as a judge: every answer that a test of this package gets from
// the machine is held against it.
type contract struct {
	document map[string]any
	schemas  *jsonschema.Compiler

	guard sync.Mutex
	// by the pointer of the schema
	compiled map[string]*jsonschema.Schema
	// what an operation declares and no answer had so far: "getKey 200", "getKey 200 ETag"
	unseen map[string]bool
	faults map[string]string // kind of mismatch: an example
}

// named are the headers that an answer has to declare; others are those of HTTP or of API Gateway.
var named = []string{
	"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Content-Disposition", "ETag",
	"Idempotency-Replayed", "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "Vary",
	"WWW-Authenticate", "X-Amzn-Remapped-Www-Authenticate",
}

func newContract() (*contract, error) {
	text, err := json.Marshal(adminapi.Document())
	if err != nil {
		return nil, err
	}

	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}

	c := &contract{
		document: parsed.(map[string]any),
		schemas:  jsonschema.NewCompiler(),
		compiled: map[string]*jsonschema.Schema{},
		unseen:   map[string]bool{},
		faults:   map[string]string{},
	}
	c.schemas.DefaultDraft(jsonschema.Draft2020)
	c.schemas.AssertFormat()

	if err := c.schemas.AddResource("openapi.json", parsed); err != nil {
		return nil, err
	}

	for _, item := range objects(c.document["paths"]) {
		for _, operation := range objects(item) {
			for status, answer := range objects(operation["responses"]) {
				name := fmt.Sprint(operation["operationId"], " ", status)
				if !strings.HasPrefix(status, "2") {
					continue
				}

				c.unseen[name] = true

				for header := range objects(answer["headers"]) {
					// of every operation alike
					if !strings.HasPrefix(header, "RateLimit") && header != "Vary" {
						c.unseen[name+" "+header] = true
					}
				}
			}
		}
	}

	// it takes GitHub's signature: its test serves keys of its own, to functions of its own
	delete(c.unseen, "reportGitHubLeaks 202")

	return c, nil
}

// objects are the members of an object that are objects themselves.
func objects(of any) map[string]map[string]any {
	all, _ := of.(map[string]any)

	out := make(map[string]map[string]any, len(all))
	for name, member := range all {
		if object, ok := member.(map[string]any); ok {
			out[name] = object
		}
	}

	return out
}

// look holds an answer against the document.
func (c *contract) look(tb testing.TB, request *http.Request, a localtest.Answer) {
	tb.Helper()

	path, operation := c.operation(request)
	if operation == nil || a.Status == http.StatusNotModified || request.Method == http.MethodHead {
		return
	}

	// asked for by Accept, it is the answer of another operation
	if kind := a.Header.Get("Content-Type"); strings.HasPrefix(kind, "text/csv") &&
		!strings.HasSuffix(path, ".csv") {
		path += ".csv"
		operation = objects(objects(c.document["paths"])[path])["get"]
	}

	for _, fault := range c.judge(path, request, operation, a) {
		id := fmt.Sprint(operation["operationId"], " ", a.Status, " ", fault)

		c.guard.Lock()
		_, known := c.faults[id]
		c.faults[id] = a.Call
		c.guard.Unlock()

		if !known {
			tb.Errorf("%s: not as the OpenAPI document declares: %s", a.Call, id)
		}
	}
}

// operation finds what a request asks for: nil where the document does not have it.
func (c *contract) operation(request *http.Request) (path string, found map[string]any) {
	sent := strings.Split(strings.TrimSuffix(request.URL.EscapedPath(), "/"), "/")
	literals := -1

	for template, item := range objects(c.document["paths"]) {
		parts := strings.Split(template, "/")
		if len(parts) != len(sent) {
			continue
		}

		same := 0
		for i := range parts {
			switch {
			case parts[i] == sent[i]:
				same++
			case !strings.HasPrefix(parts[i], "{"):
				same = -len(parts) * 2
			}
		}

		operation := objects(item)[strings.ToLower(request.Method)]
		if operation != nil && same > literals {
			path, found, literals = template, operation, same
		}
	}

	return path, found
}

// judge returns what is not as declared.
func (c *contract) judge(
	path string, request *http.Request, operation map[string]any, a localtest.Answer,
) (faults []string) {
	answers := objects(operation["responses"])

	status := strconv.Itoa(a.Status)
	if answers[status] == nil {
		status = status[:1] + "XX"
	}

	declared := answers[status]
	if declared == nil {
		return []string{"the status is not declared"}
	}

	name := fmt.Sprint(operation["operationId"], " ", status)
	c.see(name)

	headers := objects(declared["headers"])
	for _, header := range named {
		has := a.Header.Get(header) != ""
		_, may := headers[header]

		switch {
		case has && !may:
			faults = append(faults, "the header "+header+" is not declared")
		case has:
			c.see(name + " " + header)
		case may && headers[header]["required"] == true:
			faults = append(faults, "the header "+header+" is declared and missing")
		}
	}

	content := objects(declared["content"])
	if len(content) == 0 {
		if len(a.Body) > 0 {
			faults = append(faults, "a body where none is declared")
		}

		return faults
	}

	kind, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if content[kind] == nil {
		return append(faults, fmt.Sprintf("the media type %q is not declared", kind))
	}

	if !strings.HasSuffix(kind, "json") {
		return faults
	}

	pointer := strings.Join([]string{
		"openapi.json#/paths", escaped(path), strings.ToLower(request.Method), "responses", status,
		"content", escaped(kind), "schema",
	}, "/")
	return append(faults, c.validate(pointer, a.Body)...)
}

func (c *contract) see(name string) {
	c.guard.Lock()
	defer c.guard.Unlock()
	delete(c.unseen, name)
}

// escaped is a part of a JSON pointer, in a URI.
func escaped(part string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(part)
}

// validate returns what a body has that its schema does not allow, each with its place.
func (c *contract) validate(pointer string, body []byte) []string {
	schema, err := c.schema(pointer)
	if err != nil {
		return []string{err.Error()}
	}

	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return []string{"the body is no JSON: " + err.Error()}
	}

	var invalid *jsonschema.ValidationError
	if errors.As(schema.Validate(value), &invalid) {
		return deviations(invalid)
	}

	return nil
}

// schema returns the compiled schema that a pointer leads to.
func (c *contract) schema(pointer string) (schema *jsonschema.Schema, err error) {
	c.guard.Lock()
	defer c.guard.Unlock()

	if schema = c.compiled[pointer]; schema == nil {
		schema, err = c.schemas.Compile(pointer)
		c.compiled[pointer] = schema
	}

	return schema, err
}

// deviations are what is wrong in the end, with * for an index.
func deviations(of *jsonschema.ValidationError) (all []string) {
	for _, cause := range of.Causes {
		all = append(all, deviations(cause)...)
	}

	if len(of.Causes) > 0 {
		return all
	}

	place := slices.Clone(of.InstanceLocation)
	for i, part := range place {
		if _, err := strconv.Atoi(part); err == nil {
			place[i] = "*"
		}
	}

	return []string{fmt.Sprintf("/%s: %T %v", strings.Join(place, "/"), of.ErrorKind, of.ErrorKind)}
}

// missing is what is declared and was never sent, where all tests ran.
func (c *contract) missing() []string {
	if flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" {
		return nil
	}

	return slices.Sorted(maps.Keys(c.unseen))
}
