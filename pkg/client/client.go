package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// TokenSource returns the token of a signed-in person. It is called before each request.
type TokenSource func(ctx context.Context) (string, error)

// Config configures a client.
type Config struct {
	// URL is the address of the API, such as https://admin.example.com, including the stage if that
	// is in its path. It must be set.
	URL string
	// Key is an admin key's secret. Without Key and Token, calls are unauthenticated.
	Key string
	// Token returns a person's ID token, instead of a key.
	Token TokenSource
	// HTTPClient makes the requests; nil for one with a timeout. Its CheckRedirect is not used: the
	// API does not redirect, and the key must not be sent elsewhere.
	HTTPClient *http.Client
	// UserAgent names the calling program; it appears in the history.
	UserAgent string
	// Attempts is the maximum number of times that a request is sent; 0 for 4.
	Attempts int
	// Sleep waits before another attempt, or until the context is done; nil for a timer.
	Sleep func(ctx context.Context, d time.Duration) error
}

// RequestTimeout is how long an attempt may take with the default HTTP client: a little more than a
// function's timeout.
const RequestTimeout = 40 * time.Second

// Client calls the admin API. It is safe for concurrent use.
type Client struct {
	base      string // without a trailing slash
	key       string
	token     TokenSource
	http      http.Client
	userAgent string
	attempts  int
	sleep     func(ctx context.Context, d time.Duration) error
}

// New returns a client. It is an error if the URL is invalid, or if there are a key and a token.
func New(c Config) (*Client, error) {
	address, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return nil, errors.New("client: the URL cannot be read") // it may contain a password
	case address.Scheme != "https" && address.Scheme != "http" || address.Host == "":
		return nil, errors.New("client: the URL does not begin with https:// and a host")
	case address.User != nil || address.RawQuery != "" || address.Fragment != "":
		return nil, errors.New("client: the URL has more than a scheme, a host and a path")
	case c.Key != "" && c.Token != nil:
		return nil, errors.New("client: a key and a token: the API takes one of them")
	case strings.ContainsFunc(c.Key, unprintable):
		return nil, errors.New("client: the key has characters that a header cannot have")
	}

	out := &Client{
		base:      strings.TrimRight(c.URL, "/"),
		key:       c.Key,
		token:     c.Token,
		http:      http.Client{Timeout: RequestTimeout},
		userAgent: cmp.Or(c.UserAgent, "bitting-client"),
		attempts:  cmp.Or(c.Attempts, 4),
		sleep:     c.Sleep,
	}
	if c.HTTPClient != nil {
		out.http = *c.HTTPClient
	}

	out.http.CheckRedirect = func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}
	if out.sleep == nil {
		out.sleep = sleep
	}

	return out, nil
}

// unprintable reports whether a rune is not allowed in a key. net/http would quote the whole header
// in its error.
func unprintable(r rune) bool { return r <= ' ' || r > '~' }

// String implements fmt.Stringer without the key.
func (c *Client) String() string { return "client of " + c.base }

// GoString implements fmt.GoStringer.
func (c *Client) GoString() string { return c.String() }

// Format implements fmt.Formatter: no verb shows the key.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, c.String()) }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()

	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
