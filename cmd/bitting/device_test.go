package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zalando/go-keyring"

	main "github.com/bitting-keys/bitting/cmd/bitting"
	"github.com/bitting-keys/bitting/pkg/localoidc"
)

// deviceIssuer is the local issuer with the device flow, and a deployment that trusts it.
func deviceIssuer(t *testing.T) (url string, codes *atomic.Int64) {
	t.Helper()

	server := httptest.NewUnstartedServer(nil)
	url = "http://" + server.Listener.Addr().String()

	provider, err := localoidc.New(localoidc.Config{
		BaseURL: url, DataDir: t.TempDir(), People: []localoidc.Person{{Email: "alice@acme.test"}},
	})
	if err != nil {
		t.Fatal(err)
	}

	token, err := provider.Token("alice@acme.test")
	if err != nil {
		t.Fatal(err)
	}

	answer := func(w http.ResponseWriter, status int, body any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	codes = &atomic.Int64{}
	next := provider.Handler()
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/oidc/.well-known/openid-configuration":
			recorded := httptest.NewRecorder()
			next.ServeHTTP(recorded, r)
			document := map[string]any{}
			_ = json.Unmarshal(recorded.Body.Bytes(), &document)
			document["device_authorization_endpoint"] = url + "/device"
			answer(w, http.StatusOK, document)
		case r.URL.Path == "/device":
			answer(w, http.StatusOK, map[string]any{
				"device_code": "device-code", "user_code": "WDJB-MJHT", "interval": 1, "expires_in": 60,
				"verification_uri": url + "/enter\x1b[31m",
			})
		case r.URL.Path == "/oidc/token" && codes.Add(1) == 1:
			answer(w, http.StatusBadRequest, map[string]string{"error": "authorization_pending"})
		case r.URL.Path == "/oidc/token" && r.PostFormValue("device_code") == "device-code":
			answer(w, http.StatusOK, map[string]string{
				"access_token": "a", "token_type": "Bearer", "id_token": token,
				"refresh_token": "refresh-text",
			})
		case r.URL.Path == "/v1/me" && r.Header.Get("Authorization") == "Bearer "+token:
			answer(w, http.StatusOK, map[string]any{
				"email":         "alice@acme.test",
				"organizations": []map[string]string{{"id": "acme", "name": "Acme"}},
			})
		case r.URL.Path == "/v1/me":
			answer(w, http.StatusUnauthorized, map[string]string{"code": "unauthenticated"})
		default:
			next.ServeHTTP(w, r)
		}
	})
	server.Start()
	t.Cleanup(server.Close)
	return url, codes
}

// TestLoginByDevice signs in without a browser, through the command. The tokens are in the keyring, and
// in no file.
func TestLoginByDevice(t *testing.T) { // not in parallel: the variables and the keyring are the process's
	keyring.MockInit()

	url, codes := deviceIssuer(t)
	home := t.TempDir()

	for name, value := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": home, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/none",
		"BITTING_URL": "", "BITTING_DATA": "", "BITTING_KEY": "", "BITTING_PROFILE": "", "DISPLAY": "",
	} {
		t.Setenv(name, value)
	}

	said := captured(t, func() {
		if code := main.Run([]string{
			"login", "--url", url, "--issuer", url + "/oidc", "--client-id", "bitting-console",
			"--no-browser",
		}); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
	for _, want := range []string{
		"Open " + url + `/enter\x1b[31m in any browser, and enter the code WDJB-MJHT.`,
		"Signed in as alice@acme.test. The tokens are in the system's keyring.",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in %s", want, said)
		}
	}

	if codes.Load() != 2 {
		t.Errorf("%d requests for tokens, of which the first found nobody", codes.Load())
	}

	files, err := filepath.Glob(home + "/bitting/*")
	for _, file := range files {
		text, readErr := os.ReadFile(file)
		if readErr != nil || strings.Contains(string(text), "eyJ") ||
			strings.Contains(string(text), "refresh-") ||
			strings.Contains(file, "tokens.json") && !strings.HasSuffix(file, ".lock") {
			t.Errorf("%s: %v", file, readErr)
		}
	}

	if err != nil || len(files) == 0 {
		t.Error("no profile", err)
	}

	for _, step := range []struct {
		args  []string
		code  int
		words string
	}{
		{[]string{"me"}, 0, "acme"},
		{[]string{"logout"}, 0, "Signed out of the profile default"},
		{[]string{"me"}, 3, "nobody is signed in"},
	} {
		said := captured(t, func() {
			if code := main.Run(step.args); code != step.code {
				t.Errorf("%v: exit code %d", step.args, code)
			}
		})
		if !strings.Contains(said, step.words) {
			t.Errorf("%v: %s", step.args, said)
		}
	}
}

// captured returns what work writes to the process's own output.
func captured(t *testing.T, work func()) string {
	t.Helper()

	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}

	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = file, file

	defer func() { os.Stdout, os.Stderr = stdout, stderr; _ = file.Close() }()

	work()

	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}
