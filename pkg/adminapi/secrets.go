package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// withoutSecret says what is wrong with a field that holds a secret. It quotes nothing.
const withoutSecret = "expected a text without a key's secret: whoever reads it could use the key. Report a secret that others may have seen, at POST /v1/leaks"

type humaContext = huma.Context

// watched is a call whose body is kept as it is read, to be searched for secrets.
type watched struct {
	humaContext
	body *bytes.Buffer
}

// BodyReader implements huma.Context.
func (w watched) BodyReader() io.Reader {
	reader := w.humaContext.BodyReader()
	if reader == nil {
		return nil
	}
	return io.TeeReader(reader, w.body)
}

// Unwrap gives huma's adapters the call as they made it.
func (w watched) Unwrap() huma.Context { return w.humaContext }

type watchedKey struct{}

// watch refuses secrets of our form in whatever an operation takes, so that none is kept, and none
// comes back where others read it. It goes by what was sent, and not by what the operation knows of
// it: a field that is added tomorrow is covered. The operations that take leaks do without.
func (a *API) watch(ctx huma.Context, next func(huma.Context)) {
	if p := a.secretsInAddress(ctx); p != nil {
		a.refuse(ctx, p)
		return
	}
	w := watched{humaContext: ctx, body: &bytes.Buffer{}}
	w.humaContext = huma.WithValue(ctx, watchedKey{}, w.body)
	next(w)
}

// secretsInAddress finds secrets in the parameters of a call; nil where there are none.
func (a *API) secretsInAddress(ctx huma.Context) *Problem {
	var stored, read []FieldError
	add := func(to *[]FieldError, location, value string) {
		if a.brand.Holds(value) {
			*to = append(*to, FieldError{Location: location, Message: withoutSecret})
		}
	}
	address := ctx.URL()
	query := address.Query()
	for _, p := range ctx.Operation().Parameters {
		switch p.In {
		case "path":
			add(&stored, "path."+p.Name, ctx.Param(p.Name))
		case "header":
			add(&read, "header."+p.Name, ctx.Header(p.Name))
		case "query":
			for _, value := range query[p.Name] {
				add(&read, "query."+p.Name, value)
			}
		}
	}
	switch {
	case len(read) > 0:
		return malformed.with("Some parameters or headers are not valid.", read...)
	case len(stored) > 0:
		return validation.with("The path holds a secret.", stored...)
	default:
		return nil
	}
}

// secretsInBody finds secrets in what was read of a call's body.
func (a *API) secretsInBody(ctx context.Context) []error {
	body, ok := ctx.Value(watchedKey{}).(*bytes.Buffer)
	if !ok {
		return nil
	}
	f := &faults{}
	f.secrets(a.brand, json.NewDecoder(bytes.NewReader(body.Bytes())), "body")
	return f.errors
}

// secrets walks over a value of JSON: every text and every name in it, wherever it stands. It ends
// at what is no JSON, which is told by itself.
func (f *faults) secrets(brand apikey.Brand, values *json.Decoder, location string) (ok bool) {
	token, err := values.Token()
	if err != nil {
		return false
	}
	switch token := token.(type) {
	case string:
		if brand.Holds(token) {
			f.add(location, withoutSecret, nil)
		}
	case json.Delim:
		for i := 0; values.More(); i++ {
			at := fmt.Sprintf("%s[%d]", location, i)
			if token == '{' {
				name, err := values.Token()
				if err != nil {
					return false
				}
				text, _ := name.(string)
				if at = location + "." + text; brand.Holds(text) {
					at = location
					f.add(at, withoutSecret, nil)
				}
			}
			if !f.secrets(brand, values, at) {
				return false
			}
		}
		if _, err := values.Token(); err != nil { // the end of the object or the list
			return false
		}
	}
	return true
}
