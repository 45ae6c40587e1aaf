package proxy_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/proxy"
)

// odd are events that API Gateway does not send, or seldom.
var odd = []string{
	``, `{`, `[]`, `null`, `{}`, `{} {}`, `{"path":7}`, `{"body":null,"headers":null,"cookies":null}`,
	`{"PATH":"/a","RawPath":"/b","requestcontext":{"HTTP":{"METHOD":"GET"}}}`,
	`{"headers":{"a":"1"},"headers":{"A":"2","b":null}}`, `{"headers":{"a":["1"]}}`,
	`{"multiValueHeaders":{"a":["1","2"],"b":null,"c":[],"d":[null]},"multiValueHeaders":{"a":["3"]}}`,
	`{"queryStringParameters":{"a\u00e9":"\ud800\"x\n"},"multiValueQueryStringParameters":{"a":["\u0000"]}}`,
	`{"isBase64Encoded":true,"body":"AAE=","isBase64Encoded":null}`, `{"isBase64Encoded":"true"}`,
	`{"requestContext":{"authorizer":{"n":12345678901234567890,"b":true,"z":null,"o":{"x":[1,"a"]},"s":"a\tb"}}}`,
	`{"requestContext":{"authorizer":{"lambda":{"n":1.5,"l":[],"s":"x"},"jwt":{"claims":{}}}}}`,
	`{"requestContext":{"authorizer":null}}`, `{"requestContext":{"authorizer":{"jwt":{}},"authorizer":null}}`,
	`{"requestContext":{"authorizer":{"lambda":null}}}`, `{"requestContext":{"authorizer":{"lambda":7}}}`,
	`{"cookies":["a=1","b=2"],"routeKey":"GET /x","pathParameters":{"id":"7"},"stageVariables":{"a":"b"}}`,
	`{"requestContext":{"identity":{"sourceIp":"127.0.0.1","userAgent":null}}}`, `{"path":"/a","x":[1,{"y":nul}]}`,
}

// What is read of an event is what encoding/json reads of it.
func FuzzScan(f *testing.F) {
	files, err := filepath.Glob("../../events/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(len(files), err)
	}

	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}

		f.Add(string(text))
	}

	for _, text := range odd {
		f.Add(text)
	}

	f.Fuzz(func(t *testing.T, text string) {
		compare(t, text, proxy.ScanREST, partREST)
		compare(t, text, proxy.ScanHTTP, partHTTP)
	})
}

// partREST returns an event with what is read of it.
func partREST(e events.APIGatewayProxyRequest) events.APIGatewayProxyRequest {
	c := e.RequestContext
	e.RequestContext = events.APIGatewayProxyRequestContext{
		DomainName:   c.DomainName,
		Stage:        c.Stage,
		RequestID:    c.RequestID,
		Identity:     events.APIGatewayRequestIdentity{SourceIP: c.Identity.SourceIP},
		ResourcePath: c.ResourcePath,
		Path:         c.Path,
		Authorizer:   c.Authorizer,
		HTTPMethod:   c.HTTPMethod,
	}

	return e
}

// partHTTP is partREST of payload 2.0.
func partHTTP(e events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPRequest {
	c := e.RequestContext
	e.Version = ""
	e.RequestContext = events.APIGatewayV2HTTPRequestContext{
		RouteKey:   c.RouteKey,
		Stage:      c.Stage,
		RequestID:  c.RequestID,
		DomainName: c.DomainName,
		HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
			Method:   c.HTTP.Method,
			Path:     c.HTTP.Path,
			SourceIP: c.HTTP.SourceIP,
		},
	}

	if c.Authorizer != nil {
		e.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
			Lambda: c.Authorizer.Lambda,
		}
	}

	return e
}

// compare compares what scan reads with the part of it that encoding/json reads. A member that scan
// passes over may be of any kind.
func compare[Event any](
	t *testing.T, text string, scan func(string) (Event, error), part func(Event) Event,
) {
	t.Helper()

	var want Event
	err := json.Unmarshal([]byte(text), &want)

	got, fault := scan(text)
	if err == nil && fault != nil || fault == nil && !json.Valid([]byte(text)) {
		t.Fatalf("%s: %v, where encoding/json has %v", text, fault, err)
	}

	if diff := cmp.Diff(part(want), got); err == nil && diff != "" {
		t.Errorf("%s (-encoding/json +scan):\n%s", text, diff)
	}
}

func BenchmarkInvoke(b *testing.B) {
	for _, name := range []string{"demo-get-message", "demo-get-message-http"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "events", name+".json"))
		if err != nil {
			b.Fatal(err)
		}

		b.Run(name, func(b *testing.B) {
			f := proxy.New(echo{})
			b.ReportAllocs()

			for b.Loop() {
				if _, err := f.Invoke(b.Context(), text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// echo answers at once.
type echo struct{}

func (echo) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"status":"ok"}`))
}
