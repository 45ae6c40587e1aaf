package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// browserName is the program that opens a browser on Linux. Tests run themselves by this name.
const browserName = "xdg-open"

// browserFolder returns a folder for PATH in which the tests are the browser.
func browserFolder(t *testing.T) string {
	t.Helper()

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	folder := t.TempDir()
	if err := os.Symlink(self, filepath.Join(folder, browserName)); err != nil {
		t.Fatal(err)
	}

	return folder
}

// browse does what a browser and the person PERSON do at the address of a sign-in: they pick that
// person. Nobody denies. It returns an exit code.
func browse(address string) int {
	if err := signIn(address, os.Getenv("PERSON")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}

	return 0
}

func signIn(address, person string) error {
	asked, err := url.Parse(address)
	if err != nil {
		return err
	}

	back := asked.Query().Get("redirect_uri")

	// another page in the same browser tries to get in first
	if err := visit(back + "?code=stolen&state=guessed"); err == nil {
		return fmt.Errorf("%s took a code with another state", back)
	}

	if person == "" {
		return visit(back + "?" + url.Values{
			"error": {"access_denied"}, "error_description": {"not \x1b[31mtoday"},
			"state": {asked.Query().Get("state")},
		}.Encode())
	}

	response, err := http.Get(address) //nolint:noctx // a browser
	if err != nil {
		return err
	}

	page := response.Request.URL // of the sign-in, after a redirect
	_ = response.Body.Close()

	picked, err := browser().PostForm(page.Scheme+"://"+page.Host+page.Path, url.Values{ //nolint:noctx // a browser
		"id": {page.Query().Get("id")}, "person": {person},
	})
	if err != nil {
		return err
	}

	defer func() { _ = picked.Body.Close() }()

	return answered(picked)
}

func visit(address string) error {
	response, err := http.Get(address) //nolint:noctx // a browser
	if err != nil {
		return err
	}

	defer func() { _ = response.Body.Close() }()

	return answered(response)
}

func answered(response *http.Response) error {
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d: %s", response.StatusCode, text)
	}

	return err
}

// expire is the script command `expire FILE PROFILE`: the profile's ID token expires, and its
// signature is wrong from now on.
func expire(s *testscript.TestScript, _ bool, args []string) {
	var all map[string]map[string]string

	s.Check(json.Unmarshal([]byte(s.ReadFile(args[0])), &all))
	tokens := all[args[1]]
	parts := strings.Split(tokens["idToken"], ".")

	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	s.Check(err)

	var claims map[string]any

	s.Check(json.Unmarshal(text, &claims))
	claims["exp"] = 1

	text, err = json.Marshal(claims)
	s.Check(err)

	parts[1] = base64.RawURLEncoding.EncodeToString(text)
	tokens["idToken"] = strings.Join(parts, ".")

	text, err = json.Marshal(all)
	s.Check(err)
	s.Check(os.WriteFile(s.MkAbs(args[0]), text, 0o600))
}

// browser returns a client that keeps no connections: when another test ends its server, httptest
// closes those of the default transport, even one that is about to be used.
func browser() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}
