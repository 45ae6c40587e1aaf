package localgateway

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// The limits of a request, in bytes. See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const (
	maxHeaderBytes = 10_240
	maxURLBytes    = 10_240 // of a REST API
	maxBodyBytes   = 10 << 20
	maxARNBytes    = 1_600
)

const (
	region  = "us-east-1"
	account = "123456789012"
)

// call is one request and its outcome.
type call struct {
	request    *http.Request
	start      time.Time
	requestID  string
	extendedID string // REST's second id; equal to requestID at an HTTP API
	path       string // as sent, without the stage
	// what the client called: with the stage, or with the base path of a custom domain
	called   string
	sourceIP string
	arn      string
	body     []byte
	// what its two events share, by their version; nil until it is made
	requestV1 []byte
	requestV2 []byte

	route  *template.Route // nil if none matched
	params map[string]string

	authorization      authorization
	authorizerLatency  time.Duration // 0 if the authorizer was not called
	integrationLatency time.Duration
	refusal            *refusal
}

func (g *Gateway) newCall(r *http.Request) (*call, error) {
	requestID, extendedID, err := g.newIDs()
	if err != nil {
		return nil, err
	}

	if g.api.Kind == template.HTTP {
		// an HTTP API has only one id
		requestID = extendedID
	}

	c := &call{
		request:    r,
		start:      g.now(),
		requestID:  requestID,
		extendedID: extendedID,
		path:       sentPath(r.URL),
		sourceIP:   sourceIP(r.RemoteAddr),
	}
	if c.path == "" {
		c.path = "/"
	}

	switch {
	case g.mapping != nil:
		c.called = g.mapping.BasePath + c.path
	case g.api.Stage != "$default":
		c.called = "/" + g.api.Stage + c.path
	default:
		c.called = c.path
	}

	c.arn = "arn:aws:execute-api:" + region + ":" + account + ":" + g.api.GatewayID + "/" +
		g.api.Stage + "/" + r.Method + c.path
	return c, nil
}

// sentPath returns the path as the client sent it. EscapedPath is not enough: it decodes a path
// that contains a character that should have been escaped, and encodes it again, so that the path
// would be routed and checked in another spelling than the one sent.
func sentPath(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}

	return u.EscapedPath()
}

// query returns all parameters of the query. A malformed escape is kept as it is, and so is a
// semicolon.
func (c *call) query() url.Values {
	values := url.Values{}
	for pair := range strings.SplitSeq(c.request.URL.RawQuery, "&") {
		if pair == "" {
			continue
		}

		name, value, _ := strings.Cut(pair, "=")
		name = unescaped(name)
		values[name] = append(values[name], unescaped(value))
	}

	return values
}

// unescaped decodes part of a query, or returns it unchanged if it is malformed.
func unescaped(text string) string {
	if decoded, err := url.QueryUnescape(text); err == nil {
		return decoded
	}

	return text
}

// malformedEscape reports whether text has a percent sign that does not begin an escape.
func malformedEscape(text string) bool {
	_, err := url.QueryUnescape(text)
	return err != nil
}

// newIDs returns ids that look like AWS's: a UUID, and the short base64 text that is a REST API's
// second id and an HTTP API's only one.
func (g *Gateway) newIDs() (uuid, short string, err error) {
	b := make([]byte, 27)
	if _, err := io.ReadFull(g.random, b); err != nil {
		return "", "", err
	}

	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // RFC 9562, version 4
	h := hex.EncodeToString(b[:16])
	uuid = h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	return uuid, base64.URLEncoding.EncodeToString(b[16:]), nil
}

func sourceIP(remoteAddr string) string {
	host, _, err := net.SplitHostPort(remoteAddr)
	if err != nil {
		return remoteAddr
	}

	address, _, _ := strings.Cut(host, "%")
	return address
}

// checkHeaders applies the limit on header values; at an HTTP API the request
// line counts too, and a REST API has a limit of its own on the URL.
func (g *Gateway) checkHeaders(c *call) *refusal {
	size := len(c.request.Host)
	for _, values := range c.request.Header {
		for _, v := range values {
			size += len(v)
		}
	}

	target := len(c.called)
	if query := c.request.URL.RawQuery; query != "" {
		target += len("?") + len(query)
	}

	switch g.api.Kind {
	case template.HTTP:
		size += len(c.request.Method) + target + len(c.request.Proto) + 2
	case template.REST:
		if len("https://")+len(c.request.Host)+target > maxURLBytes {
			return &urlTooLong
		}
	}

	if size > maxHeaderBytes {
		return &headersTooLarge
	}

	return nil
}

func (c *call) readBody() *refusal {
	if c.request.Body == nil || c.request.Body == http.NoBody {
		return nil
	}

	if c.request.ContentLength > maxBodyBytes {
		return &bodyTooLarge
	}

	body, err := io.ReadAll(io.LimitReader(c.request.Body, maxBodyBytes+1))
	if err != nil {
		return &badRequest
	}

	if len(body) > maxBodyBytes {
		return &bodyTooLarge
	}

	c.body = body
	return nil
}

// routeKey returns the HTTP API's name of the route.
func (c *call) routeKey() string {
	if c.route == nil {
		return ""
	}

	if c.route.Path == "$default" {
		return "$default"
	}

	return c.route.Method + " " + c.route.Path
}

func (c *call) resourcePath() string {
	if c.route == nil {
		return ""
	}

	return c.route.Path
}
