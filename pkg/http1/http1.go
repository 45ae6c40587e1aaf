// Package http1 makes requests by HTTP/1.1 in the goroutine of whoever makes them: for AWS, in place
// of net/http's Transport.
//
// It exists because the Transport hands each request to a goroutine that writes it, and each answer
// over from another that reads it. Waking them takes more processor time than all that a check does
// itself: docs/performance.md has the figures. Requests and answers are net/http's, which also
// writes and parses them.
//
// It promises:
//
//   - A connection is used again only if its last answer was read to the end, and nothing came with
//     it. A server is trusted not to answer later what nobody asked.
//   - A request whose connection the server had closed meanwhile, with or without saying so by the
//     status 408, is made again, by another one, if it has no body or a GetBody.
//   - Connecting, writing and reading end when the context of the request does. Nothing is written
//     if it had ended before.
//   - The header of an answer has at most 64 KB, and the caller decides how much of the body it reads.
//
// It knows no proxies, no compression, no redirects, no HTTP/2 and no answers before the last one
// (status 1xx), which AWS does not send either.
package http1

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

// Transport makes requests, and keeps their connections. Its zero value is ready for use. It is safe
// for concurrent use.
type Transport struct {
	mu      sync.Mutex
	idle    map[address][]*connection // the one used last is the last
	opening map[address]chan struct{} // closed when what Connect opens is there, or is not
}

// address is where connections lead.
type address struct{ scheme, host string }

// How many connections to an address wait for their next request, and how long.
const (
	maxIdle  = 64
	idleTime = 90 * time.Second
)

// connection is a connection, used by one request at a time.
type connection struct {
	net.Conn
	to     address
	header io.LimitedReader // bounds how much of an answer is read before its body
	reader *bufio.Reader
	writer *bufio.Writer
	since  time.Time // when it became idle
}

// maxHeader is the maximum size of an answer's header, in bytes.
const maxHeader = 64 << 10

// errClosed means that the server closed the connection before it answered.
var errClosed = errors.New("the connection is closed")

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	for {
		c, again, err := t.connect(r.Context(), r.URL)
		if err != nil {
			if r.Body != nil {
				_ = r.Body.Close()
			}

			return nil, fmt.Errorf("http1: %w", err)
		}

		response, err := t.exchange(c, r)
		if err == nil && again && saysClosed(response) {
			_ = response.Body.Close()
			err = errClosed
		}

		if err == nil {
			return response, nil
		}

		if !again || !errors.Is(err, errClosed) || !rewind(r) {
			return nil, fmt.Errorf("http1: %w", err)
		}
	}
}

// Connect opens a connection for the next request to an address, which waits for it if it comes
// meanwhile, and then for no handshake.
func (t *Transport) Connect(ctx context.Context, u *url.URL) error {
	to, opened := address{u.Scheme, u.Host}, make(chan struct{})

	t.mu.Lock()
	if t.opening == nil {
		t.opening = map[address]chan struct{}{}
	}

	t.opening[to] = opened
	t.mu.Unlock()

	c, err := t.open(ctx, u)
	if err == nil {
		t.keep(c)
	}

	t.mu.Lock()
	if t.opening[to] == opened {
		delete(t.opening, to)
	}

	t.mu.Unlock()
	close(opened)

	if err != nil {
		return fmt.Errorf("http1: %w", err)
	}

	return nil
}

// saysClosed reports whether an answer is of a server that closes an idle connection, and answers no
// request: RFC 9110, section 15.5.9.
func saysClosed(response *http.Response) bool {
	return response.StatusCode == http.StatusRequestTimeout && response.Close
}

// rewind prepares a request to be made again, and reports whether that is possible.
func rewind(r *http.Request) bool {
	if r.Body == nil || r.Body == http.NoBody {
		return true
	}

	if r.GetBody == nil {
		return false
	}

	body, err := r.GetBody()
	r.Body = body
	return err == nil
}

// connect returns a connection, and whether it was used before.
func (t *Transport) connect(ctx context.Context, u *url.URL) (c *connection, again bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}

	to := address{u.Scheme, u.Host}
	if c := t.take(to); c != nil {
		return c, true, nil
	}

	if opening := t.underWay(to); opening != nil {
		select {
		case <-opening:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}

		if c := t.take(to); c != nil {
			return c, true, nil
		}
	}

	c, err = t.open(ctx, u)
	return c, false, err
}

// underWay returns what is closed when a connection is there that Connect opens; nil if it opens none.
func (t *Transport) underWay(to address) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()

	return t.opening[to]
}

// open opens a connection.
func (t *Transport) open(ctx context.Context, u *url.URL) (*connection, error) {
	var (
		conn net.Conn
		err  error
	)

	switch u.Scheme {
	case "http":
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", withPort(u, "80"))
	case "https":
		dialer := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12}}
		conn, err = dialer.DialContext(ctx, "tcp", withPort(u, "443"))
	default:
		err = fmt.Errorf("scheme %q", u.Scheme)
	}

	if err != nil {
		return nil, err
	}

	c := &connection{Conn: conn, to: address{u.Scheme, u.Host}}
	c.header.R = conn
	c.reader = bufio.NewReader(&c.header)
	c.writer = bufio.NewWriter(conn)
	return c, nil
}

func withPort(u *url.URL, otherwise string) string {
	port := u.Port()
	if port == "" {
		port = otherwise
	}

	return net.JoinHostPort(u.Hostname(), port)
}

// take returns an idle connection, or nil if there is none.
func (t *Transport) take(to address) *connection {
	t.mu.Lock()
	defer t.mu.Unlock()

	kept := t.idle[to]
	if len(kept) == 0 {
		return nil
	}

	c := kept[len(kept)-1]
	if time.Since(c.since) > idleTime { // so have all before it
		for _, c := range kept {
			_ = c.Close()
		}

		delete(t.idle, to)
		return nil
	}

	t.idle[to] = kept[:len(kept)-1]
	return c
}

// keep keeps a connection for the next request.
func (t *Transport) keep(c *connection) {
	t.mu.Lock()
	defer t.mu.Unlock()

	if len(t.idle[c.to]) >= maxIdle {
		_ = c.Close()
		return
	}

	if t.idle == nil {
		t.idle = map[address][]*connection{}
	}

	c.since = time.Now()
	t.idle[c.to] = append(t.idle[c.to], c)
}

// exchange writes a request, and reads the header of its answer. If it fails, the connection is
// closed.
func (t *Transport) exchange(c *connection, r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	stop := context.AfterFunc(ctx, func() {
		_ = c.SetDeadline(time.Unix(1, 0)) // in the past: whatever waits for the connection returns
	})

	response, err := c.roundTrip(r)
	if err != nil {
		stop()
		_ = c.Close()

		if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
			return nil, ctx.Err()
		}

		return nil, err
	}

	response.Body = &body{
		ReadCloser: response.Body,
		transport:  t,
		connection: c,
		stop:       stop,
		whole:      response.Body == http.NoBody,
		last:       response.Close || r.Close,
	}
	return response, nil
}

func (c *connection) roundTrip(r *http.Request) (*http.Response, error) {
	err := r.Write(c.writer)
	if err == nil {
		err = c.writer.Flush()
	}

	c.header.N = maxHeader

	if err == nil {
		_, err = c.reader.Peek(1)
	}

	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, err
	case err != nil:
		return nil, errors.Join(errClosed, err)
	}

	response, err := http.ReadResponse(c.reader, r)

	switch {
	case err != nil && c.header.N == 0:
		return nil, fmt.Errorf("a header of more than %d bytes", maxHeader)
	case err != nil:
		return nil, err
	case response.StatusCode < http.StatusOK:
		return nil, fmt.Errorf("status %s", response.Status)
	}

	c.header.N = math.MaxInt64
	return response, nil
}

// body is the body of an answer, whose connection it keeps or closes in the end.
type body struct {
	io.ReadCloser
	transport  *Transport
	connection *connection
	stop       func() bool
	whole      bool // it was read to the end
	last       bool // the connection ends with it
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.whole = true
	}

	return n, err
}

// Close implements io.Closer. It does not read the rest.
func (b *body) Close() error {
	c := b.connection
	if c == nil {
		return nil
	}

	b.connection = nil
	// If the context has ended, whatever it does to the connection could meet the next request.
	if !b.stop() || !b.whole || b.last || c.reader.Buffered() > 0 {
		return c.Close()
	}

	b.transport.keep(c)
	return nil
}
