package signin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// waitForPerson is how long a person has to sign in.
const waitForPerson = 10 * time.Minute

var errNobody = errors.New("nobody signed in within 10 minutes")

// Terminal is where a person signs in.
type Terminal struct {
	// Open opens a browser on this machine; nil for none.
	Open func(address string) error
	// Say tells the person what to do. It must reach them.
	Say func(format string, args ...any)
	// Port is where the browser comes back to on 127.0.0.1; 0 for a free one. Some issuers compare
	// the port, too.
	Port int
}

// SignIn has a person sign in: in a browser on this machine, or without one by the device flow, where
// the issuer has it. Errors: ErrRefused.
func (i Issuer) SignIn(ctx context.Context, t Terminal) (Person, error) {
	ctx, cancel := context.WithTimeoutCause(withClient(ctx), waitForPerson, errNobody)
	defer cancel()

	p, err := i.discover(ctx)
	if err != nil {
		return Person{}, err
	}

	var person Person

	switch {
	case t.Open == nil && p.oauth2.Endpoint.DeviceAuthURL != "":
		person, err = p.byDevice(ctx, t)
	case p.oauth2.Endpoint.AuthURL == "":
		return Person{}, fmt.Errorf("the issuer %s has no page to sign in at", i.URL)
	default:
		person, err = p.byBrowser(ctx, t, i.URL)
	}

	if err != nil && ctx.Err() != nil {
		return Person{}, context.Cause(ctx)
	}

	return person, err
}

// byDevice has the person enter a code in any browser (RFC 8628).
func (p *provider) byDevice(ctx context.Context, t Terminal) (Person, error) {
	asked, err := p.oauth2.DeviceAuth(ctx)
	if err != nil {
		return Person{}, plain(err)
	}

	t.Say("Open %s in any browser, and enter the code %s.", asked.VerificationURI, asked.UserCode)

	token, err := p.oauth2.DeviceAccessToken(ctx, asked)
	if err != nil {
		return Person{}, plain(err)
	}

	person, _, err := p.person(ctx, token, "")
	return person, err
}

// byBrowser sends a browser to the issuer, and waits for it to come back (RFC 8252).
func (p *provider) byBrowser(ctx context.Context, t Terminal, issuer string) (Person, error) {
	var listen net.ListenConfig

	listener, err := listen.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(t.Port)))
	if err != nil {
		return Person{}, err
	}

	verifier, state, nonce := oauth2.GenerateVerifier(), rand.Text(), rand.Text()
	back := &callback{issuer: issuer, state: state, answers: make(chan url.Values, 1)}

	server := &http.Server{Handler: back, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // until it is closed below

	defer stop(ctx, server)

	config := p.oauth2
	config.RedirectURL = "http://" + listener.Addr().String() + callbackPath
	address := config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))

	if t.Open != nil && t.Open(address) == nil {
		t.Say("Sign in with the browser that opens, or open this address yourself:\n%s", address)
	} else {
		t.Say("Open this address in a browser on this machine to sign in:\n%s", address)
	}

	select {
	case <-ctx.Done():
		return Person{}, ctx.Err()
	case answer := <-back.answers:
		if code := answer.Get("error"); code != "" {
			return Person{}, refusal(code, answer.Get("error_description"))
		}

		token, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			return Person{}, plain(err)
		}

		person, _, err := p.person(ctx, token, nonce)
		return person, err
	}
}

// stop lets the browser have its answer, and ends the server.
func stop(ctx context.Context, server *http.Server) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()

	if server.Shutdown(ctx) != nil {
		_ = server.Close() // a browser may hold a connection that it never used
	}
}

const callbackPath = "/callback"

// callback takes the browser that comes back from the issuer, once. Any page in the browser can send
// requests here, so one without the state is not the issuer's.
type callback struct {
	issuer, state string
	answers       chan url.Values
}

// ServeHTTP implements http.Handler.
func (c *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the address has the code
	h.Set("X-Content-Type-Options", "nosniff")

	answer := r.URL.Query()

	switch {
	case r.Method != http.MethodGet || r.URL.Path != callbackPath:
		http.Error(w, "There is nothing here.", http.StatusNotFound)
		return
	case answer.Get("state") != c.state,
		answer.Has("iss") && answer.Get("iss") != c.issuer, // RFC 9207
		answer.Get("code") == "" && answer.Get("error") == "":
		http.Error(w, "This is not the answer to the sign-in that bitting login waits for.",
			http.StatusBadRequest)
		return
	}

	select {
	case c.answers <- answer:
	default: // a page that was loaded again
	}

	if answer.Get("error") != "" {
		_, _ = io.WriteString(w, "The sign-in did not succeed: the terminal says why.\n") // gone if not read
		return
	}

	_, _ = io.WriteString(w, "You can close this page and go back to the terminal.\n") // gone if not read
}
