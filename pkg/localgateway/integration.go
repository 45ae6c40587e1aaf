package localgateway

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/jsonstring"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// integrate calls the backend, or the function behind the route, and turns its answer into the
// client's.
func (g *Gateway) integrate(c *call) (answer, *refusal) {
	limit := integrationLimit(g.api.Kind)
	if c.route.Timeout > 0 {
		limit = min(limit, c.route.Timeout)
	}

	if g.backend != nil {
		return g.proxy(c, limit)
	}

	if fault := c.route.Target; fault != nil {
		return unserved(fault), nil
	}

	started := g.now()
	payload, err := g.invoke(c, c.route.Function, limit, func() []byte {
		return g.integrationEvent(c)
	})

	c.integrationLatency = max(g.now().Sub(started), time.Nanosecond)

	switch {
	case errors.Is(err, errThrottled):
		return answer{}, &integrationBroken
	case err != nil:
		g.logger.WarnContext(c.request.Context(), "function failed", "function", c.route.Function,
			"error", err, "request_id", c.requestID)

		if errors.Is(err, errTimedOut) {
			return answer{}, &integrationTimedOut
		}

		return answer{}, &integrationBroken
	}

	a, err := g.parseResponse(c, payload)
	if err != nil {
		g.logger.WarnContext(c.request.Context(), "function's answer is malformed", "function",
			c.route.Function, "error", err, "request_id", c.requestID)
		return answer{}, &integrationBroken
	}

	return a, nil
}

func (g *Gateway) proxy(c *call, limit time.Duration) (answer, *refusal) {
	started := g.now()
	a, err := g.backend.call(g, c, limit)
	c.integrationLatency = max(g.now().Sub(started), time.Nanosecond)

	switch {
	case errors.Is(err, errTimedOut):
		return answer{}, &integrationTimedOut
	case err != nil:
		g.logger.WarnContext(c.request.Context(), "backend failed", "error", err, "request_id",
			c.requestID)
		return answer{}, &integrationFailed
	}

	return a, nil
}

// unserved answers a route that AWS would answer and this package cannot. No API Gateway answers
// 501, so it is taken for none of its answers.
func unserved(fault *template.Error) answer {
	body, _ := json.Marshal(map[string]string{
		"message": "Not answered locally: " + fault.Error(),
	}) // a map of strings always marshals
	return answer{
		http.StatusNotImplemented, http.Header{"Content-Type": {"application/json"}}, body,
	}
}

// response is the format that a proxy integration returns. Values that may be of several kinds are
// kept as JSON.
type response struct {
	statusCode        string
	headers           map[string]string
	multiValueHeaders map[string][]string
	cookies           []string // payload 2.0
	body              string
	isBase64Encoded   bool
}

var responseFields = []string{
	"statusCode", "headers", "multiValueHeaders", "cookies", "body", "isBase64Encoded",
}

// scanResponse reads a function's answer. It is scanned, since encoding/json would take longer for it
// than all else that happens to it here.
func scanResponse(payload []byte) (r response, err error) {
	s := jsonstring.New(string(payload))
	s.Members(responseFields, func(name string) {
		switch name {
		case "statusCode":
			r.statusCode = s.Raw()
		case "headers":
			jsonstring.MapInto(&s, &r.headers, s.Raw)
		case "multiValueHeaders":
			jsonstring.MapInto(&s, &r.multiValueHeaders, func() []string {
				return jsonstring.List(&s, s.Raw)
			})
		case "cookies":
			r.cookies = jsonstring.List(&s, s.TextOrEmpty)
		case "body":
			s.TextInto(&r.body)
		case "isBase64Encoded":
			s.BoolInto(&r.isBase64Encoded)
		}
	})

	return r, s.End()
}

func (g *Gateway) parseResponse(c *call, payload []byte) (answer, error) {
	v2 := c.route.PayloadVersion == "2.0"

	r, err := scanResponse(payload)
	if v2 && (err != nil || isNull(r.statusCode)) {
		return inferred(payload)
	}

	if err != nil {
		return answer{}, err
	}

	a := answer{header: http.Header{}}
	if a.status, err = parseStatus(r.statusCode); err != nil {
		return answer{}, err
	}

	if err := r.copyHeaders(a.header, g.api.Kind, v2); err != nil {
		return answer{}, err
	}

	if a.header.Get("Content-Type") == "" {
		a.header.Set("Content-Type", map[bool]string{
			true:  "application/json",
			false: "text/plain; charset=utf-8",
		}[g.api.Kind == template.REST])
	}

	a.body = []byte(r.body)
	// A REST API passes base64 text on undecoded, unless the accepted type is one of its binary
	// types.
	if r.isBase64Encoded &&
		(g.api.Kind == template.HTTP ||
			isBinary(g.api.BinaryMediaTypes, c.request.Header.Get("Accept"))) {
		if a.body, err = base64.StdEncoding.DecodeString(r.body); err != nil {
			return answer{}, fmt.Errorf("body: %w", err)
		}
	}

	return a, nil
}

// inferred reads a valid JSON answer without statusCode as payload 2.0 does: as the body itself.
func inferred(payload []byte) (answer, error) {
	if !json.Valid(payload) {
		return answer{}, errors.New("not JSON")
	}

	body := payload

	var text string
	if json.Unmarshal(payload, &text) == nil {
		body = []byte(text)
	}

	return answer{http.StatusOK, http.Header{"Content-Type": {"application/json"}}, body}, nil
}

func parseStatus(raw string) (int, error) {
	status, err := strconv.Atoi(strings.Trim(raw, `"`))
	if err != nil || status < 200 || status > 599 {
		return 0, fmt.Errorf("statusCode %s is not a final HTTP status", raw)
	}

	return status, nil
}

func (r response) copyHeaders(to http.Header, kind template.APIKind, v2 bool) error {
	add := func(name, value string) error {
		text, ok := scalarText(value)
		if !ok {
			return fmt.Errorf("header %s is not a string", name)
		}

		if name = rename(name, kind); name != "" {
			to.Add(name, text)
		}

		return nil
	}
	for name, value := range r.headers {
		if _, both := r.multiValueHeaders[name]; both {
			continue // the lists win, as AWS documents
		}

		if err := add(name, value); err != nil {
			return err
		}
	}

	for name, values := range r.multiValueHeaders {
		for _, value := range values {
			if err := add(name, value); err != nil {
				return err
			}
		}
	}

	if v2 {
		for _, cookie := range r.cookies {
			to.Add("Set-Cookie", cookie)
		}
	}

	return nil
}

// rename drops the headers that a gateway sets itself, and renames those that
// a REST API renames. See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
func rename(name string, kind template.APIKind) string {
	switch canonical := http.CanonicalHeaderKey(name); canonical {
	case "Transfer-Encoding", "Keep-Alive", "Te", "Trailer", "Upgrade":
		return ""
	case "Authorization", "Connection", "Content-Length", "Content-Md5", "Date", "Host", "Server",
		"User-Agent", "Www-Authenticate":
		if kind == template.REST {
			return "X-Amzn-Remapped-" + canonical
		}

		if canonical == "Connection" || canonical == "Content-Length" {
			return ""
		}

		return canonical
	default:
		return canonical
	}
}
