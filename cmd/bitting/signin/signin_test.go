package signin_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/bitting-keys/bitting/cmd/bitting/signin"
	"github.com/bitting-keys/bitting/pkg/localoidc"
)

const alice = "alice@acme.test"

// issuer is the local issuer, with what others have and it has not.
type issuer struct {
	signin.Issuer

	provider  *localoidc.Provider
	device    bool // has the device flow
	denied    bool // the person denies it there
	foreign   bool // refreshes for somebody else
	polls     atomic.Int32
	refreshes atomic.Int32
	revoked   atomic.Value
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()

	server := httptest.NewUnstartedServer(nil)
	base := "http://" + server.Listener.Addr().String()

	provider, err := localoidc.New(localoidc.Config{
		BaseURL: base,
		DataDir: t.TempDir(),
		People:  []localoidc.Person{{Email: alice, Name: "Alice"}, {Email: "bob@acme.test"}},
	})
	if err != nil {
		t.Fatal(err)
	}

	i := &issuer{
		Issuer:   signin.Issuer{URL: provider.Issuer(), ClientID: localoidc.ClientID},
		provider: provider,
	}
	next := provider.Handler()
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimPrefix(r.URL.Path, "/oidc") {
		case "/.well-known/openid-configuration":
			i.discovery(w, next, r)
		case "/device":
			answer(w, http.StatusOK, map[string]any{
				"device_code": "dc", "user_code": "WDJB-MJHT", "interval": 1, "expires_in": 60,
				"verification_uri": i.URL + "/enter",
			})
		case "/revoke":
			i.revoked.Store(r.PostFormValue("token"))
		case "/token":
			i.token(w, next, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
	server.Start()
	t.Cleanup(server.Close)
	return i
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (i *issuer) discovery(w http.ResponseWriter, next http.Handler, r *http.Request) {
	recorded := httptest.NewRecorder()
	next.ServeHTTP(recorded, r)

	var document map[string]any
	if err := json.Unmarshal(recorded.Body.Bytes(), &document); err != nil {
		answer(w, http.StatusInternalServerError, err.Error())
		return
	}

	document["revocation_endpoint"] = i.URL + "/revoke"
	if i.device {
		document["device_authorization_endpoint"] = i.URL + "/device"
	}

	answer(w, http.StatusOK, document)
}

func (i *issuer) token(w http.ResponseWriter, next http.Handler, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	form, _ := url.ParseQuery(string(body))

	switch grant := form.Get("grant_type"); {
	case strings.HasSuffix(grant, "device_code") && i.polls.Add(1) == 1:
		answer(w, http.StatusBadRequest, map[string]string{"error": "authorization_pending"})
	case strings.HasSuffix(grant, "device_code") && i.denied:
		answer(w, http.StatusBadRequest, map[string]string{"error": "access_denied"})
	case strings.HasSuffix(grant, "device_code"), grant == "refresh_token" && i.foreign:
		person := alice
		if i.foreign {
			person = "bob@acme.test"
		}

		id, _ := i.provider.Token(person)
		answer(w, http.StatusOK, map[string]any{
			"access_token": "a", "token_type": "Bearer", "id_token": id, "refresh_token": "r",
		})
	default:
		if grant == "refresh_token" {
			i.refreshes.Add(1)
		}

		next.ServeHTTP(w, r)
	}
}

// terminal is a person who picks an e-mail address when told to open an address.
type terminal struct {
	mu   sync.Mutex
	said []string
	told chan string // the address
}

func newTerminal() *terminal { return &terminal{told: make(chan string, 1)} }

func (t *terminal) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()

	text := fmt.Sprintf(format, args...)
	t.said = append(t.said, text)

	if _, address, ok := strings.Cut(text, "\nhttp"); ok {
		t.told <- "http" + address
	}
}

// pick opens the address that the terminal shows, and picks alice there.
func (t *terminal) pick(test *testing.T) {
	response, err := http.Get(<-t.told) //nolint:noctx // a browser
	if err != nil {
		test.Error(err)
		return
	}

	_ = response.Body.Close()
	page := response.Request.URL

	response, err = browser().PostForm(page.Scheme+"://"+page.Host+page.Path, //nolint:noctx // a browser
		url.Values{"id": {page.Query().Get("id")}, "person": {alice}})
	if err != nil {
		test.Error(err)
		return
	}

	_ = response.Body.Close()

	if response.StatusCode != http.StatusOK || response.Request.URL.Hostname() != "127.0.0.1" ||
		response.Request.URL.Path != "/callback" {
		test.Errorf("the browser ended at %s: %d", response.Request.URL, response.StatusCode)
	}
}

func (i *issuer) signIn(t *testing.T) signin.Person {
	t.Helper()

	shown := newTerminal()
	go shown.pick(t)

	person, err := i.SignIn(t.Context(), signin.Terminal{Say: shown.say})
	if err != nil {
		t.Fatal(err)
	}

	return person
}

func TestWithoutABrowserTheAddressIsShown(t *testing.T) {
	t.Parallel()

	i := newIssuer(t)
	person := i.signIn(t)

	if person.Email != alice || person.Tokens.Refresh == "" || !person.Tokens.Fresh(time.Now()) {
		t.Errorf("%+v", person)
	}

	if text := fmt.Sprintf("%v %+v %#v %s", person, person, person, person.Tokens); strings.Contains(
		text, person.Tokens.ID) || strings.Contains(text, person.Tokens.Refresh) {
		t.Error("tokens are shown")
	}

	if done, err := i.Revoke(t.Context(), person.Tokens); !done || err != nil ||
		i.revoked.Load() != person.Tokens.Refresh {
		t.Errorf("revoke: %v, %v", done, err)
	}
}

// The port may have to be one that the issuer knows.
func TestThePortOfTheRedirect(t *testing.T) {
	t.Parallel()

	free, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		t.Fatal(err)
	}

	port := free.Addr().(*net.TCPAddr).Port
	_ = free.Close()

	ctx, cancel := context.WithCancel(t.Context())
	shown := newTerminal()

	go func() {
		address, _ := url.Parse(<-shown.told)
		if want := fmt.Sprintf("http://127.0.0.1:%d/callback", port); address.Query().Get(
			"redirect_uri") != want || address.Query().Get("code_challenge_method") != "S256" {
			t.Errorf("%s", address)
		}

		cancel()
	}()

	_, err = newIssuer(t).SignIn(ctx, signin.Terminal{Say: shown.say, Port: port})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestDeviceFlow(t *testing.T) {
	t.Parallel()

	for name, denied := range map[string]bool{"agreed": false, "denied": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			i := newIssuer(t)
			i.device, i.denied = true, denied
			shown := newTerminal()
			person, err := i.SignIn(t.Context(), signin.Terminal{Say: shown.say})

			if len(shown.said) != 1 || !strings.Contains(shown.said[0], "WDJB-MJHT") ||
				!strings.Contains(shown.said[0], i.URL+"/enter") || i.polls.Load() != 2 {
				t.Errorf("%q, %d polls", shown.said, i.polls.Load())
			}

			if denied {
				if !errors.Is(err, signin.ErrRefused) || !strings.Contains(err.Error(), "access_denied") {
					t.Error(err)
				}
			} else if err != nil || person.Email != alice {
				t.Errorf("%v, %v", person, err)
			}
		})
	}
}

// expired returns tokens whose ID token has expired.
func expired(t *testing.T, tokens signin.Tokens) signin.Tokens {
	t.Helper()

	parts := strings.Split(tokens.ID, ".")

	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}

	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}

	claims["exp"] = time.Now().Unix() + 30 // too soon to use it
	text, _ = json.Marshal(claims)         // from JSON
	parts[1] = base64.RawURLEncoding.EncodeToString(text)
	tokens.ID = strings.Join(parts, ".")
	return tokens
}

func keepIn(folder string, env map[string]string) signin.Keep {
	return signin.Keep{
		File:   filepath.Join(folder, "config.tokens.json"),
		Getenv: func(name string) string { return env[name] },
	}
}

// A refresh token works once, so of many programs one may use it.
func TestOneRefreshesForAll(t *testing.T) {
	t.Parallel()

	i, folder := newIssuer(t), t.TempDir()
	tokens := expired(t, i.signIn(t).Tokens)

	if _, err := keepIn(folder, nil).Store("p", tokens); err != nil {
		t.Fatal(err)
	}

	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			source := keepIn(folder, nil).Source(i.Issuer, "p")
			for range 2 {
				if token, err := source(t.Context()); err != nil || token == tokens.ID {
					t.Errorf("%v; or it is expired", err)
				}
			}
		})
	}

	all.Wait()

	if n := i.refreshes.Load(); n != 1 {
		t.Errorf("%d refreshes", n)
	}

	// the token that was used up
	if _, err := keepIn(folder, nil).Store("p", tokens); err != nil {
		t.Fatal(err)
	}

	_, err := keepIn(folder, nil).Source(i.Issuer, "p")(t.Context())
	if !errors.Is(err, signin.ErrSignedOut) || strings.Contains(err.Error(), tokens.Refresh) {
		t.Error(err)
	}
}

func TestRefreshedForSomebodyElse(t *testing.T) {
	t.Parallel()

	i := newIssuer(t)
	tokens := expired(t, i.signIn(t).Tokens)
	i.foreign = true

	if _, err := i.Refresh(t.Context(), tokens); !errors.Is(err, signin.ErrRefused) {
		t.Error(err)
	}
}

// With a keyring there is no file. Without one, or with one that fails, there is.
func TestWhereTokensAreKept(t *testing.T) {
	keyring.MockInit()

	tokens := signin.Tokens{ID: "id", Refresh: "refresh"}
	other := signin.Tokens{ID: "other"}
	folder := t.TempDir()
	with := keepIn(folder, map[string]string{"DBUS_SESSION_BUS_ADDRESS": "x"})
	without := keepIn(folder, nil)

	where, err := without.Store("p", other)
	if err != nil || where != without.File {
		t.Fatal(where, err)
	}

	if info, err := os.Stat(without.File); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}

	if got, err := with.Load("p"); got != other || err != nil {
		t.Error("kept before there was a keyring:", err)
	}

	if where, err = with.Store("p", tokens); err != nil || where != "the system's keyring" {
		t.Fatal(where, err)
	}

	if _, err := os.Stat(with.File); !errors.Is(err, os.ErrNotExist) {
		t.Error("the file is still there:", err)
	}

	if got, err := with.Load("p"); got != tokens || err != nil {
		t.Error(err)
	}

	if _, err := with.Load("q"); !errors.Is(err, signin.ErrSignedOut) {
		t.Error(err)
	}

	for range 2 {
		if err := with.Forget("p"); err != nil {
			t.Fatal(err)
		}
	}

	if _, err := with.Load("p"); !errors.Is(err, signin.ErrSignedOut) {
		t.Error(err)
	}

	keyring.MockInitWithError(errors.New("locked"))

	if where, err = with.Store("p", tokens); err != nil || where != with.File {
		t.Error(where, err)
	}

	if got, err := with.Load("p"); got != tokens || err != nil {
		t.Error(err)
	}
}

// browser returns a client that keeps no connections: when another test ends its server, httptest
// closes those of the default transport, even one that is about to be used.
func browser() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}
