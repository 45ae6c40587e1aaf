package http1_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/http1"
)

// echo answers with what it got, and counts connections.
func echo(t *testing.T, start func(*httptest.Server)) (address string, connections *atomic.Int64) {
	t.Helper()

	connections = new(atomic.Int64)
	server := httptest.NewUnstartedServer(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.URL.Path == "/chunked" {
				w.(http.Flusher).Flush()
				time.Sleep(20 * time.Millisecond) // so that the body is not there yet
			}

			if r.URL.Path == "/last" {
				w.Header().Set("Connection", "close")
			}

			_, _ = fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Header.Get("X-Test"), r.Host, body)
		}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients leave, as they should
	start(server)
	t.Cleanup(server.Close)

	return server.URL, connections
}

// ask makes a request, and returns the body of the answer.
func ask(ctx context.Context, t *http1.Transport, address, body string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address,
		strings.NewReader(body))
	if err != nil {
		return "", err
	}

	request.Header.Set("X-Test", "yes")

	response, err := t.RoundTrip(request)
	if err != nil {
		return "", err
	}

	defer func() { _ = response.Body.Close() }()

	answer, err := io.ReadAll(response.Body)
	return string(answer), err
}

// A connection that was opened before its first request is the only one.
func TestConnect(t *testing.T) {
	t.Parallel()
	address, connections := echo(t, (*httptest.Server).Start)

	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}

	var transport http1.Transport
	if err := transport.Connect(t.Context(), u); err != nil {
		t.Fatal(err)
	}

	for range 2 {
		if _, err := ask(t.Context(), &transport, address, "x"); err != nil {
			t.Fatal(err)
		}
	}

	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}

	u.Host = "127.0.0.1:1"
	if err := transport.Connect(t.Context(), u); err == nil {
		t.Error("connected to where nothing listens")
	}
}

// A request waits for the connection that is being opened: there is no second handshake. If that
// fails, it opens one itself.
func TestConnectIsWaitedFor(t *testing.T) {
	t.Parallel()

	first, second, fail := make(chan struct{}), make(chan struct{}), make(chan struct{})
	address := "https" + strings.TrimPrefix(serve(t,
		func(net.Conn, *bufio.Reader) {
			close(first)
			<-fail
		},
		func(net.Conn, *bufio.Reader) { close(second) },
	), "http")

	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}

	var transport http1.Transport

	connected, asked := make(chan error, 1), make(chan error, 1)
	go func() { connected <- transport.Connect(t.Context(), u) }()

	<-first

	impatient, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()

	if _, err := ask(impatient, &transport, address, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waited in spite of its context: %v", err)
	}

	go func() {
		_, err := ask(t.Context(), &transport, address, "")
		asked <- err
	}()

	select {
	case <-second:
		t.Error("two handshakes at a time")
	case <-time.After(50 * time.Millisecond):
	}

	close(fail)

	if err := <-connected; err == nil {
		t.Error("connected without a handshake")
	}

	<-second

	if err := <-asked; err == nil {
		t.Error("asked without a handshake")
	}
}

// A connection serves one request after another, whatever shape the answers have.
func TestKeepsItsConnection(t *testing.T) {
	t.Parallel()
	address, connections := echo(t, (*httptest.Server).Start)

	var transport http1.Transport

	for i, path := range []string{"/", "/chunked", "/", "/chunked"} {
		want := fmt.Sprintf("POST yes %s %d", strings.TrimPrefix(address, "http://"), i)
		if got, err := ask(t.Context(), &transport, address+path, fmt.Sprint(i)); err != nil ||
			got != want {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}

	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// When a connection is not used again.
func TestDropsItsConnection(t *testing.T) {
	t.Parallel()

	for name, between := range map[string]func(t *http1.Transport, address string) error{
		"it was idle for long": func(t *http1.Transport, _ string) error {
			t.Age(time.Hour)
			return nil
		},
		"the answer says so": func(t *http1.Transport, address string) error {
			_, err := ask(context.Background(), t, address+"/last", "")
			return err
		},
		"the request says so": func(t *http1.Transport, address string) error {
			request, _ := http.NewRequest(http.MethodGet, address, nil) //nolint:noctx // it ends
			request.Close = true

			response, err := t.RoundTrip(request)
			if err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				err = response.Body.Close()
			}

			return err
		},
		"the answer was not read": func(t *http1.Transport, address string) error {
			request, _ := http.NewRequest(http.MethodGet, address+"/chunked", nil) //nolint:noctx // it ends

			response, err := t.RoundTrip(request)
			if err == nil {
				err = response.Body.Close()
			}

			return err
		},
		"the context ended before the answer was read": func(
			t *http1.Transport, address string,
		) error {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()

			request, _ := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)

			response, err := t.RoundTrip(request)
			if err == nil {
				_, _ = io.Copy(io.Discard, response.Body)

				cancel()

				err = response.Body.Close()
			}

			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, connections := echo(t, (*httptest.Server).Start)

			var transport http1.Transport

			if _, err := ask(t.Context(), &transport, address, ""); err != nil {
				t.Fatal(err)
			}

			if err := between(&transport, address); err != nil {
				t.Fatal(err)
			}

			if _, err := ask(t.Context(), &transport, address, ""); err != nil {
				t.Fatal(err)
			}

			if n := connections.Load(); n != 2 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// A certificate of nobody known is refused.
func TestTLS(t *testing.T) {
	t.Parallel()
	address, _ := echo(t, (*httptest.Server).StartTLS)

	if got, err := ask(t.Context(), new(http1.Transport), address, ""); err == nil ||
		!strings.Contains(err.Error(), "certificate") {
		t.Errorf("%q, %v", got, err)
	}
}

// serve accepts connections, and handles the nth by the nth function.
func serve(t *testing.T, handlers ...func(net.Conn, *bufio.Reader)) string {
	t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it ends with the test
	if err != nil {
		t.Fatal(err)
	}

	var done sync.WaitGroup

	done.Go(func() {
		for _, handle := range handlers {
			conn, err := listener.Accept()
			if err != nil {
				return
			}

			done.Go(func() {
				defer func() { _ = conn.Close() }()

				handle(conn, bufio.NewReader(conn))
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()

		done.Wait()
	})

	return "http://" + listener.Addr().String()
}

// once answers one request so.
func once(answer string) func(net.Conn, *bufio.Reader) {
	return func(conn net.Conn, reader *bufio.Reader) {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}

		_, _ = io.Copy(io.Discard, request.Body)
		_, _ = io.WriteString(conn, answer)
	}
}

const fine = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// A request on a connection that the server has closed is made again, whole, by another.
func TestClosedMeanwhile(t *testing.T) {
	t.Parallel()

	var body string
	address := serve(t, once(fine), func(conn net.Conn, reader *bufio.Reader) {
		if request, err := http.ReadRequest(reader); err == nil {
			all, _ := io.ReadAll(request.Body)
			body = string(all)
		}

		_, _ = io.WriteString(conn, fine)
	})

	var transport http1.Transport
	for range 2 {
		if got, err := ask(t.Context(), &transport, address, "content"); err != nil || got != "ok" {
			t.Fatalf("%q, %v", got, err)
		}

		time.Sleep(20 * time.Millisecond) // the server closes
	}

	if body != "content" {
		t.Errorf("the second request has the body %q", body)
	}
}

// A server that closes an idle connection may say so, to no request: the next one is made again. A
// request that it answers so by a new connection is answered.
func TestClosedWithAnAnswer(t *testing.T) {
	t.Parallel()

	const timeout = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 4\r\n\r\n"

	address := serve(t, func(conn net.Conn, reader *bufio.Reader) {
		once(fine)(conn, reader)
		time.Sleep(20 * time.Millisecond)

		_, _ = io.WriteString(conn, timeout+"idle")
	}, once(timeout+"slow"))

	var transport http1.Transport
	for _, want := range []string{"ok", "slow"} {
		if got, err := ask(t.Context(), &transport, address, ""); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}

		time.Sleep(50 * time.Millisecond)
	}
}

// A request whose context has ended is not made, even if a connection waits for it.
func TestContextHasEnded(t *testing.T) {
	t.Parallel()

	asked := make(chan bool, 1)
	address := serve(t, func(conn net.Conn, reader *bufio.Reader) {
		once(fine)(conn, reader)

		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := reader.ReadByte()
		asked <- err == nil
	})

	var transport http1.Transport
	if _, err := ask(t.Context(), &transport, address, ""); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if got, err := ask(ctx, &transport, address, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("%q, %v", got, err)
	}

	if <-asked {
		t.Error("it was made")
	}
}

// What comes after an answer belongs to no request.
func TestNothingAfterTheAnswer(t *testing.T) {
	t.Parallel()
	address := serve(t, once(fine+"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"), once(fine))

	var transport http1.Transport
	for range 2 {
		if got, err := ask(t.Context(), &transport, address, ""); err != nil || got != "ok" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// A connection that an answer called the last gets no other request, even if it stays open.
func TestTheLastAnswer(t *testing.T) {
	t.Parallel()
	address := serve(t, func(conn net.Conn, reader *bufio.Reader) {
		once("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")(conn, reader)
		once("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")(conn, reader)
	}, once(fine))

	var transport http1.Transport
	for range 2 {
		if got, err := ask(t.Context(), &transport, address, ""); err != nil || got != "ok" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// Each address has its own connections, and not more of them than are likely to be used again.
func TestIdle(t *testing.T) {
	t.Parallel()

	var transport http1.Transport

	for range 3 {
		address, _ := echo(t, (*httptest.Server).Start)

		if got, err := ask(t.Context(), &transport, address, ""); err != nil ||
			!strings.Contains(got, strings.TrimPrefix(address, "http://")) {
			t.Errorf("%q, %v, want %s", got, err, address)
		}
	}

	address, _ := echo(t, (*httptest.Server).Start)

	var answers []*http.Response
	for range http1.MaxIdle + 5 {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)

		response, err := transport.RoundTrip(request) //nolint:bodyclose // below
		if err != nil {
			t.Fatal(err)
		}

		answers = append(answers, response) //nolint:bodyclose // below
	}

	for _, response := range answers {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}

	if n := transport.Idle(); n != 3+http1.MaxIdle {
		t.Errorf("%d connections wait", n)
	}
}

// Answers that are none.
func TestBadAnswers(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct{ answer, want string }{
		"nothing":        {"", "closed"},
		"not HTTP":       {"hello\r\n\r\n", "malformed"},
		"a first answer": {"HTTP/1.1 100 Continue\r\n\r\n", "status 100"},
		"a header without an end": {
			"HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 1<<16),
			"more than 65536 bytes",
		},
		"a cut body": {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := serve(t, once(test.answer))

			got, err := ask(t.Context(), new(http1.Transport), address, "")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q, %v, want %s", got, err, test.want)
			}
		})
	}
}

// Whoever waits no longer gets an error at once: before the answer, and in the middle of it.
func TestContextEnds(t *testing.T) {
	t.Parallel()

	for name, begin := range map[string]string{
		"before": "",
		"within": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\no",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			waiting := make(chan struct{})
			ended := make(chan struct{})
			address := serve(t, func(conn net.Conn, reader *bufio.Reader) {
				once(begin)(conn, reader)
				close(waiting)
				<-ended
			})

			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-waiting
				cancel()
			}()

			got, err := ask(ctx, new(http1.Transport), address, "")
			close(ended)

			if err == nil || begin == "" && !errors.Is(err, context.Canceled) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// A late answer is an error that says so, for whoever tries again.
func TestDeadline(t *testing.T) {
	t.Parallel()

	ended := make(chan struct{})
	defer close(ended)

	address := serve(t, func(net.Conn, *bufio.Reader) { <-ended })

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()

	_, err := ask(ctx, new(http1.Transport), address, "")
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Errorf("%v", err)
	}
}

// Many at once get their own answers.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	address, connections := echo(t, (*httptest.Server).Start)

	var (
		transport http1.Transport
		all       sync.WaitGroup
	)

	for i := range 2 * http1.MaxIdle {
		all.Go(func() {
			for j := range 20 {
				want := fmt.Sprintf("%d-%d", i, j)
				if got, err := ask(t.Context(), &transport, address, want); err != nil ||
					!strings.HasSuffix(got, " "+want) {
					t.Errorf("%q, %v, want %s", got, err, want)
				}
			}
		})
	}

	all.Wait()

	before := connections.Load()

	for range 10 {
		if _, err := ask(t.Context(), &transport, address, ""); err != nil {
			t.Error(err)
		}
	}

	if after := connections.Load(); after != before {
		t.Errorf("%d more connections", after-before)
	}
}
