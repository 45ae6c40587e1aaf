package authorizer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bitting-keys/bitting/pkg/authorizer"
)

// decoded is an event as encoding/json decodes it.
type decoded struct {
	Version            string              `json:"version"`
	Type               string              `json:"type"`
	MethodARN          string              `json:"methodArn"`
	RouteARN           string              `json:"routeArn"`
	AuthorizationToken string              `json:"authorizationToken"`
	Resource           string              `json:"resource"`
	RouteKey           string              `json:"routeKey"`
	Headers            map[string]string   `json:"headers"`
	MultiValueHeaders  map[string][]string `json:"multiValueHeaders"`
	RequestHeaders     map[string]string   `json:"requestHeaders"`
	StageVariables     map[string]string   `json:"stageVariables"`
	RequestContext     struct {
		RequestID   string `json:"requestId"`
		EventType   string `json:"eventType"`
		APIID       string `json:"apiId"`
		Operation   string `json:"operation"`
		QueryString string `json:"queryString"`
		Identity    struct {
			SourceIP string `json:"sourceIp"`
		} `json:"identity"`
		HTTP struct {
			SourceIP  string `json:"sourceIp"`
			UserAgent string `json:"userAgent"`
		} `json:"http"`
	} `json:"requestContext"`
}

// header returns all values of a header, in order of their text.
func (d *decoded) header(name string) (texts []string) {
	for spelling, values := range d.MultiValueHeaders {
		if strings.EqualFold(spelling, name) {
			texts = append(texts, values...)
		}
	}

	for spelling, value := range d.Headers {
		if len(d.MultiValueHeaders) == 0 && strings.EqualFold(spelling, name) {
			texts = append(texts, value)
		}
	}

	slices.Sort(texts)
	return texts
}

// agents returns the user agents of an event: more than one only in a header of two spellings.
func (d *decoded) agents() (texts []string) {
	if agent := d.RequestContext.HTTP.UserAgent; agent != "" {
		return []string{agent}
	}

	for _, headers := range []map[string]string{d.Headers, d.RequestHeaders} {
		for name, value := range headers {
			if strings.EqualFold(name, "User-Agent") {
				texts = append(texts, value)
			}
		}

		if texts != nil {
			return texts
		}
	}

	for name, values := range d.MultiValueHeaders {
		if strings.EqualFold(name, "User-Agent") && len(values) > 0 {
			texts = append(texts, values[0])
		}
	}

	return texts
}

// agrees fails unless the scanner finds in an event what encoding/json does.
func agrees(t *testing.T, text string) {
	t.Helper()

	var d decoded
	wantErr := json.Unmarshal([]byte(text), &d)

	got, err := authorizer.ScanEvent(text)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%q: %v, and by encoding/json %v", text, err, wantErr)
	}

	if err == nil {
		sameEvent(t, text, &d, got)
	}

	var query struct {
		Query map[string][]string `json:"multiValueQueryStringParameters"`
	}
	wantErr = json.Unmarshal([]byte(text), &query)

	keys, err := authorizer.ScanQuery(text)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%q: query: %v, and by encoding/json %v", text, err, wantErr)
	}

	if err == nil && !slices.Equal(keys, query.Query["api_key"]) {
		t.Fatalf("%q: query: %q, expected %q", text, keys, query.Query["api_key"])
	}
}

func sameEvent(t *testing.T, text string, d *decoded, got authorizer.Scanned) {
	t.Helper()

	want := authorizer.Scanned{
		Version:        d.Version,
		Type:           d.Type,
		MethodARN:      d.MethodARN,
		RouteARN:       d.RouteARN,
		Token:          d.AuthorizationToken,
		Resource:       d.Resource,
		RouteKey:       d.RouteKey,
		RequestID:      d.RequestContext.RequestID,
		EventType:      d.RequestContext.EventType,
		APIID:          d.RequestContext.APIID,
		Operation:      d.RequestContext.Operation,
		QueryString:    d.RequestContext.QueryString,
		IdentitySource: d.RequestContext.Identity.SourceIP,
		HTTPSource:     d.RequestContext.HTTP.SourceIP,
	}
	want.Keys.APIKey = d.header("X-Api-Key")
	want.Keys.Authorization = d.header("Authorization")

	if name, ok := d.StageVariables["bittingApi"]; ok {
		want.StageVariables = []string{name}
	}

	slices.Sort(got.Keys.APIKey)
	slices.Sort(got.Keys.Authorization)

	agents := d.agents()
	if len(agents) == 0 && got.Agent != "" || len(agents) > 0 && !slices.Contains(agents, got.Agent) {
		t.Fatalf("%q: agent %q, expected one of %q", text, got.Agent, agents)
	}

	got.Agent = ""
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%q: %s", text, diff)
	}
}

// hostileEvents are events that two readers of JSON may read as two calls.
func hostileEvents() []string {
	return []string{
		`null`, `[]`, `{}`, `{"type":null}`, `{"type":"TOKEN","type":"REQUEST"}`,
		`{"type":"TOKEN","Type":"REQUEST"}`,
		`{"TYPE":"TOKEN","type":"REQUEST"}`, `{"type":"TOKEN","type":null}`, `{"type":1}`,
		`{"version":2.0}`, "{\"ver\u017fion\":\"2.0\"}",
		`{"vers\u0069on":"2.0"}`, `{"headers":{"X-Api-Key":"a","x-api-key":"b"}}`,
		`{"headers":{"X-Api-Key":"a","X-Api-Key":"b"}}`,
		`{"headers":{"X-Api-Key":"a"},"headers":{"Host":"b"}}`,
		`{"headers":{"X-Api-Key":"a"},"headers":null}`,
		"{\"headers\":{\"X-Api-\u212aey\":\"a\"}}", `{"headers":{"X-Api-Key":["a"]}}`,
		`{"headers":{"Host":1,"X-Api-Key":"a"}}`,
		`{"headers":{"X-Api-Key":null}}`, `{"headers":{"X-Api-Key":"a"},"multiValueHeaders":{}}`,
		`{"headers":{"X-Api-Key":"a"},"multiValueHeaders":null}`,
		`{"headers":{"X-Api-Key":"a"},"multiValueHeaders":{"Host":null}}`,
		`{"headers":{"X-Api-Key":"a"},"multiValueHeaders":{"X-Api-Key":[]}}`,
		`{"multiValueHeaders":{"X-Api-Key":["a","b"],"X-Api-Key":["c"],"x-api-key":["d"]}}`,
		`{"multiValueHeaders":{"X-Api-Key":["a",null]}}`,
		`{"multiValueHeaders":{"X-Api-Key":["a"],"X-Api-Key":null}}`,
		`{"multiValueHeaders":{"X-Api-Key":"a"}}`, `{"multiValueHeaders":{"Host":["a",1]}}`,
		`{"headers":{"Authorization":"Bearer \ud800"}}`,
		"{\"headers\":{\"Authorization\":\"Bearer \xff\"}}", `{"headers":{"USER-AGENT":"a\u0000"}}`,
		`{"headers":{"User-Agent":"a","uSER-aGENT":"b"}}`,
		`{"requestHeaders":{"user-agent":"a"},"multiValueHeaders":{"User-Agent":["b"]}}`,
		`{"stageVariables":{"bittingApi":"a","BittingApi":"b"}}`,
		`{"stageVariables":{"bittingApi":"a","bittingApi":null}}`,
		`{"stageVariables":{"bittingApi":1}}`,
		`{"requestContext":{"identity":{"sourceIp":"a"},"identity":{"sourceip":"b"}}}`,
		`{"requestContext":{"identity":{"sourceIp":"a"},"identity":null}}`,
		`{"requestContext":{"http":{"sourceIp":"a"}},"requestContext":{"http":{"userAgent":"b"}}}`,
		`{"requestContext":{"requestId":"a"},"RequestContext":{}}`,
		`{"requestContext":"a"}`, `{"requestContext":{"identity":[]}}`,
		`{"requestContext":{"http":{"userAgent":1}}}`, `{"multiValueQueryStringParameters":"a"}`,
		`{"multiValueQueryStringParameters":{"api_key":["a"],"api_key":["b"],"API_KEY":["c"]}}`,
		`{"multiValueQueryStringParameters":{"api_key":null}}`,
		`{"multivaluequerystringparameters":{"api_key":["a"]}}`,
		`{"multiValueQueryStringParameters":{"api_key":["a"]},"multiValueQueryStringParameters":{"b":["c"]}}`,
		`{"type":"REQUEST"} `, `{"type":"REQUEST"}}`, `{"type":"REQUEST"},`,
		"{\"type\":\"REQUEST\"}\x00", "\ufeff{\"type\":\"REQUEST\"}",
	}
}

func sampleEvents(t testing.TB) (texts []string) {
	t.Helper()

	files, err := filepath.Glob("../../events/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no events: %v", err)
	}

	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}

		texts = append(texts, string(text))
	}

	return texts
}

// What a call is must not depend on who reads its event.
func TestEventsAreReadAsByEncodingJSON(t *testing.T) {
	t.Parallel()

	for _, text := range append(hostileEvents(), sampleEvents(t)...) {
		agrees(t, text)
	}
}

// FuzzEvent compares the scanner with encoding/json.
func FuzzEvent(f *testing.F) {
	for _, text := range append(hostileEvents(), sampleEvents(f)...) {
		f.Add([]byte(text))
	}

	f.Fuzz(func(t *testing.T, text []byte) { agrees(t, string(text)) })
}
