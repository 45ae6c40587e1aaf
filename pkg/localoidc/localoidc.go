// Package localoidc is the sign-in of `bitting local`: an OpenID Connect provider for the people
// of the demo.
//
// It promises what a client needs of a real provider:
//
//   - discovery, the authorization code flow with PKCE (S256, always), userinfo and end_session
//   - ID tokens signed with RS256, as Cognito's are, that stay valid after a restart
//   - codes that work once, within a minute, for the client and redirect they were made for
//   - refresh tokens for the scope offline_access, each of which works once
//   - silent renewal (prompt=none) for 12 hours after a person was picked in the browser
//   - redirects only to the console and to programs on this machine; scripts of pages on this
//     machine may call all that is not for the browser itself
//
// Refresh tokens and sessions are in memory: after a restart, people sign in again. A session
// serves only silent renewal; without prompt=none there is always the list to pick from. There is
// no implicit flow.
//
// It does not authenticate: anyone who can reach it picks a person from a list, without a
// password. A deployment must never trust it.
package localoidc

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/cors"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/bitting-keys/bitting/pkg/organization"
)

// ClientID is the id of the only client, which is public: the console, and programs such as a
// command line on this machine. It is the audience of ID tokens.
const ClientID = "bitting-console"

// path is the provider's path below the base URL.
const path = "/oidc"

// ErrUnknownPerson means that no person on the list has the e-mail address.
var ErrUnknownPerson = errors.New("no person here has this e-mail address")

// Person is a person who can sign in.
type Person struct {
	Email string // identifies the person, as it does members of organizations
	Name  string
	Role  string // shown next to the name, such as `admin of acme`; not in tokens
}

// subject returns the person's id in tokens. It depends on the e-mail address alone.
func (p Person) subject() string {
	email, _ := organization.Email(p.Email) // New has checked it
	sum := sha256.Sum256([]byte("bitting local person|" + email))
	return hex.EncodeToString(sum[:16])
}

// Config configures a Provider.
type Config struct {
	BaseURL string // scheme and host of `bitting local`, such as http://127.0.0.1:4000
	// DataDir is the folder of the signing key, oidc-signing.pem, which is created if absent.
	DataDir string
	People  []Person // in the order in which they are shown
	Now     func() time.Time
	Logger  *slog.Logger
}

// Provider is an OpenID Connect provider. It is safe for concurrent use.
type Provider struct {
	base   *url.URL
	people []Person
	client client
	key    *rsa.PrivateKey
	keyID  string
	now    func() time.Time
	logger *slog.Logger

	pending   store[signIn]  // started, by the id in the sign-in page's address
	granted   store[grant]   // by code
	sessions  store[session] // by the cookie's value
	refreshes store[refresh] // by the first half of the token
}

// New returns the provider, and creates its signing key if there is none. It refuses a key that
// others can read.
func New(c Config) (*Provider, error) {
	base, err := url.Parse(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("base URL: %w", err)
	}

	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || *base != (url.URL{
		Scheme: base.Scheme,
		Host:   base.Host,
	}) {
		return nil, fmt.Errorf("base URL %q is not a scheme and a host alone", c.BaseURL)
	}

	if c.Now == nil {
		c.Now = time.Now
	}

	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}

	p := &Provider{
		base:    base,
		client:  newClient(c.BaseURL),
		now:     c.Now,
		logger:  c.Logger,
		pending: store[signIn]{life: signInLife, now: c.Now},
		granted: store[grant]{life: codeLife, now: c.Now},

		sessions:  store[session]{life: sessionLife, now: c.Now},
		refreshes: store[refresh]{life: refreshLife, now: c.Now},
	}
	for _, person := range c.People {
		if _, ok := organization.Email(person.Email); !ok {
			return nil, fmt.Errorf("people: %q is not an e-mail address that can name a member",
				person.Email)
		}

		if _, err := p.person(person.Email); err == nil {
			return nil, fmt.Errorf("people: %q is there twice", person.Email)
		}

		p.people = append(p.people, person)
	}

	if p.key, err = signingKey(c.DataDir); err != nil {
		return nil, err
	}

	p.keyID, err = keyID(p.key)
	return p, err
}

// Issuer returns the issuer: the base URL with /oidc.
func (p *Provider) Issuer() string { return p.base.String() + path }

// Token returns an ID token, as a sign-in would, for the person with the e-mail address. It
// returns ErrUnknownPerson if there is none.
func (p *Provider) Token(email string) (string, error) {
	person, err := p.person(email)
	if err != nil {
		return "", err
	}

	return p.idToken(session{person, p.now()}, "", "")
}

// Handler returns the handler for requests under /oidc/. It expects their whole path.
//
// The protocol's library logs refusals to slog's default logger, both now and while it serves. A
// program that wants them elsewhere must set that logger before this call.
func (p *Provider) Handler() http.Handler {
	protocol := http.StripPrefix(path, op.RegisterServer(server{Provider: p}, op.Endpoints{
		Authorization: endpoint(authorizePath),
		Token:         endpoint(tokenPath),
		EndSession:    endpoint(endSessionPath),
		JwksURI:       endpoint(keysPath),
	}, op.WithServerCORSOptions(nil)))
	mux := http.NewServeMux()
	// Only these routes: the library would also accept a code and its verifier in an address.
	for _, pattern := range []string{
		"GET " + path + authorizePath, "POST " + path + authorizePath,
		"GET " + path + endSessionPath, "POST " + path + endSessionPath,
	} {
		mux.Handle(pattern, p.readable(protocol))
	}

	for pattern, handler := range map[string]http.Handler{
		"GET " + path + discoveryPath: protocol,
		"GET " + path + keysPath:      protocol,
		"POST " + path + tokenPath:    protocol,
		"GET " + path + userinfoPath:  http.HandlerFunc(p.userinfo),
		"POST " + path + userinfoPath: http.HandlerFunc(p.userinfo),
	} {
		mux.Handle(pattern, shared.Handler(handler))
	}

	for _, open := range []string{discoveryPath, keysPath, tokenPath, userinfoPath} {
		mux.Handle("OPTIONS "+path+open, shared.Handler(http.NotFoundHandler()))
	}

	mux.HandleFunc("GET "+path+signInPath, p.showPeople)
	// Other sites must not be able to sign a user in here.
	mux.Handle("POST "+path+signInPath,
		http.NewCrossOriginProtection().Handler(http.HandlerFunc(p.signIn)))
	mux.HandleFunc("GET "+path+signOutPath, p.showSignOut)
	mux.HandleFunc("GET "+path+stylePath, style)
	return p.guard(mux)
}

// shared lets the scripts of pages on this machine call an endpoint, such as those of a frontend's
// development server. They send no cookies there.
var shared = cors.New(cors.Options{
	AllowOriginFunc: func(origin string) bool {
		u, ok := op.HTTPLoopbackOrLocalhost(origin)
		return ok && u.Scheme == "http"
	},
	AllowedMethods: []string{http.MethodGet, http.MethodPost},
	AllowedHeaders: []string{"Authorization", "Content-Type"},
	ExposedHeaders: []string{"WWW-Authenticate"},
})

// maxBody is the maximum length of a request body, in bytes.
const maxBody = 64 << 10

// guard refuses requests under any host name but the issuer's, so that no site can point its own
// name at this machine (DNS rebinding) and read a code or a page here. It also sets the headers of
// every answer.
func (p *Provider) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy",
			"default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
		// The sign-in's address contains its id. With no referrer at all, browsers would send
		// `Origin: null` with the form.
		h.Set("Referrer-Policy", "same-origin")

		if !strings.EqualFold(r.Host, p.base.Host) {
			http.Error(w, "This sign-in answers only at "+p.base.String()+".",
				http.StatusMisdirectedRequest)
			return
		}

		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// person returns the person with the e-mail address.
func (p *Provider) person(email string) (Person, error) {
	asked, ok := organization.Email(email)

	var known []string
	for _, person := range p.people {
		known = append(known, person.Email)
		if named, _ := organization.Email(person.Email); ok && named == asked {
			return person, nil
		}
	}

	return Person{}, fmt.Errorf("%w: %q; there are %s", ErrUnknownPerson, email,
		strings.Join(known, ", "))
}

// bySubject returns the person with the subject.
func (p *Provider) bySubject(subject string) (Person, bool) {
	for _, person := range p.people {
		if person.subject() == subject {
			return person, true
		}
	}

	return Person{}, false
}
