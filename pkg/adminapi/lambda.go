package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// origin is what API Gateway says of a call besides the HTTP request: who its authorizer let in, and from where.
type origin struct {
	requestID   string
	sourceIP    string
	userAgent   string
	keyID       string             // the key that the authorizer let in; "" for a person, and where no authorizer ran
	environment apikey.Environment // the key's
	person      organization.Person
}

type originKey struct{}

func originOf(ctx context.Context) origin {
	o, _ := ctx.Value(originKey{}).(origin)
	return o
}

// Lambda is a function of the admin API: it takes proxy events of REST APIs and of HTTP APIs (payload 2.0). It implements lambda.Handler.
type Lambda struct {
	rest *httpadapter.HandlerAdapter
	http *httpadapter.HandlerAdapterV2
}

// Function is the Lambda function that serves one group of the admin API's operations.
func Function(d *boot.Deployment, group Group) *Lambda {
	handler := withOrigin(New(d, group))
	return &Lambda{rest: httpadapter.New(handler), http: httpadapter.NewV2(handler)}
}

// Invoke implements lambda.Handler.
func (l *Lambda) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var form struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(payload, &form); err != nil {
		return nil, fmt.Errorf("adminapi: event: %w", err)
	}
	var answer any
	var err error
	if form.Version == "2.0" {
		var e events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(payload, &e); err != nil {
			return nil, fmt.Errorf("adminapi: event: %w", err)
		}
		e.RawPath = parseable(e.RawPath)
		answer, err = l.http.ProxyWithContext(ctx, e)
	} else {
		var e events.APIGatewayProxyRequest
		if err := json.Unmarshal(payload, &e); err != nil {
			return nil, fmt.Errorf("adminapi: event: %w", err)
		}
		e.Path = parseable(e.Path)
		answer, err = l.rest.ProxyWithContext(ctx, e)
	}
	if err != nil {
		return nil, fmt.Errorf("adminapi: %w", err)
	}
	return json.Marshal(answer)
}

// parseable returns a path that the adapter can make a URL of. One that is no path of a URL, such as /%zz, is no route either.
func parseable(path string) string {
	if _, err := url.ParseRequestURI("/" + path); err != nil {
		return "/"
	}
	return path
}

// withOrigin takes what API Gateway said out of the adapter's hands.
func withOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := origin{userAgent: r.UserAgent()}
		if c, ok := core.GetAPIGatewayContextFromContext(r.Context()); ok {
			o.requestID, o.sourceIP = c.RequestID, c.Identity.SourceIP
			o.admitted(c.Authorizer)
		} else if c, ok := core.GetAPIGatewayV2ContextFromContext(r.Context()); ok {
			o.requestID, o.sourceIP = c.RequestID, c.HTTP.SourceIP
			if c.Authorizer != nil {
				o.admitted(c.Authorizer.Lambda)
			}
		}
		buffered := &answer{header: http.Header{}}
		next.ServeHTTP(buffered, r.WithContext(context.WithValue(r.Context(), originKey{}, o)))
		buffered.copyTo(w)
	})
}

// answer holds an answer until it is whole: the adapter cannot take the headers of one that is being written.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
func (a *answer) WriteHeader(status int)      { a.status = status }

func (a *answer) copyTo(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Set("Cache-Control", "no-store")
	if a.status == 0 {
		a.status = http.StatusOK
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes())
}

// admitted reads the authorizer's context.
func (o *origin) admitted(context map[string]any) {
	text := func(name string) string {
		value, _ := context[name].(string)
		return value
	}
	o.keyID, o.environment = text("keyId"), apikey.Environment(text("environment"))
	o.person = organization.Person{ID: text("userId"), Email: text("userEmail"), Name: text("userName")}
}
