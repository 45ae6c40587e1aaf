package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/strictjson"
)

// read is where every call is read before huma reads it: what could be taken in two ways is
// refused, and what can be written in several ways has one from here on. It finds what no schema
// says. What it found is told together with what huma and the rules of the operation find.
func (a *API) read(ctx huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(ctx)
	f, op := &faults{}, ctx.Operation()
	ctx = huma.WithValue(ctx, faultsKey{}, f)

	f.query(r)
	f.headers(r, op)
	r.Header.Set("Accept", preferred(r.Header.Values("Accept"), a.offered(op)))

	if op.RequestBody != nil && !op.SkipValidateBody {
		if p := a.readBody(ctx.Context(), f, r, op); p != nil {
			_ = huma.WriteErr(a.huma, ctx, p.status, p.message, p.detail) // it logs by itself
			return
		}
	}

	next(ctx)
}

// faults collects what is wrong with a call as it was sent.
type faults struct{ fields []api.FieldError }

func (f *faults) add(location, message string, value any) {
	f.fields = append(f.fields, api.FieldError{
		Location: location,
		Message:  message,
		Value:    value,
	})
}

type faultsKey struct{}

// faultsOf are the faults that read found.
func faultsOf(ctx context.Context) []api.FieldError {
	f, ok := ctx.Value(faultsKey{}).(*faults)
	if !ok {
		return nil
	}

	return f.fields
}

// wellRead is the error of a call in which read found faults, and huma none; nil where there are
// none.
func (a *API) wellRead(ctx context.Context) error {
	found := faultsOf(ctx)
	if len(found) == 0 {
		return nil
	}

	return errorOfInput(a.brand, http.StatusUnprocessableEntity, "", detailsOf(found))
}

// lossy reports whether a text is not UTF-8, or was not before somebody on the way put the
// replacement character (U+FFFD) in the place of what was wrong: the gateway hands on its events in
// JSON, which holds nothing else.
func lossy(text string) bool { return strings.ContainsRune(text, utf8.RuneError) }

// query takes each parameter once. Where one came twice, nobody could tell which is meant.
func (f *faults) query(r *http.Request) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		f.add("query", "expected name=value, separated by & and percent-encoded", nil)
	}

	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch given := values[name]; {
		case len(given) > 1:
			f.add("query."+name, "expected once", nil)
		case lossy(name) || lossy(given[0]):
			f.add("query."+name, "expected text in UTF-8", nil)
		}
	}
}

// entityTags is what If-None-Match may be.
var entityTags = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\*|(W/)?"[^"]*"( *, *(W/)?"[^"]*")*)$`)
})

// idempotencyKey reports whether a text may be an Idempotency-Key: other characters do not arrive as
// they were sent, and an empty one would make nothing happen once. A regular expression that counts
// so far takes long to compile, at each start of a function.
func idempotencyKey(text string) bool {
	return text != "" && len(text) <= maxIdempotencyKey && !strings.HasSuffix(text, " ") &&
		!strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// headers takes each header that the operation knows once, but for those that are lists.
func (f *faults) headers(r *http.Request, op *huma.Operation) {
	for _, p := range op.Parameters {
		if p.In != "header" {
			continue
		}

		given := r.Header.Values(p.Name)
		switch {
		case len(given) < 2:
		case p.Name == "If-Match" || p.Name == "If-None-Match":
			r.Header.Set(p.Name, strings.Join(given, ", "))
		default:
			f.add("header."+p.Name, "expected once", nil)
		}
	}

	for _, key := range r.Header.Values("Idempotency-Key") {
		if !idempotencyKey(key) {
			f.add("header.Idempotency-Key", fmt.Sprintf("expected 1 to %d printable ASCII "+
				"characters, or no such header", maxIdempotencyKey), nil)
		}
	}

	tags := strings.Join(r.Header.Values("If-None-Match"), ", ")
	if tags != "" && !entityTags().MatchString(tags) {
		f.add("header.If-None-Match", "expected an ETag in its quotes, such as \"3\", or *", nil)
	}
}

// unreadable is why nothing of a body can be told.
type unreadable struct {
	status  int
	message string
	detail  *huma.ErrorDetail
}

func unread(status int, message string) *unreadable {
	return &unreadable{status, message, &huma.ErrorDetail{Location: "body", Message: message}}
}

// readBody reads a body of JSON, and puts one in its place that means the same to every reader. One
// that is missing, or too large, is left to huma.
func (a *API) readBody(
	ctx context.Context, f *faults, r *http.Request, op *huma.Operation,
) *unreadable {
	text, err := io.ReadAll(io.LimitReader(r.Body, op.MaxBodyBytes))
	if err != nil {
		return unread(http.StatusBadRequest, "expected a whole body")
	}

	r.Body = io.NopCloser(bytes.NewReader(text))
	if len(text) == 0 || int64(len(text)) == op.MaxBodyBytes {
		return nil
	}

	if encoding := r.Header.Get("Content-Encoding"); encoding != "" &&
		!strings.EqualFold(encoding, "identity") {
		return unread(http.StatusUnsupportedMediaType,
			"expected a body as it is, without Content-Encoding")
	}

	if !isJSON(r.Header.Values("Content-Type")) {
		return unread(http.StatusUnsupportedMediaType, "expected JSON in UTF-8")
	}

	r.Header.Set("Content-Type", jsonType)

	// written \ufffd, it is meant
	if utf8.Valid(text) && lossy(string(text)) {
		return unread(http.StatusBadRequest, "expected JSON in UTF-8: a replacement character "+
			"(U+FFFD) is in place of invalid bytes; if you mean it, write it as \\ufffd")
	}

	clean, found, err := strictjson.Read(text)
	if err != nil {
		return unread(http.StatusBadRequest, err.Error())
	}

	for _, one := range found {
		f.add("body"+one.Path, one.Message, nil)
	}

	var value any
	if err := json.Unmarshal(clean, &value); err != nil {
		// it was read already: nothing comes here
		return unread(http.StatusBadRequest, "expected JSON")
	}

	// what some clients send where they have nothing to say
	if value == nil && len(found) == 0 && !op.RequestBody.Required {
		r.Body = http.NoBody
		return nil
	}

	if refused, _ := ctx.Value(secretsRefusedKey{}).(bool); refused {
		f.secrets(a.admin.HoldsSecret(requestOf(ctx)), "body", value)
	}

	told := len(f.fields)

	value = f.times(a.huma.OpenAPI().Components.Schemas, op.RequestBody.Content[jsonType].Schema,
		"body", value)
	if len(f.fields) > told {
		if clean, err = json.Marshal(value); err != nil {
			// it came from JSON: nothing comes here
			return unread(http.StatusBadRequest, "expected JSON")
		}
	}

	r.Body = io.NopCloser(bytes.NewReader(clean))
	return nil
}

// takesIfMatch reports whether an operation's input has If-Match.
func takesIfMatch[I any]() bool {
	_, takes := reflect.TypeFor[I]().FieldByName("IfMatch")
	return takes
}

// conditions refuses a change with a condition that its operation knows nothing of: whoever sent it
// would take it for kept (RFC 9110 §13.1).
func (a *API) conditions(ifMatch bool) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if err := unknownCondition(ctx, ifMatch); err != nil {
			a.refuse(ctx, err)
			return
		}

		next(ctx)
	}
}

func unknownCondition(ctx huma.Context, ifMatch bool) *admin.Error {
	if ctx.Operation().Method == http.MethodGet {
		return nil // nothing depends on it
	}

	for _, header := range []string{"If-Match", "If-None-Match", "If-Unmodified-Since"} {
		if ctx.Header(header) == "" || header == "If-Match" && ifMatch {
			continue
		}

		return admin.Refuse(api.CodeMalformed,
			"This call does not support the condition: send it without, after checking the "+
				"current state.",
			api.FieldError{Location: "header." + header, Message: "expected no " + header},
		)
	}

	return nil
}
