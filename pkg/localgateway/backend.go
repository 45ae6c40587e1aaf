package localgateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// Backend is an HTTP server that answers in place of the functions behind all routes, as an
// HTTP_PROXY integration would.
type Backend struct {
	URL *url.URL // to which the request's path is added
	// HeaderPrefix begins the names of headers that carry the authorizer's context: of X-Bitting-,
	// the context's keyId becomes X-Bitting-Key-Id. Headers of callers that a server could take for
	// one of these are removed. Bytes of a value that are not printable ASCII are percent-encoded,
	// and so is the percent sign.
	HeaderPrefix string
	Client       *http.Client // nil means one that follows no redirects
}

// maxResponseBytes is API Gateway's limit for a response.
const maxResponseBytes = 10 << 20

var errResponseTooLarge = errors.New("the response is larger than 10 MB")

// proxyClient uses no proxy of the environment: a backend is usually on this machine.
var proxyClient = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// call sends a call to the backend and turns its response into the client's.
func (b *Backend) call(g *Gateway, c *call, limit time.Duration) (answer, error) {
	// as with a function, a client that goes away stops nothing
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.request.Context()), limit)
	defer cancel()

	request, err := b.request(ctx, c)
	if err != nil {
		return answer{}, err
	}

	client := b.Client
	if client == nil {
		client = proxyClient
	}

	response, err := client.Do(request) //nolint:gosec // the server that the user named
	if err != nil {
		return answer{}, timedOutOr(ctx, err)
	}

	defer func() { _ = response.Body.Close() }() // read to its end below, or given up

	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponseBytes+1))
	if err != nil {
		return answer{}, timedOutOr(ctx, err)
	}

	if len(body) > maxResponseBytes {
		return answer{}, errResponseTooLarge
	}

	a := answer{status: response.StatusCode, header: http.Header{}, body: body}
	for name, values := range response.Header {
		if name = rename(name, g.api.Kind); name != "" {
			a.header[name] = values
		}
	}

	return a, nil
}

func timedOutOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errTimedOut
	}

	return err
}

// request makes the backend's request of a call.
func (b *Backend) request(ctx context.Context, c *call) (*http.Request, error) {
	target := strings.TrimSuffix(b.URL.String(), "/") + c.path
	if c.request.URL.RawQuery != "" {
		target += "?" + c.request.URL.RawQuery
	}

	request, err := http.NewRequestWithContext(ctx, c.request.Method, target, bytes.NewReader(c.body)) //nolint:gosec // the path is the caller's to choose, the server is not
	if err != nil {
		return nil, fmt.Errorf("request to the backend: %w", err)
	}

	for name, values := range c.headers() {
		if !sameToServers(name, b.HeaderPrefix) {
			request.Header[name] = values
		}
	}

	request.Header.Del("Host")           // the backend's own
	request.Header.Del("Content-Length") // of the body as it was read

	for key, value := range c.authorization.context {
		if text := scalar(value); text != "" {
			request.Header.Set(b.HeaderPrefix+dashed(key), printable(text))
		}
	}

	return request, nil
}

// sameToServers reports whether a server may take a header for one that begins with prefix: names
// have no case, and CGI's successors make one underscore of whatever is neither letter nor digit.
func sameToServers(name, prefix string) bool {
	fold := func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}

		return '_'
	}
	return strings.HasPrefix(strings.Map(fold, name), strings.Map(fold, prefix))
}

// dashed writes a name such as keyId with dashes: Key-Id.
func dashed(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}

		if i == 0 {
			r = unicode.ToUpper(r)
		}

		b.WriteRune(r)
	}

	return b.String()
}

// printable percent-encodes what a header's value cannot say for every reader.
func printable(value string) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}

	return b.String()
}
